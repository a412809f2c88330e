"""The life cycle of a block: begun, marked and ended in any task or thread, once."""

import asyncio
import contextvars
import threading

import pytest

import perftrace
from perftrace import Sink, checkpoint, current_operation, operation, timed
from perftrace.core.block import UnnamedBlock
from perftrace.core.events import Reached, Started
from perftrace.core.run import NO_DETAILS, OperationSpec
from perftrace.testing import FakeClock, capture
from perftrace.tracing.configuration import tracer


class Events(Sink):
    def __init__(self):
        self.events = []

    def started(self, event):
        self.events.append(event)

    reached = finished = started


@pytest.fixture
def events(clock):
    sink = Events()
    perftrace.configure(sinks=[sink], clock=clock)
    yield sink.events
    perftrace.configure(sinks=[], clock=None)


def test_what_began_in_the_past_says_so_in_every_event(events, clock):
    """Start, checkpoints and record agree on the moment and on what has passed since."""
    clock.advance(10)
    now = clock.wall_ns()
    with operation("job", queued=2.5):
        clock.advance(1)
        checkpoint("work")
    started, queue, work, record = events
    assert isinstance(started, Started)
    assert isinstance(queue, Reached)
    assert {started.start, queue.start, work.start, record.start} == {now - 2_500_000_000}
    assert [(one.name, one.elapsed_ns) for one in (queue, work)] == [("queue", 2_500_000_000), ("work", 3_500_000_000)]
    assert [one.elapsed_ns for one in record.checkpoints] == [2_500_000_000, 3_500_000_000]
    assert (record.duration_ns, record.start_mono) == (3_500_000_000, 7_500_000_000)


def test_begun_by_hand_it_is_never_current_and_ends_once(records):
    """A second end is counted as late."""
    block = operation("request", attributes={"n": 1})
    with pytest.raises(RuntimeError, match="'request' has not begun"):
        block.handle  # it raises
    assert block.checkpoint("too early") is None
    handle = block.begin()
    assert handle is block.handle
    assert current_operation() is None
    thread = threading.Thread(target=block.checkpoint, args=("in a thread",))
    thread.start()
    thread.join()
    block.end(ValueError("no"))
    block.end()
    (record,) = records
    assert ([one.name for one in record.checkpoints], record.outcome) == (["in a thread"], "error")
    stats = perftrace.stats()
    assert (stats["orphans"], stats["late"]) == (1, 1)


def test_an_outcome_can_be_said_without_an_exception(records):
    block = operation("job")
    block.begin()
    block.end(outcome="abandoned")
    assert [record.outcome for record in records] == ["abandoned"]


@pytest.mark.parametrize(
    "make",
    [lambda: operation("session"), lambda: perftrace.get_performance_monitor().async_timer("session")],
    ids=["operation", "timer"],
)
def test_left_in_another_task_it_ends_there_and_raises_nothing(records, make):
    """As an `AsyncExitStack` does that is closed at a shutdown with a deadline."""

    async def main():
        block = make()
        await block.__aenter__()
        await asyncio.create_task(block.__aexit__(None, None, None))
        checkpoint("after")

    asyncio.run(main())
    assert [record.name for record in records] == ["session"]
    assert perftrace.stats()["misplaced"] == 1


def test_a_wait_is_no_part_of_what_runs_in_a_current_operation():
    """It began before that, whose time would count twice."""
    clock = FakeClock()
    with capture(clock=clock) as records, operation("middleware"):
        clock.advance(0.031)
        with operation("handler", queued=0.1):
            clock.advance(0.08)
        with operation("apart", queued=0.1, detached=True):
            clock.advance(0.01)
    handler, apart, middleware = records
    assert (handler.duration_ns, handler.checkpoints, handler.attributes) == (80_000_000, (), {"queue_s": 0.1})
    assert handler.start_mono >= middleware.start_mono
    assert [c.name for c in apart.checkpoints] == ["queue"]


@pytest.mark.parametrize(("seconds", "is_child"), [(0.0, True), (0.9, True), (1.0, False), (3600.0, False)])
def test_what_begins_long_after_its_parent_is_a_trace_of_its_own(seconds, is_child):
    """With a link: the rounds of a loop that a handler began would make its trace grow for ever."""
    clock = FakeClock()
    with capture(clock=clock) as records:
        with operation("handler") as handler:
            later = contextvars.copy_context()
            clock.advance(5)
        clock.advance(seconds)
        with operation("chosen", parent=handler):
            pass
        later.run(timed(operation="round")(lambda: None))
    made, chosen, began = records
    assert chosen.parent_id == made.span_id
    if is_child:
        assert (began.parent_id, began.trace_id, began.link) == (made.span_id, made.trace_id, None)
    else:
        assert (began.parent_id, began.link.span_id, began.is_local_root) == (None, made.span_id, True)
        assert began.trace_id != made.trace_id


def test_a_block_named_later_tells_its_sinks_then():
    """All that they have missed, in order, under its name."""
    told = []

    class Told(Sink):
        def started(self, event):
            told.append(("started", event.name, event.operation_id))

        def reached(self, event):
            told.append(("reached", event.name, event.operation_id))

        def finished(self, record):
            told.append(("finished", record.name, record.operation_id))

    perftrace.configure(sinks=[Told()])
    block = UnnamedBlock(OperationSpec("", is_block=True, tracer=tracer), NO_DETAILS)
    with block as handle:
        perftrace.checkpoint("early")
        perftrace.annotate(size=1, who="annotated")
        assert told == []
        block.become(operation("late", key=7, attributes={"who": "named", "kind": "x"}))
        assert handle.name == "late"
        perftrace.checkpoint("after")
    operation_id = handle.operation_id
    assert operation_id.startswith("late_7_")
    assert told == [
        ("started", "late", operation_id), ("reached", "early", operation_id), ("reached", "after", operation_id),
        ("finished", "late", operation_id),
    ]  # fmt: skip
    with UnnamedBlock(OperationSpec("", is_block=True, tracer=tracer), NO_DETAILS):
        pass
    assert len(told) == 4
    assert perftrace.stats()["late"] == 0
