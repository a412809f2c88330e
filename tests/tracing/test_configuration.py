"""`configure`, `flush`, `shutdown`, `stats`."""

import logging
import os
import subprocess
import sys

import pytest

import perftrace
from perftrace.tracing.configuration import tracer
from tests.conftest import TIMEOUT


class Spy(perftrace.Sink):
    def __init__(self, flushed=True):
        self.records, self.closed, self.flushed = [], 0, flushed

    def finished(self, record):
        self.records.append(record)

    def flush(self, timeout):
        return self.flushed

    def close(self, timeout):
        self.closed += 1


def trace(name="a"):
    with perftrace.operation(name):
        pass


def test_configure_replaces_the_sinks_and_closes_the_former():
    """One that stays is neither closed nor counted anew."""
    old, stays, new = Spy(), Spy(), Spy()
    perftrace.configure(sinks=[old, stays])
    trace()
    perftrace.configure(sinks=[stays, new])
    trace()
    assert [len(s.records) for s in (old, stays, new)] == [1, 2, 1]
    assert [s.closed for s in (old, stays, new)] == [1, 0, 0]
    assert [s["accepted"] for s in perftrace.stats()["sinks"]] == [2, 1]


def test_a_callable_is_a_sink():
    """It takes records."""
    records = []
    perftrace.configure(sinks=[records.append])
    trace()
    assert [r.name for r in records] == ["a"]


def test_no_sink_is_allowed():
    """Then nothing is traced, and nothing fails."""
    perftrace.configure(sinks=[])
    trace()
    assert perftrace.stats()["sinks"] == []
    assert perftrace.flush(1)


@pytest.mark.parametrize(
    ("wish", "error", "message"),
    [
        ({"sinks": ["nonsense"]}, ValueError, "'nonsense'.*jsonl:PATH, log, memory"),
        ({"sinks": ["jsonl"]}, ValueError, "jsonl:PATH"),
        ({"sinks": ["jsonl:"]}, ValueError, "jsonl:PATH"),
        ({"sinks": ["log:x"]}, ValueError, "colon"),
        ({"sinks": ["memory", "jsonl:/nonexistent/folder/file"]}, OSError, "nonexistent"),
        ({"sinks": ["jsonl:/"]}, OSError, "directory"),
        ({"sinks": "log"}, TypeError, "list"),
        ({"sinks": 5}, TypeError, "list"),
        ({"sinks": None}, TypeError, "list"),
        ({"sinks": [5]}, TypeError, "Sink"),
        ({"sinks": [Spy]}, TypeError, r"Spy\(\)"),
        ({"sinks": [], "language": "fr"}, ValueError, "zh, en"),
    ],
)
def test_a_configure_that_fails_changes_nothing(wish, error, message):
    """And says what would work."""
    spy = Spy()
    perftrace.configure(sinks=[spy])
    with pytest.raises(error, match=message):
        perftrace.configure(**wish)
    trace()
    assert (len(spy.records), spy.closed) == (1, 0)


def test_enabled_false_stops_and_true_resumes():
    """The sinks stay."""
    spy = Spy()
    perftrace.configure(sinks=[spy])
    perftrace.configure(enabled=False)
    perftrace.timed(trace)()
    perftrace.configure(enabled=True)
    trace("on")
    assert [r.name for r in spy.records] == ["on"]


def test_shutdown_closes_and_stops_until_the_next_configure():
    """Once."""
    spy = Spy()
    perftrace.configure(sinks=[spy])
    assert perftrace.shutdown(1)
    assert perftrace.shutdown(1)
    trace()
    assert (spy.closed, spy.records) == (1, [])


def test_flush_says_whether_all_was_written():
    """None of a sink's own flush counts as written, False does not."""
    for flushed, expected in [(True, True), (None, True), (False, False)]:
        perftrace.configure(sinks=[Spy(flushed)])
        assert perftrace.flush(1) is expected


def test_flush_is_false_once_after_a_loss():
    """What was lost since the last one."""

    class Faulty(perftrace.Sink):
        def finished(self, record):
            raise OSError("full")

    perftrace.configure(sinks=[Faulty()])
    assert perftrace.flush(1)
    trace()
    assert [perftrace.flush(1), perftrace.flush(1)] == [False, True]


def test_a_broken_sink_is_reported_once_by_its_class(caplog):
    """Then only counted."""

    class Faulty(perftrace.Sink):
        def finished(self, record):
            raise OSError("full")

        def close(self, timeout):
            raise OSError("full")

    perftrace.configure(sinks=[Faulty()])
    with caplog.at_level(logging.WARNING, "performance_monitor"):
        trace()
        trace()
    (report,) = caplog.messages
    assert "Faulty" in report
    assert perftrace.stats()["sinks"][0] == {
        "name": "Faulty", "accepted": 2, "written": 0, "pending": 0, "dropped": {"error": 2}, "errors": 2,
    }  # fmt: skip
    assert perftrace.shutdown(1) is False


def test_ctrl_c_during_a_sink_reaches_the_user():
    """It was meant for the program."""

    class Interrupted(perftrace.Sink):
        def finished(self, record):
            raise KeyboardInterrupt

    perftrace.configure(sinks=[Interrupted()])
    with pytest.raises(KeyboardInterrupt):
        trace()
    assert perftrace.stats()["sinks"][0]["dropped"] == {"error": 1}


def test_only_overridden_hooks_are_called():
    """A sink of finishes is not handed starts."""
    perftrace.configure(sinks=[Spy()])
    assert (tracer.on_started, tracer.on_reached, callable(tracer.on_finished)) == (None, None, True)


