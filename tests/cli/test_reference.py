"""The page of the command line: in step with the parsers, its examples run."""

import json
import runpy
import shlex
from pathlib import Path

import pytest

from perftrace.cli import main
from perftrace.formats.jsonl import encode
from tests.analysis.test_critical_path import run
from tests.ids import trace_id

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = runpy.run_path(str(DOCS / "cli_reference.py"))
MARK = " - performance_monitor - INFO - ⏱️  [PERF] "


def log(milliseconds):
    """Give a log of forty runs, one a second."""
    lines = []
    for number in range(40):
        operation_id = f"button_click_{number % 8}_{0xA3 + number:016x}"
        at = f"2025-09-09 20:00:{number:02d},000{MARK}"
        took = (milliseconds + number) / 1000
        lines += [
            f"{at}start: {operation_id} - click",
            f"{at}checkpoint: {operation_id}.get_user - user | elapsed: {took / 2:.3f}s",
            f"{at}done: {operation_id} - click | took: {took:.3f}s | user_id={number % 8}",
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give a folder with the files that the examples read."""
    (tmp_path / "bot.log").write_text(log(50), encoding="utf-8")
    (tmp_path / "before.log").write_text(log(40), encoding="utf-8")
    (tmp_path / "traces").mkdir()
    records = [run("handler", 1, 0, 50).replace(trace_id=trace_id(number)) for number in range(1, 30)]
    lines = b"".join(encode(record).rstrip(b"\n") + b"\n" for record in records)
    (tmp_path / "traces" / "1795000000000000000-1-00000001.jsonl").write_bytes(lines)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_is_what_the_parsers_say():
    """Made anew by `python docs/cli_reference.py`."""
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == REFERENCE["page"]()


@pytest.mark.parametrize("name", REFERENCE["EXAMPLES"])
@pytest.mark.usefixtures("folder")
def test_each_example_runs_as_text_and_as_data(name, capsys):
    """From the page itself."""
    text = REFERENCE["EXAMPLES"][name]
    assert f"```sh\n{text}\n```" in (DOCS / "cli.md").read_text(encoding="utf-8")
    assert main([*shlex.split(text)[1:], "--language", "en"]) == 0
    out, err = capsys.readouterr()
    assert (out.strip() != "", err) == (name != "export", "")
    if name != "import":  # which would have it there twice
        assert main([*shlex.split(text)[1:], "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["command"] == name
