"""Long work: how far it is, on a terminal alone, and Ctrl-C."""

import subprocess
import sys

import pytest

from perftrace.cli import COMMANDS, common
from tests.conftest import TIMEOUT

MARK = "2025-09-09 20:41:06,864 - performance_monitor - INFO - ⏱️  [PERF] "


@pytest.fixture
def clock(monkeypatch):
    """Give a list whose only item is the time."""
    now = [100.0]
    monkeypatch.setattr(common.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "bot.log"
    run = f"{MARK}开始: a_1_00000000000000aa - x\n{MARK}完成: a_1_00000000000000aa - x | 耗时: 0.010s | user_id=1\n"
    path.write_text(run * 20_000, encoding="utf-8")
    return str(path)


def test_a_terminal_sees_how_much_is_read_from_the_first_second_on(clock, log, monkeypatch, capsys):
    """Five times a second, and nothing is left of it in the end."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    source = common.open_source([log])
    show = source.on_progress
    assert show is not None
    show(1_000_000)
    assert capsys.readouterr().err == ""
    clock[0] += 1
    show(1_000_000)
    show(1_000_000)
    assert capsys.readouterr().err == "\r\x1b[Kperftrace: 2 of 5 MB read"
    clock[0] += 0.2
    show(50_000_000)
    assert capsys.readouterr().err == "\r\x1b[Kperftrace: 53 MB read"
    list(source)
    assert common.report_read_errors(source, [log]) == 0
    assert capsys.readouterr().err.endswith("\r\x1b[K")


def test_nobody_else_sees_it(clock, log, capsys):
    """Not in a file or a pipe."""
    source = common.open_source([log])
    assert source.on_progress is None
    list(source)
    assert common.report_read_errors(source, [log]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("part", [1 << 20, 1 << 30])
def test_ctrl_c_ends_cleanly(log, part):
    """On all cores or on one: status 130 and not a word."""
    script = f"""
import os, signal, sys
from perftrace.cli import main
from perftrace.sources import files, parallel
files.PART = parallel.PART = {part}
def interrupt(self, read):
    os.kill(os.getpid(), signal.SIGINT)
files.FileSource._progress = interrupt
sys.exit(main(["report", {log!r}]))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=TIMEOUT, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


def test_a_command_imports_no_other():
    """All of them together take a quarter second."""
    code = """
import sys
from perftrace.cli import main
main(["report", "-"])
assert "perftrace.cli.advise" not in sys.modules
"""
    options = {"timeout": 30, "capture_output": True}
    subprocess.run([sys.executable, "-c", code], check=True, input=b"", **options)
    listed = subprocess.run([sys.executable, "-m", "perftrace", "-h"], check=True, **options).stdout.decode()
    assert all(f"\n    {name} " in listed for name in COMMANDS)
