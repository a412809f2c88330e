"""The life cycle of a block: begun, marked and ended in any task or thread, once."""

import asyncio
import threading

import pytest

import perftrace
from perftrace import Sink, checkpoint, current_operation, operation
from perftrace.core.events import Reached, Started


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
