"""What comes out of the ring, and when."""

import os
import signal
import tracemalloc

import pytest

import perftrace
from perftrace import Sink
from perftrace.core.record import Record
from perftrace.pipeline import FlightRecorder


@pytest.fixture(autouse=True)
def _clocked(clock):
    perftrace.configure(clock=clock)
    yield
    perftrace.configure(sinks=[])


def run(clock, name, seconds=0.0, fails=False):
    with perftrace.operation(name) as operation:
        clock.advance(seconds)
        if fails:
            operation.fail("no")


def counters():
    return perftrace.stats()["sinks"][0]


def test_trouble_brings_out_everything_of_the_last_seconds(clock):
    """The healthy neighbours, too; what is older has left."""
    seen = []
    perftrace.configure(sinks=[FlightRecorder(seen.append, seconds=10, slow=2)])
    run(clock, "old")
    clock.advance(9)
    run(clock, "neighbour")
    assert seen == []
    run(clock, "slow", 2)
    assert [r.name for r in seen] == ["neighbour", "slow"]
    assert (counters()["written"], counters()["pending"], counters()["dropped"]) == (2, 0, {"expired": 1})


def test_one_incident_is_one_dump(clock):
    """It lasts until there was no trouble for a while; then the next dump tells all since."""
    seen = []
    perftrace.configure(sinks=[FlightRecorder(seen.append, seconds=10)])
    run(clock, "first", fails=True)
    for _ in range(3):
        clock.advance(8)
        run(clock, "again", fails=True)
    assert [r.name for r in seen] == ["first"]
    clock.advance(11)
    run(clock, "healthy")
    run(clock, "second", fails=True)
    assert [r.name for r in seen] == ["first", "healthy", "second"]


def test_what_still_runs_is_in_the_dump_by_its_start_and_checkpoints(clock):
    """For a sink that takes these."""
    events = []

    class All(Sink):
        def started(self, event):
            events.append(event)

        reached = finished = started

    perftrace.configure(sinks=[FlightRecorder(All(), seconds=10)])
    with perftrace.operation("culprit"):
        perftrace.checkpoint("holds_the_lock")
        run(clock, "victim", fails=True)
    assert [getattr(event, "name", None) for event in events] == ["culprit", "holds_the_lock", "victim", "victim"]
    assert counters()["pending"] == 1


def test_a_call_or_a_signal_brings_the_ring_out(clock):
    """What the wrapped sink does meanwhile is not traced."""
    seen = []

    @perftrace.timed(operation="own")
    def receive(record):
        seen.append(record.name)

    recorder = FlightRecorder(receive)
    perftrace.configure(sinks=[recorder])
    run(clock, "a")
    recorder.dump()
    run(clock, "b")
    before = signal.getsignal(signal.SIGTERM)
    try:
        recorder.dump_on(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert seen == ["a", "b"]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert counters()["accepted"] == 2


def test_memory_stays_within_what_was_allowed():
    """Whatever the texts hold; the accepted is what was written, expired or waits."""
    recorder = FlightRecorder(print, seconds=1000, megabytes=2)
    tracemalloc.start()
    for n in range(3000):
        text = f"{n}" * 500
        recorder.finished(
            Record("a", description=text, checkpoints=[(text, text, 1, {text: text})], attributes={text: 1})
        )
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 2.5e6
    assert recorder.pending() + recorder.dropped()["expired"] == 3000
    assert recorder.pending() > 50


@pytest.mark.parametrize("options", [{"seconds": 0}, {"megabytes": "1"}, {"slow": -1}, {"keep": "error"}])
def test_options_that_make_no_sense(options):
    """Each is named."""
    with pytest.raises(ValueError, match=f"FlightRecorder: {next(iter(options))}"):
        FlightRecorder(Sink(), **options)
