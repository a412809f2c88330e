"""The log line on its way through `logging`."""

import io
import logging
import subprocess
import sys

import pytest

import perftrace
from perftrace.sinks.log.sink import LogSink
from perftrace.testing import CountingIds, FakeClock
from tests.conftest import TIMEOUT

CLOCK = "\u23f1\ufe0f  [PERF] "


@pytest.fixture
def clock():
    clock = FakeClock()
    perftrace.configure(clock=clock, ids=CountingIds(), sinks=["log"])
    return clock


def run_python(code, **environment):
    """Run code in a process of its own, where nobody configured logging; give its standard error."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        timeout=TIMEOUT,
        env=environment,
        check=True,
    )
    assert result.stdout == b""
    return result.stderr


def test_lines_go_to_the_logger_at_info_and_trouble_at_warning(clock, caplog):
    """Failed and slow operations stand out by level."""
    with caplog.at_level(logging.INFO, "performance_monitor"):
        with perftrace.operation("job", description="做事", done="做完", slow=1):
            clock.advance(0.051)
            perftrace.checkpoint("a", "第一步")
            clock.advance(2)
        with pytest.raises(ValueError, match="no"), perftrace.operation("bad"):
            raise ValueError("no")
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        ("performance_monitor", "INFO", f"{CLOCK}开始: job_{1:016x} - 做事"),
        ("performance_monitor", "INFO", f"{CLOCK}检查点: job_{1:016x}.a - 第一步 | 已耗时: 0.051s"),
        ("performance_monitor", "WARNING", f"{CLOCK}完成: job_{1:016x} - 做完 | 耗时: 2.051s | 慢"),
        ("performance_monitor", "INFO", f"{CLOCK}开始: bad_{2:016x} - bad"),
        ("performance_monitor", "WARNING", f"{CLOCK}完成: bad_{2:016x} - bad | 耗时: 0.000s | 异常: ValueError: no"),
    ]


def test_percent_signs_are_not_interpolated(clock, caplog):
    """A text is a text."""
    with caplog.at_level(logging.INFO, "performance_monitor"), perftrace.operation("a", description="100%s %d"):
        pass
    assert caplog.messages[0].endswith(" - 100%s %d")


def test_the_language_is_configured_for_all_sinks_that_chose_none(clock, caplog):
    """Before or after the sinks."""
    perftrace.configure(sinks=[LogSink(), LogSink("zh")], language="en")
    try:
        with caplog.at_level(logging.INFO, "performance_monitor"), perftrace.operation("a"):
            pass
    finally:
        perftrace.configure(language="zh")
    assert [m.split(": ")[0] for m in caplog.messages] == [f"{CLOCK}{w}" for w in ("start", "开始", "done", "完成")]


def test_levels_of_the_application_apply(clock, caplog):
    """WARNING hides healthy operations."""
    with caplog.at_level(logging.WARNING, "performance_monitor"):
        with perftrace.operation("a"):
            pass
        with perftrace.operation("b", slow=0):
            pass
    assert len(caplog.messages) == 1


def test_above_warning_no_operation_is_made(clock, caplog):
    """Nobody would see anything; another sink would."""

    @perftrace.timed
    def traced():
        return perftrace.current_operation() is not None

    with caplog.at_level(logging.ERROR, "performance_monitor"):
        assert not traced()
        perftrace.configure(sinks=["log", "memory"])
        assert traced()
    perftrace.configure(sinks=["log"])
    with caplog.at_level(logging.WARNING, "performance_monitor"):
        assert traced()


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "latin-1"])
def test_a_narrow_stream_gets_escapes_not_a_traceback(clock, encoding, capfd):
    """Of an application's own handler, too."""
    raw = io.BytesIO()
    handler = logging.StreamHandler(io.TextIOWrapper(raw, encoding=encoding, write_through=True))
    logger = logging.getLogger("performance_monitor")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with perftrace.operation("a", description="做\n"):
            pass
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    lines = raw.getvalue().decode(encoding).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("\\u23f1\\ufe0f  [PERF] ")
    assert lines[0].endswith("\\n")
    assert capfd.readouterr().err == ""


TRACE = "import perftrace\nwith perftrace.operation('a', description='做'): pass\n"


def test_where_nobody_configured_logging_lines_appear_on_standard_error():
    """In the usual form, with time, name and level."""
    first, second = run_python(TRACE, PYTHONUTF8="1").decode().splitlines()
    assert f" - performance_monitor - INFO - {CLOCK}开始: a_" in first
    assert f" - performance_monitor - INFO - {CLOCK}完成: a_" in second
    assert len(first.split(" - ")[0]) == len("2025-09-09 20:41:06,864")


def test_an_ascii_standard_error_gets_escapes():
    """Whatever the locale."""
    assert b"\\u23f1\\ufe0f  [PERF] \\u5f00\\u59cb: a_" in run_python(TRACE, PYTHONIOENCODING="ascii:strict")


