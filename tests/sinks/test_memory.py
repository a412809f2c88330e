"""The memory sink."""

import perftrace
from perftrace.sinks.memory import MemorySink


def test_records_gives_what_the_configured_memory_sink_holds():
    """Newest last; nothing without such a sink."""
    perftrace.configure(sinks=["memory"])
    for name in "ab":
        with perftrace.operation(name):
            pass
    assert [r.name for r in perftrace.records()] == ["a", "b"]
    perftrace.configure(sinks=["log"])
    assert perftrace.records() == []


def test_the_oldest_leave_first():
    """Memory is bounded."""
    sink = MemorySink(capacity=2)
    perftrace.configure(sinks=[sink])
    for name in "abc":
        with perftrace.operation(name):
            pass
    assert [r.name for r in sink.records()] == ["b", "c"]
    sink.clear()
    assert sink.records() == []
