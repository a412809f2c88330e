"""Pages that answer by lookup: every argument, sink, variable and counter is on them, and nothing else."""

import inspect
import re
from pathlib import Path

import perftrace
from perftrace.tracing.sink_registry import NAMED_SINKS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def names_of(heading):
    """Give the names in the first column of the table below a heading."""
    table = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.split("\n") if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_every_argument_is_told():
    """In their order."""
    assert names_of("Arguments of configure") == list(inspect.signature(perftrace.configure).parameters)


def test_every_sink_that_has_a_name_is_told():
    """With what stands behind it."""
    assert {name.partition(":")[0] for name in names_of("Sinks by name")} == set(NAMED_SINKS)


def test_every_variable_is_told():
    """Those that the package reads; those of OTLP's exporter by their endings."""
    told = set(names_of("Environment variables"))
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "perftrace").rglob("*.py"))
    read = set(re.findall(r"\b(?:PERFTRACE|OTEL)_[A-Z_]*[A-Z]\b", code)) | {"LC_ALL", "LC_MESSAGES", "LANG", "TERM"}
    read -= {name for name in read if "_TRACES" in name or "_LOGS" in name or name == "OTEL_EXPORTER_OTLP"}
    read |= {f"OTEL_EXPORTER_OTLP_{name}" for name in re.findall(r'_from\("([A-Z_]+)"', code)}
    assert told - {"NO_COLOR", "COLUMNS"} == read


def test_every_counter_is_told():
    """With what to do about it."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)`", page.split("## What stats() says")[1]))
    assert set(perftrace.Stats.__annotations__) - {"sinks"} <= told