@pytest.mark.parametrize(
    "setup",
    [
        "logging.getLogger().addHandler(logging.NullHandler())",
        "logging.getLogger('performance_monitor').setLevel(logging.WARNING)",
        "logging.disable(logging.CRITICAL)",
        "logging.basicConfig(level=logging.WARNING)",
    ],
)
def test_where_somebody_configured_logging_that_applies(setup):
    """A handler, a level, a switch: each silences healthy lines."""
    assert run_python(f"import logging\n{setup}\n{TRACE}") == b""


DISABLED = """
import logging, logging.config, sys, perftrace
@perftrace.timed(operation="a")
def f():
    perftrace.checkpoint("b")
{disable}
for _ in range(3):
    f()
(sink,) = perftrace.stats()["sinks"]
assert (sink["accepted"], sink["written"], sink["dropped"]) == (9, 0, {{"disabled": 9}}), sink
perftrace.get_performance_monitor().end_timer("never started")
logging.getLogger("performance_monitor").disabled = False
f()
assert perftrace.stats()["sinks"][0]["written"] == 3
"""


@pytest.mark.parametrize(
    "disable",
    [
        "logging.getLogger('performance_monitor').disabled = True",
        "logging.config.dictConfig({'version': 1, 'root': {'handlers': []}})",
    ],
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_logger_that_is_disabled_is_told_once_and_counted(disable, language):
    """`dictConfig` does that to the loggers that it is not told of; perftrace's own warnings find another way."""
    told = run_python(DISABLED.format(disable=disable), PERFTRACE_LANGUAGE=language).decode().splitlines()
    assert sum("disable_existing_loggers" in line for line in told) == 1
    assert sum("never started" in line for line in told) == 1
    assert {"zh": "被停用", "en": "is disabled"}[language] in told[0]
    assert sum("[PERF]" in line for line in told) == 3


@pytest.mark.parametrize("stderr", ["None", "open('/dev/full', 'w')", "closed"])
def test_a_broken_standard_error_loses_lines_and_counts_them(stderr):
    """Nothing reaches the user's code."""
    make = "f = open('/dev/null', 'w'); f.close(); sys.stderr = f" if stderr == "closed" else f"sys.stderr = {stderr}"
    code = f"""
import os, sys
{make}
{TRACE}
counters = perftrace.stats()["sinks"][0]
assert counters["accepted"] == 2 and counters["dropped"] == {{"error": 2}}, counters
assert perftrace.flush(1) is False
os._exit(0)
"""
    run_python(code)


@pytest.mark.parametrize(
    "method",
    [
        "Logger.handle",
        "Logger.callHandlers",
        "Logger.makeRecord",
        "LogRecord.getMessage",
        "Handler.handle",
        "StreamHandler.emit",
        "Formatter.format",
        "PercentStyle.format",
    ],
)
@pytest.mark.parametrize("when", ["before the import", "after it"])
def test_what_an_agent_put_into_logging_before_or_after_the_import_sees_each_line(method, when):
    """Agents are often the first that a program imports."""
    patch = f"""
original, seen = logging.{method}, []
logging.{method} = lambda *args: seen.append(1) or original(*args)
"""
    code = f"""
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
{patch if when == "before the import" else ""}
import perftrace
with perftrace.operation("first"): pass
{patch if when == "after it" else ""}
seen.clear()
with perftrace.operation("second"): pass
assert len(seen) == 2, seen
"""
    lines = run_python(code, PYTHONUTF8="1").decode().splitlines()
    assert len(lines) == 4
    assert f"INFO {CLOCK}开始: second_" in lines[2]


@pytest.mark.parametrize("method", ["handle", "callHandlers", "makeRecord"])
def test_what_a_monitoring_agent_put_into_logging_is_called(clock, caplog, monkeypatch, method):
    """As for any other line."""
    original, called = getattr(logging.Logger, method), []

    def patched(self, *args, **kwargs):
        called.append(method)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(logging.Logger, method, patched)
    perftrace.configure(sinks=[LogSink("en")])
    with caplog.at_level(logging.INFO, "performance_monitor"), perftrace.operation("a"):
        pass
    assert (len(called), len(caplog.messages)) == (2, 2)


def test_a_filter_may_put_anything_in_place_of_a_line():
    """As with any logger, on a narrow stream too; nothing is lost."""
    code = """
import io, logging, perftrace
raw = io.BytesIO()
logging.basicConfig(level=logging.INFO, handlers=[logging.StreamHandler(io.TextIOWrapper(raw, encoding="ascii"))])

def count(record):
    record.msg = {"length": 1}
    return True

logging.getLogger("performance_monitor").addFilter(count)
with perftrace.operation("a"): pass
assert perftrace.stats()["sinks"][0]["dropped"] == {}, perftrace.stats()
assert raw.getvalue().count(b"{'length': 1}") == 2, raw.getvalue()
"""
    assert run_python(code) == b""
