"""A queue and a worker between the traced thread and a sink."""

import collections
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import perftrace
from perftrace import Sink
from perftrace.core.record import Record
from perftrace.pipeline import Background, RateLimit
from perftrace.sinks.log.sink import LogSink
from perftrace.sinks.memory import MemorySink
from tests.conftest import TIMEOUT


class Gate(Sink):
    """Collects records once it is let."""

    def __init__(self):
        self.records, self.inside, self.go_on = [], threading.Event(), threading.Event()
        self.closed = 0

    def finished(self, record):
        self.inside.set()
        self.go_on.wait()
        self.records.append(record)

    def close(self, timeout):
        self.closed += 1


@pytest.fixture(autouse=True)
def _no_worker_stays():
    yield
    perftrace.configure(language="zh")
    perftrace.shutdown(5)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.go_on.set()


def run(count):
    for n in range(count):
        with perftrace.operation(f"op{n}"):
            pass


def counters():
    return perftrace.stats()["sinks"][0]


def test_all_arrives_in_order_from_another_thread():
    """The counters say so; the traced thread did nothing of it."""
    seen = []
    perftrace.configure(sinks=[Background(lambda r: seen.append((r.name, threading.current_thread().name)))])
    run(2000)
    assert perftrace.flush(5)
    assert seen == [(f"op{n}", "perftrace-background") for n in range(2000)]
    assert counters() == {
        "name": "Background", "accepted": 2000, "written": 2000, "pending": 0, "dropped": {}, "errors": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("drop", "kept"), [("newest", [0, 1, 2, 3]), ("oldest", [0, 7, 8, 9])])
def test_a_full_queue_drops_and_counts(gate, drop, kept):
    """The first record is in the worker's hand; three wait."""
    perftrace.configure(sinks=[Background(gate, capacity=3, batch=1, interval=0.001, drop=drop)])
    run(1)
    gate.inside.wait()
    for n in range(1, 10):
        with perftrace.operation(f"op{n}"):
            pass
    assert (counters()["pending"], counters()["dropped"]) == (4, {"full": 6})
    gate.go_on.set()
    assert not perftrace.flush(5)
    assert [r.name for r in gate.records] == [f"op{n}" for n in kept]
    assert (counters()["written"], counters()["pending"], counters()["dropped"]) == (4, 0, {"full": 6})
    assert perftrace.flush(5)


def test_a_sink_that_hangs_holds_up_nobody(gate):
    """Flush and close come back in time and say no."""
    background = Background(gate, interval=0.001)
    perftrace.configure(sinks=[background])
    run(1)
    gate.inside.wait()
    assert not perftrace.flush(0.3)
    assert not perftrace.shutdown(0.3)
    background.finished(Record("late"))
    assert background.dropped() == {"full": 0, "error": 0, "closed": 1}
    assert (background.pending(), gate.closed) == (1, 0)


def test_an_exception_of_the_sink_is_a_counted_loss():
    """Whatever it is; the next record arrives."""
    seen = []

    def broken(record):
        if record.name == "op1":
            raise SystemExit("no")
        seen.append(record.name)

    background = Background(broken)
    perftrace.configure(sinks=[background])
    run(3)
    assert not perftrace.flush(5)
    assert seen == ["op0", "op2"]
    assert (counters()["written"], counters()["dropped"], background.first_error) == (2, {"error": 1}, "SystemExit: no")


def test_what_fails_behind_a_queue_is_told_once_by_name_and_counted_as_an_error(caplog):
    """As a sink without a queue; other wrappers inside change nothing."""

    class Broken(perftrace.Sink):
        def finished(self, record):
            raise OSError("full")

    perftrace.configure(sinks=[Background(RateLimit(Broken(), per_second=1000))], language="en")
    run(3)
    assert not perftrace.flush(5)
    (counters,) = perftrace.stats()["sinks"]
    assert (counters["errors"], counters["dropped"]["error"]) == (3, 3)
    told = [record.getMessage() for record in caplog.records if "Broken" in record.getMessage()]
    assert told == ["the sink Broken raised OSError; what it misses is counted in stats()"]


def test_what_the_sink_itself_traces_in_the_worker_is_not_traced():
    """Else it would feed itself."""
    seen = []

    @perftrace.timed(operation="own")
    def receive(record):
        perftrace.checkpoint("inside")
        seen.append(record.name)

    before = perftrace.stats()["reentrant"]
    perftrace.configure(sinks=[Background(receive)])
    run(1)
    assert perftrace.flush(5)
    assert (seen, perftrace.stats()["reentrant"] - before) == (["op0"], 2)


