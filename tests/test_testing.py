"""The helpers that users' tests stand on."""

import asyncio
import time

import pytest

import perftrace
from perftrace.core.record import Record
from perftrace.testing import CountingIds, FakeClock, capture, tree_text
from tests.ids import span_id


def test_capture_collects_what_finishes_and_puts_everything_back():
    """The configured sink sees nothing of it and is not closed."""

    class Watching(perftrace.Sink):
        closed, seen = False, 0

        def finished(self, record):
            self.seen += 1

        def close(self, timeout):
            self.closed = True

    sink, clock = Watching(), FakeClock()
    perftrace.configure(sinks=[sink])
    with capture(clock=clock, ids=CountingIds()) as records, perftrace.operation("a"):
        clock.advance(1.5)
    with perftrace.operation("b"):
        pass
    assert [(r.name, r.operation_id, r.duration_ns) for r in records] == [("a", f"a_{1:016x}", 1_500_000_000)]
    assert (sink.seen, sink.closed) == (1, False)
    assert perftrace.tracing.configuration.tracer.clock is not clock


def test_tree_text_shows_children_and_segments_in_the_order_of_time():
    """Whatever the order of the records."""
    clock = FakeClock()
    with capture(clock=clock) as records:
        with perftrace.operation("button_click"):
            clock.advance(0.051)
            perftrace.checkpoint("get_user")
            with pytest.raises(ValueError, match="no"), perftrace.operation("charge"):
                clock.advance(0.0305)
                raise ValueError("no")
            perftrace.checkpoint("charged")
            clock.advance(0.0335)
        with perftrace.operation("next"):
            pass
    expected = "button_click 115ms\n  get_user 51ms\n  charge 30.5ms error\n  charged 30.5ms\nnext 0ms\n"
    assert tree_text(records) == expected
    assert tree_text(reversed(records)) == expected


def test_tree_text_takes_thousands_of_levels_and_unknown_parents():
    """A parent that is not among the records makes a root."""
    chain = [
        Record(f"n{i}", span_id=span_id(i), parent_id=span_id(i - 1 if i > 1 else 99_999), start_mono=i)
        for i in range(1, 3000)
    ]
    assert tree_text(chain).splitlines()[-1] == "  " * 2998 + "n2999 0ms"
    assert tree_text([]) == ""


def test_a_fake_clock_runs_asyncio_without_waiting():
    """An hour of sleep and time-outs passes at once, and the order holds."""
    clock = FakeClock()

    @perftrace.timed(operation="slow")
    async def slow():
        await asyncio.sleep(3600)

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 1800)
        await asyncio.gather(slow(), asyncio.sleep(1))
        return await asyncio.wait_for(asyncio.to_thread(int, "7"), 0.001)

    before = time.monotonic()
    with capture(clock=clock) as records:
        assert clock.run(main()) == 7
    assert [(r.duration_ns, r.outcome) for r in records] == [(1800 * 10**9, "cancelled"), (3600 * 10**9, "ok")]
    assert time.monotonic() - before < 30


def test_time_does_not_go_back():
    """A negative step is a mistake in the test."""
    with pytest.raises(ValueError, match="back"):
        FakeClock().advance(-1)


def test_the_wall_clock_of_a_fake_clock_begins_where_told():
    """And moves with it."""
    clock = FakeClock(start=100.0)
    clock.advance(0.25)
    assert clock.wall_ns() == 100_250_000_000
