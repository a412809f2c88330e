"""The hot path on its own: a tracer with a list for a sink and a clock that only moves when told."""

import contextvars
import os

from perftrace.core.events import Reached, Started
from perftrace.core.record import Operation, snapshot
from perftrace.core.run import MAX_CHECKPOINTS, CallDetails, OperationSpec, ThreadName
from perftrace.core.sink import Sink
from perftrace.core.tracer import Tracer, current

PLAIN = CallDetails()
ONE, TWO = (ThreadName(name, os.getpid()) for name in ("one", "two"))


class StillClock:
    def __init__(self):
        self.now = 1_000

    def monotonic_ns(self):
        return self.now

    def wall_ns(self):
        return 5_000_000_000 + self.now


class Collector(Sink):
    def __init__(self):
        self.events = []

    def started(self, event):
        self.events.append(event)

    reached = finished = started


def make(sink=None):
    tracer, sink, clock = Tracer(), sink or Collector(), StillClock()
    faults = []
    tracer.set_clock(clock)
    tracer.set_guards((tracer.guard(sink, lambda sink, error: faults.append(error)),))
    return tracer, sink, clock, faults


def test_an_operation_tells_its_start_its_checkpoints_and_its_finish():
    """Three kinds of event, with one id and the times of the clock."""
    tracer, sink, clock, _ = make()
    operation = tracer.begin(OperationSpec("job", tracer=tracer), CallDetails("7", "do it", "did it"), None, ONE)
    clock.now += 30
    assert operation.reach("half", "", {"size": 3}) == 30 / 1e9
    clock.now += 12
    tracer.finish(operation)
    started, reached, record = sink.events
    assert isinstance(started, Started)
    assert isinstance(reached, Reached)
    assert {started.operation_id, reached.operation_id, record.operation_id} == {f"job_7_{record.span_id}"}
    assert (started.description, record.description, record.done) == ("do it", "do it", "did it")
    assert (record.start, record.start_mono, record.duration_ns) == (5_000_001_000, 1_000, 42)
    assert [(c.name, c.elapsed_ns, dict(c.attributes)) for c in record.checkpoints] == [("half", 30, {"size": 3})]
    assert (record.outcome, record.sequence, record.parent_id) == ("ok", 1, None)


def test_a_child_shares_the_trace_and_names_its_parent():
    """The parent need not run any more."""
    tracer, sink, _, _ = make()
    parent = tracer.begin(OperationSpec("a", tracer=tracer), PLAIN, None, ONE)
    tracer.finish(parent)
    tracer.finish(tracer.begin(OperationSpec("b", tracer=tracer), PLAIN, parent, ONE))
    first, second = (e for e in sink.events if not isinstance(e, Started))
    assert second.trace_id == first.trace_id
    assert second.parent_id == first.span_id


def test_what_comes_after_the_end_is_counted_and_changes_nothing():
    """A late checkpoint, annotation, failure or second end never raises."""
    tracer, sink, clock, _ = make()
    run = tracer.begin(OperationSpec("a", tracer=tracer), PLAIN, None, ONE)
    operation = Operation(run)
    assert tracer.finish(run) is not None
    assert tracer.finish(run) is None
    clock.now += 99
    assert operation.checkpoint("x") is None
    operation.annotate(a=1)
    operation.fail("no")
    assert tracer.late == 3
    assert operation.elapsed == 0.0
    assert [type(e).__name__ for e in sink.events] == ["Started", "Record"]
    assert (sink.events[1].outcome, sink.events[1].checkpoints) == ("ok", ())


def test_a_checkpoint_without_an_operation_is_an_orphan():
    """It gives None and is counted."""
    tracer = make()[0]
    assert tracer.checkpoint("x") is None
    tracer.annotate(a=1)
    assert tracer.orphans == 2


def test_a_failure_without_an_exception_is_an_error():
    """The text is the error, and there is no type."""
    tracer, sink, _, _ = make()
    operation = tracer.begin(OperationSpec("a", tracer=tracer), PLAIN, None, ONE)
    operation.fail("card refused")
    tracer.finish(operation)
    assert (sink.events[-1].outcome, sink.events[-1].error_type, sink.events[-1].error) == (
        "error",
        None,
        "card refused",
    )


def test_a_broken_exception_text_is_replaced():
    """The record says that the text could not be made."""

    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    tracer, sink, _, _ = make()
    tracer.finish(tracer.begin(OperationSpec("a", tracer=tracer), PLAIN, None, ONE), MuteError())
    assert (sink.events[-1].error_type, sink.events[-1].error) == ("MuteError", "<unprintable MuteError: RuntimeError>")