def test_only_what_the_wrapped_sink_takes_is_queued():
    """All kinds of events for a log, finishes alone for a callable."""
    events = []

    class All(Sink):
        def started(self, event):
            events.append(event)

        reached = finished = started

    perftrace.configure(sinks=[Background(All()), Background(lambda _: None)])
    with perftrace.operation("a"):
        perftrace.checkpoint("b")
    assert perftrace.flush(5)
    assert [type(event).__name__ for event in events] == ["Started", "Reached", "Record"]
    assert [sink["accepted"] for sink in perftrace.stats()["sinks"]] == [3, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"capacity": 0}, "capacity"), ({"batch": True}, "batch"), ({"interval": 0}, "interval"), ({"drop": "x"}, "drop")],
)
def test_options_that_make_no_sense(options, message):
    """Each is named."""
    with pytest.raises(ValueError, match=message):
        Background(Sink(), **options)


@pytest.mark.parametrize("wrong", [None, "log", Sink])
def test_what_is_no_sink(wrong):
    """A text or a class is none, either."""
    with pytest.raises(TypeError, match="Background: takes a sink"):
        Background(wrong)


def test_a_wrapped_sink_is_known_as_if_it_were_bare(caplog):
    """The language reaches a log, `records()` finds the memory."""
    caplog.set_level("INFO", "performance_monitor")
    perftrace.configure(sinks=[Background(LogSink()), Background(MemorySink())], language="en")
    run(1)
    assert perftrace.flush(5)
    assert [record.getMessage().split()[2] for record in caplog.records] == ["start:", "done:"]
    assert [record.name for record in perftrace.records()] == ["op0"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_has_a_worker_and_a_queue_of_its_own(tmp_path):
    """Nothing of the parent's queue comes out twice; the child's counters begin at nothing."""
    code = """
import os, perftrace, sys
from perftrace.pipeline import Background
from perftrace.sinks.log.sink import LogSink
from perftrace.sinks.memory import MemorySink
from perftrace.sinks.jsonlines import JsonLinesSink
perftrace.configure(sinks=[Background(JsonLinesSink(sys.argv[1]), interval=60)])
for n in range(5):
    with perftrace.operation("before"):
        pass
child = os.fork()
for n in range(3):
    with perftrace.operation("child" if child == 0 else "parent"):
        pass
assert perftrace.flush(10)
assert perftrace.stats()["sinks"][0]["written"] == (3 if child == 0 else 8)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    path = tmp_path / "x.jsonl"
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=TIMEOUT)
    names = collections.Counter(json.loads(line)["name"] for line in path.read_text().splitlines())
    assert names == {"before": 5, "child": 3, "parent": 3}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_signal_handlers_finalizers_and_threads_may_trace_at_any_moment():
    """Accepted is written plus dropped, against an independent count; nothing hangs."""
    code = """
import gc, itertools, perftrace, signal, sys, threading
from perftrace.pipeline import Background
from perftrace.sinks.log.sink import LogSink
from perftrace.sinks.memory import MemorySink
made, seen = itertools.count(), itertools.count()
perftrace.configure(sinks=[Background(lambda record: next(seen), capacity=1000, batch=100)])
@perftrace.timed(operation="traced")
def traced():
    perftrace.checkpoint("x")
    if perftrace.current_operation():  # else a finalizer ran in the worker, inside the sink: that is not traced
        next(made)
class Traces:
    def __del__(self):
        traced()
def cycle():
    a, b = Traces(), Traces()
    a.b, b.a = b, a
signal.signal(signal.SIGALRM, lambda *_: traced())
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
gc.set_threshold(50)
def work():
    for _ in range(3000):
        traced()
        if sys.version_info >= (3, 12):  # 3.11 itself crashes where a finalizer runs inside `ContextVar.set`
            cycle()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
work()
for thread in threads: thread.join()
signal.setitimer(signal.ITIMER_REAL, 0)
gc.collect()
perftrace.flush(20)
sink = perftrace.stats()["sinks"][0]
count = next(made)
assert count >= 15_000, count
assert sink["accepted"] == count, (sink, count)
assert sink["written"] == next(seen)
assert sink["written"] + sum(sink["dropped"].values()) == count and sink["pending"] == 0, sink
assert perftrace.shutdown(5)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)


def test_a_loss_is_told_when_it_begins_and_when_it_is_over(gate, caplog):
    """In the configured language, by the worker."""
    perftrace.configure(sinks=[Background(gate, capacity=1, batch=1, interval=0.001)], language="en")
    run(1)
    gate.inside.wait()
    run(4)
    gate.go_on.set()
    perftrace.flush(5)
    perftrace.flush(5)
    assert caplog.messages == [
        "the queue of Gate is full: events are being dropped",
        "the queue of Gate is free again: 3 events were dropped meanwhile",
    ]
    assert {record.threadName for record in caplog.records} == {"perftrace-background"}
