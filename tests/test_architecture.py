"""The floors: who may import whom."""

import ast
import collections
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TIMEOUT

PACKAGE = Path(__file__).parent.parent / "perftrace"

FLOORS = (
    ("exceptions",),
    ("messages",),
    ("core",),
    ("formats",),
    ("sinks",),
    ("pipeline",),
    ("store",),
    ("sources",),
    ("tracing",),
    ("testing",),
    ("integrations",),
    ("analysis",),
    ("views",),
    ("cli",),
    ("__init__", "__main__"),
)
"""From the ground up; a name is a file or folder right under the package."""

CORE = (
    "checks",
    "clock",
    "patterns",
    "values",
    "ids",
    "events",
    "run",
    "record",
    "sink",
    "sink_guard",
    "tracer",
    "coroutines",
    "block",
)
"""The order of the core's own files."""

RUN = "a_00000000000000aa"

CORE_NEEDS = {"wrapt", "decorator"}
"""All third-party packages that the package may import outside `integrations` and optional extras."""

LATER = {
    "analysis/filters.py": ("datetime.datetime",),
    "analysis/percentiles.py": ("importlib.util",),
    "cli/common.py": ("importlib.util",),
    "core/ids.py": ("random",),
    "formats/languages.py": ("locale",),
    "formats/line.py": ("urllib.parse",),
    "sources/files.py": ("perftrace.sources.foreign", "perftrace.sources.directory"),
    "sources/logfile.py": ("perftrace.formats.times", "perftrace.sources.wrapped_lines"),
    "sources/parallel.py": ("concurrent.futures",),
    "views/console.py": ("shutil",),
    "views/text.py": ("perftrace.analysis.trees.TreeIssues",),
}
"""What files import inside their functions, as it takes long and the report of a small log does not need it: see
`test_the_report_of_a_small_log_imports_only_what_it_needs`."""

FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts


_LATER = ast.FunctionDef | ast.AsyncFunctionDef


def _is_for_types(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@functools.cache
def imports_of(path):
    """Every import of a file as (dotted parts, whether inside a function or for type checkers alone)."""
    return tuple(_imports_of(path))


def _imports_of(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, _LATER) or _is_for_types(f) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split(".")), id(node) in inner
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            parts = tuple(str(node.module).split("."))
            for alias in node.names:
                yield (*parts, alias.name), id(node) in inner


def target_module(parts):
    """Find the file or folder of the package that an import names; the imported object's own name is cut off."""
    inside = parts[1:]
    while inside and not (
        (PACKAGE.joinpath(*inside)).is_dir() or PACKAGE.joinpath(*inside).with_suffix(".py").is_file()
    ):
        inside = inside[:-1]
    return inside or ("__init__",)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_file_stands_on_a_floor_and_imports_only_downwards(path):
    """A file imports from lower floors or from its own folder, nothing above."""
    here = module_of(path)
    assert here[0] in FLOOR, f"{path.name} stands on no floor of the table"
    for parts, _ in imports_of(path):
        if parts[0] != "perftrace":
            continue
        there = target_module(parts)
        if there[0] == here[0]:
            continue
        assert FLOOR[there[0]] < FLOOR[here[0]], f"{'.'.join(here)} imports {'.'.join(parts)} from a floor not below"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_stand_at_the_top_of_the_file(path):
    """Only an optional extra may be imported inside a function, and what the report of a small log does not need."""
    later = LATER.get(str(path.relative_to(PACKAGE)), ())
    for parts, inside in imports_of(path):
        if inside and path.name != "__init__.py" and not ".".join(parts).startswith(later or ("?",)):
            assert parts[0] not in {"perftrace", *sys.stdlib_module_names, *CORE_NEEDS}, f"{path}: {'.'.join(parts)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_party_packages_are_the_required_ones(path):
    """Everything outside `integrations` runs with wrapt and decorator alone; what commands show, with rich, too."""
    allowed = {"perftrace", *sys.stdlib_module_names, *CORE_NEEDS}
    if module_of(path)[0] in ("views", "cli"):
        allowed.add("rich")
    if module_of(path)[0] == "core":
        allowed -= CORE_NEEDS
    for parts, inside in imports_of(path):
        assert inside or module_of(path)[0] == "integrations" or parts[0] in allowed, f"{path}: {'.'.join(parts)}"


