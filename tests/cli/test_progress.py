"""Long work: how far it is, on a terminal alone, and Ctrl-C."""

import argparse
import contextlib
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


@pytest.fixture
def options(log):
    """Options of a command that reads the log."""
    with contextlib.ExitStack() as cleanup:
        yield argparse.Namespace(files=[log], language="en", cleanup=cleanup)


def test_a_terminal_sees_how_much_is_read_from_the_first_second_on(clock, options, monkeypatch, capsys):
    """Five times a second; in the end the line is wiped and the cursor is back."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    source = common.open_source(options)
    show = source.on_progress
    assert show is not None
    show(1_000_000)
    assert capsys.readouterr().err == ""
    clock[0] += 1
    show(1_000_000)
    show(1_000_000)
    shown = capsys.readouterr().err
    assert "2.0/4.7 MB" in shown
    assert "3.0/4.7" not in shown
    clock[0] += 0.2
    show(50_000_000)
    assert "53.0/53.0 MB" in capsys.readouterr().err
    list(source)
    assert common.report_read_errors(options, source) == 0
    end = capsys.readouterr().err
    assert end.endswith("\x1b[2K")  # the line
    assert "\x1b[?25h" in end  # the cursor


def test_what_ends_a_command_in_the_middle_gives_the_cursor_back(clock, options, monkeypatch, capsys):
    """An error, or Ctrl-C."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    show = common.open_source(options).on_progress
    assert show is not None
    clock[0] += 1
    show(1_000_000)
    assert "\x1b[?25l" in capsys.readouterr().err
    options.cleanup.close()
    assert "\x1b[?25h" in capsys.readouterr().err


def test_nobody_else_sees_it(options, capsys):
    """Not in a file or a pipe."""
    source = common.open_source(options)
    assert source.on_progress is None
    list(source)
    assert common.report_read_errors(options, source) == 0
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