@pytest.mark.parametrize(
    ("variable", "value", "warns", "check"),
    [
        ("PERFTRACE_SINKS", "memory", False, "[s['name'] for s in p.stats()['sinks']] == ['MemorySink']"),
        ("PERFTRACE_SINKS", "log, memory", False, "len(p.stats()['sinks']) == 2"),
        ("PERFTRACE_SINKS", "nonsense", True, "[s['name'] for s in p.stats()['sinks']] == ['LogSink']"),
        ("PERFTRACE_SINKS", "", False, "[s['name'] for s in p.stats()['sinks']] == ['LogSink']"),
        ("PERFTRACE_LANGUAGE", "en", False, "p.tracing.configuration.tracer.guards[0].sink.language == 'en'"),
        ("PERFTRACE_LANGUAGE", "fr", True, "p.tracing.configuration.tracer.guards[0].sink.language == 'zh'"),
        ("PERFTRACE_ENABLED", "0", False, "not p.tracing.configuration.tracer.live"),
        ("PERFTRACE_ENABLED", "on", False, "p.tracing.configuration.tracer.live"),
        ("PERFTRACE_ENABLED", "maybe", True, "p.tracing.configuration.tracer.live"),
    ],
)
def test_the_environment_configures_and_never_breaks_the_import(variable, value, warns, check):
    """A bad value is a warning and the default."""
    code = f"import perftrace.tracing.configuration as _, perftrace as p\nassert {check}"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, variable: value},
        capture_output=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert (variable.encode() in result.stderr) is warns


def test_entry_points_of_other_packages_are_names(tmp_path, monkeypatch):
    """A class or a factory, called with the text after the colon, if any."""
    (tmp_path / "plug.py").write_text(
        "import perftrace\n"
        "class Plug(perftrace.Sink):\n"
        "    def __init__(self, text='none'):\n"
        "        self.text = text\n"
        "def bad(): return 5\n"
    )
    info = tmp_path / "plug-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[perftrace.sinks]\nplug = plug:Plug\nbad = plug:bad\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    perftrace.configure(sinks=["plug", "plug:a:b"])
    assert [guard.sink.text for guard in tracer.guards] == ["none", "a:b"]
    with pytest.raises(TypeError, match="bad"):
        perftrace.configure(sinks=["bad"])
    with pytest.raises(
        ValueError,
        match="bad, jsonl:PATH, log, memory, otlp-json:PATH, otlp:URL, perfetto:PATH, plug, prometheus:PORT, store:DIR",
    ):
        perftrace.configure(sinks=["other"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_makes_other_ids_and_tells_its_own_process():
    """Records of both can be told apart."""
    code = """
import os, perftrace, sys
perftrace.configure(sinks=["memory"])
child = os.fork()
with perftrace.operation("a"):
    pass
r = perftrace.records()[0]
assert r.pid == os.getpid()
os.write(1, (r.trace_id + r.span_id + "\\n").encode())
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=TIMEOUT, check=True).stdout.split()
    assert len(set(out)) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_what_began_before_a_fork_is_told_by_the_parent_alone():
    """The child has no current operation, and its own are roots."""
    code = """
import os, perftrace
perftrace.configure(sinks=["memory"])
with perftrace.operation("across") as across:
    child = os.fork()
    if child == 0:
        assert perftrace.current_operation() is None
        with perftrace.operation("own"):
            pass
names = [(r.name, r.parent_id) for r in perftrace.records()]
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert names == [("across", None)], names
else:
    assert names == [("own", None)], names
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_lock_that_another_thread_holds_at_the_fork_does_not_stop_the_child(tmp_path):
    """A thread is inside a log handler while the process forks: both go on to write."""
    code = """
import logging, os, perftrace, sys, threading
inside, go_on = threading.Event(), threading.Event()
class Slow(logging.FileHandler):
    def emit(self, record):
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go_on.wait()
        super().emit(record)
handler = Slow(sys.argv[1], encoding="utf-8")
logging.basicConfig(level=logging.INFO, handlers=[handler])
perftrace.configure(sinks=["log", "memory", "jsonl:" + sys.argv[1] + ".jsonl"])
@perftrace.timed(operation="work")
def work():
    perftrace.checkpoint("half")
thread = threading.Thread(target=work)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    work()
    assert len(perftrace.records()) == 1
    assert perftrace.shutdown(5)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
go_on.set()
thread.join()
work()
assert len(perftrace.records()) == 2
"""
    log = tmp_path / "bot.log"
    subprocess.run([sys.executable, "-c", code, log], check=True, timeout=TIMEOUT)
    assert log.read_text(encoding="utf-8").count("[PERF] 检查点") == 3
    assert len((tmp_path / "bot.log.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("sink", "package", "extra"),
    [("otlp:http://127.0.0.1:1", "opentelemetry", "otlp"), ("prometheus:0", "prometheus_client", "prometheus")],
)
def test_a_missing_extra_names_its_pip_line(sink, package, extra):
    """And the core needs none of them."""
    code = f"""
import sys
sys.modules[{package!r}] = None
import perftrace
try:
    perftrace.configure(sinks=[{sink!r}])
except ModuleNotFoundError as error:
    assert "pip install 'perftrace-toolkit[{extra}]'" in str(error), error
else:
    raise AssertionError
assert [one["name"] for one in perftrace.stats()["sinks"]] == ["LogSink"]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)
