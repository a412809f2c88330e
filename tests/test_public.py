"""The public surface: what `perftrace` exports, and the errors that it raises."""

import ast
import builtins
import inspect
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

import perftrace
from perftrace import analysis, exceptions, pipeline, sinks, sources, store, testing
from tests.conftest import TIMEOUT

GIVEN = {"Block", "Operation", "Timer"}
"""What calls return; nobody makes one."""


def functions():
    """Yield each public function and method by its name."""
    for name in perftrace.__all__:
        exported = getattr(perftrace, name)
        if inspect.isclass(exported):
            members = inspect.getmembers(
                exported, lambda member: inspect.isfunction(member) or isinstance(member, property)
            )
            for member_name, member in members:
                is_constructor = member_name == "__init__" and name not in GIVEN
                if is_constructor or not member_name.startswith("_"):
                    yield f"{name}.{member_name}", member.fget if isinstance(member, property) else member
        elif callable(exported) and not hasattr(exported, "__origin__"):
            yield name, exported


@pytest.mark.parametrize(
    ("name", "function"), list(functions()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_name_of_a_signature_is_exported(name, function):
    """Or it is the standard library's."""
    module = sys.modules[function.__module__]
    hints = getattr(function, "__annotations__", {}).values()
    words = {
        word for hint in hints for word in re.findall(r"\b[A-Z]\w*", hint if isinstance(hint, str) else repr(hint))
    }
    ours = {
        word
        for word in words
        if not hasattr(builtins, word)
        and str(getattr(getattr(module, word, None), "__module__", "")).startswith("perftrace")
        and inspect.isclass(getattr(module, word))
    }
    assert ours <= set(perftrace.__all__)


def test_the_top_level_imports_nothing_that_reads():
    """Neither readers nor analysis nor the command line."""
    code = "import sys, perftrace; print(*[m for m in sys.modules if m.startswith('perftrace.')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=TIMEOUT, check=True, text=True)
    assert not {name.split(".")[1] for name in loaded.stdout.split()} & {"sources", "analysis", "views", "cli"}


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (exceptions.SourceError, (exceptions.PerftraceError, ValueError)),
        (exceptions.NewerVersionError, (exceptions.SourceError,)),
        (exceptions.StoreBusyError, (exceptions.PerftraceError, OSError)),
        (exceptions.MarkerError, (exceptions.PerftraceError, ValueError)),
    ],
)
def test_an_error_is_the_one_that_a_caller_would_guess(error, bases):
    """And perftrace's own, exported."""
    assert all(issubclass(error, base) for base in bases)
    assert getattr(perftrace, error.__name__) is error
    assert re.search(rf"── {error.__name__}\b", exceptions.__doc__)


def test_the_sinks_are_imported_from_their_package():
    """Each when it is asked for."""
    assert {name: getattr(sinks, name).__name__ for name in sinks.__all__} == {name: name for name in sinks.__all__}
    with pytest.raises(AttributeError, match="'NoSuchSink'"):
        sinks.NoSuchSink  # it raises


def test_the_analysis_exports_its_functions_and_their_results():
    """By name, whatever was imported before; `report` without numpy."""
    assert {getattr(analysis, name).__name__ for name in analysis.__all__} == set(analysis.__all__)
    code = (
        "import sys; from perftrace.analysis import report; assert callable(report); assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)
    with pytest.raises(AttributeError, match="'no_such_name'"):
        analysis.no_such_name  # it raises


EXPORTED = [
    exported
    for module in (perftrace, analysis, pipeline, sinks, sources, store, testing)
    for name in getattr(module, "__all__", dir(module))
    if inspect.isclass(exported := getattr(module, name))
    and exported.__module__.startswith("perftrace.")
    and not name.startswith("_")
]


@pytest.mark.parametrize("exported", dict.fromkeys(EXPORTED), ids=lambda exported: exported.__qualname__)
def test_each_field_is_documented(exported):
    """Those of a type by the text below it, properties by their own."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(exported))).body
    below = [*definition.body[1:], None]
    for statement, following in zip(definition.body, below, strict=True):
        if isinstance(statement, ast.AnnAssign) and not statement.target.id.startswith("_"):
            assert isinstance(following, ast.Expr), statement.target.id
            assert isinstance(following.value.value, str), statement.target.id
    for name, member in vars(exported).items():
        assert name.startswith("_") or not isinstance(member, property) or member.__doc__, name


def test_ids_are_hexadecimal_text():
    """Numbers are nobody's business."""
    record = perftrace.Record("a", trace_id="0" * 31 + "a", span_id="0" * 15 + "b", parent_id="0" * 15 + "c")
    assert (record.trace_id, record.span_id, record.parent_id) == ("0" * 31 + "a", "0" * 15 + "b", "0" * 15 + "c")
    assert record.as_dict()["trace_id"] == record.trace_id
    assert not {"trace", "span", "parent", "FIELDS"} & set(dir(record))
    bare = perftrace.Record("a")
    assert (bare.trace_id, bare.span_id, bare.parent_id) == ("", "", None)
    with pytest.raises(ValueError, match="xyz"):
        perftrace.Record("a", trace_id="xyz")


def test_the_extra_all_holds_all_others():
    """As extras are added."""
    with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    (everything,) = extras.pop("all")
    assert set(re.fullmatch(r"perftrace-toolkit\[(.*)\]", everything)[1].split(",")) == set(extras)