def modules_after(code, *arguments):
    """Give the modules that a program has imported at its end; coverage, which imports more, is not measured in it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True, env=environment)
    return set(done.stdout.splitlines()[-1].split())


def test_the_first_name_that_traces_imports_all_of_them():
    """A fork beside a thread that imports leaves the child waiting for a lock that nobody gives back."""
    traced = modules_after("import sys; from perftrace import timed; print(*sys.modules)")
    code = "import sys, perftrace; perftrace.configure(sinks=[]); perftrace.bind; print(*sys.modules)"
    assert modules_after(code) == traced
    assert {"perftrace.tracing.monitor", "perftrace.integrations", "perftrace.messages.zh"} <= traced
    assert "perftrace.core.tracer" not in modules_after("import sys, perftrace; print(*sys.modules)")


def test_the_report_of_a_small_log_imports_only_what_it_needs(tmp_path):
    """Most of its time is that of its imports."""
    path = tmp_path / "bot.log"
    path.write_text(f"⏱️  [PERF] 开始: {RUN} - x\n⏱️  [PERF] 完成: {RUN} - x | 耗时: 0.100s\n", encoding="utf-8")
    code = "import sys, perftrace.cli; perftrace.cli.main(['report', sys.argv[1]]); print(*sys.modules)"
    loaded = modules_after(code, path)
    assert "perftrace.analysis.reports" in loaded
    unneeded = {"asyncio", "numpy", "duckdb", "wrapt", "decorator", "rich.console", "concurrent.futures", "datetime"}
    unneeded |= {"perftrace.core.tracer", "perftrace.store", "perftrace.messages.en", "perftrace.sources.foreign"}
    unneeded |= {"perftrace.formats.times", "perftrace.sources.wrapped_lines", "perftrace.formats.otlp"}
    assert not loaded & unneeded


def test_what_bots_import_takes_nothing_of_the_terminal():
    """`rich` is for the commands."""
    code = "import sys, perftrace, perftrace.sinks, perftrace.pipeline, perftrace.sources, perftrace.testing; "
    code += "assert not any(name.partition('.')[0] == 'rich' for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)


def test_core_files_import_only_lower_siblings():
    """In the order of `CORE`."""
    for path in (PACKAGE / "core").glob("*.py"):
        here = module_of(path)
        if len(here) < 2:
            continue
        for parts, _ in imports_of(path):
            there = target_module(parts)
            if parts[0] == "perftrace" and len(there) > 1:
                assert CORE.index(there[1]) < CORE.index(here[1])


def test_there_is_no_import_cycle():
    """Files can be put in an order in which each imports only earlier ones."""
    graph = {
        module_of(path): {target_module(parts) for parts, _ in imports_of(path) if parts[0] == "perftrace"}
        - {module_of(path)}
        for path in FILES
    }
    while graph:
        leaves = [name for name, needs in graph.items() if not needs & graph.keys()]
        assert leaves, f"a cycle among {sorted('.'.join(name) for name in graph)}"
        for name in leaves:
            del graph[name]


@pytest.mark.parametrize("path", sorted((PACKAGE / "analysis").glob("*.py")), ids=lambda p: p.name)
def test_an_analysis_knows_what_sources_give_and_not_how_they_read(path):
    """Neither a store nor a reader."""
    allowed = {("sources", "base"), ("sources", "aggregates")}
    for parts, _ in imports_of(path):
        there = target_module(parts) if parts[0] == "perftrace" else ("core",)
        is_below = there[0] in {"exceptions", "messages", "core", "formats", "analysis"}
        assert is_below or there[:2] in allowed, ".".join(parts)


SHARED_NAMES = {"PerftraceMiddleware"}
"""What each framework's users look for."""


def test_no_two_classes_have_one_name():
    """A leading underscore makes no difference."""
    places = collections.defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(".".join(module_of(path)))
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in SHARED_NAMES} == {}


def test_the_page_of_the_architecture_has_the_same_floors():
    """In the same order."""
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [line.split("`")[1] for line in page.split("## Floors")[1].split("\n") if line.startswith("| `")]
    assert rows == [name for names in FLOORS[:-1] for name in names]