def test_a_raising_sink_is_counted_and_reported_once():
    """Traced code never sees it, and the next sink gets its event."""

    class Broken(Sink):
        def finished(self, record):
            raise SystemExit("broken")

    tracer, _, _, faults = make(Broken())
    for _ in range(3):
        tracer.finish(tracer.begin(OperationSpec("a", tracer=tracer), PLAIN, None, ONE))
    counters = tracer.guards[0].counters()
    assert (counters.accepted, counters.written, counters.dropped, counters.errors) == (3, 0, {"error": 3}, 3)
    assert len(faults) == 1


def test_what_a_sink_traces_is_not_traced():
    """Otherwise it would feed itself for ever."""

    class Selfish(Sink):
        def finished(self, record):
            self.seen = (
                tracer.begin(OperationSpec("inner", tracer=tracer), PLAIN, current.get(), ONE),
                tracer.current_operation(),
            )
            tracer.finish(self.seen[0])
            tracer.checkpoint("x")

    tracer, sink, _, faults = make(Selfish())
    tracer.finish(tracer.begin(OperationSpec("a", tracer=tracer), PLAIN, None, ONE))
    assert tracer.reentrant == 2
    assert sink.seen[1] is None
    assert faults == []
    assert current.get() is None


def test_checkpoints_are_capped_and_the_rest_is_counted():
    """A loop without end cannot eat the memory."""
    tracer, sink, _, _ = make()
    operation = tracer.begin(OperationSpec("a", tracer=tracer), PLAIN, None, ONE)
    for _ in range(MAX_CHECKPOINTS + 5):
        assert operation.reach("x", "", {}) is not None
    tracer.finish(operation)
    assert len(sink.events[-1].checkpoints) == MAX_CHECKPOINTS
    assert tracer.overflowed_checkpoints == 5


def test_running_time_is_charged_to_the_operation_whose_step_it_ran_inside():
    """A block holds no thread of its own and hands its children's part on; a task's creator gets nothing."""
    tracer, sink, clock, _ = make()
    outer = tracer.begin(OperationSpec("outer", tracer=tracer), PLAIN, None, ONE)
    block = tracer.begin(OperationSpec("block", is_block=True, tracer=tracer), PLAIN, outer, ONE)
    child = tracer.begin(OperationSpec("child", tracer=tracer), PLAIN, block, ONE)
    clock.now += 10
    tracer.finish(child)
    tracer.finish(block)
    outer.end_step(tracer.now())
    elsewhere = tracer.begin(OperationSpec("elsewhere", tracer=tracer), PLAIN, outer, TWO)
    clock.now += 100
    tracer.finish(elsewhere)
    outer.resume_step(ONE, tracer.now())
    clock.now += 5
    tracer.finish(outer)
    records = {e.name: e for e in sink.events if not isinstance(e, Started)}
    assert {n: (r.running_ns, r.inner_ns, r.steps, r.longest_step_ns) for n, r in records.items()} == {
        "child": (10, 0, 1, 10),
        "block": (None, None, 0, None),
        "elsewhere": (100, 0, 1, 100),
        "outer": (15, 10, 2, 10),
    }


def test_attributes_become_plain_data():
    """Nothing of the user's objects is kept."""
    tracer, sink, _, _ = make()
    operation = tracer.begin(OperationSpec("a", tracer=tracer), PLAIN, None, ONE)
    operation.annotate({"n": 1, "t": True, "big": 2**70, "o": contextvars})
    tracer.finish(operation)
    attributes = sink.events[-1].attributes
    assert (attributes["n"], attributes["t"], attributes["big"]) == (1, True, "<int of 71 bits>")
    assert type(attributes["o"]) is str


def test_a_clock_that_steps_back_makes_no_negative_duration():
    """Neither of the operation, nor of its steps, nor while it runs."""
    tracer, sink, clock, _ = make()
    once = tracer.begin(OperationSpec("once", tracer=tracer), PLAIN, None, ONE)
    twice = tracer.begin(OperationSpec("twice", tracer=tracer), PLAIN, None, ONE)
    twice.end_step(tracer.now())
    twice.resume_step(ONE, tracer.now())
    clock.now -= 500
    assert snapshot(once).duration_ns == 0
    tracer.finish(once)
    tracer.finish(twice)
    for record in sink.events[-2:]:
        assert (record.duration_ns, record.running_ns, record.longest_step_ns) == (0, 0, 0)
