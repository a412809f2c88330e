"""The memory sink."""

import os

import pytest

import perftrace
from perftrace import testing
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


def run(count=1):
    for _ in range(count):
        with perftrace.operation("a"):
            pass


def accepted():
    return [counters["accepted"] for counters in perftrace.stats()["sinks"]]


def test_the_books_count_what_the_sink_was_handed_and_no_more():
    """Not what ran before, while another sink had its place, or while tracing was off."""
    sink = MemorySink(capacity=2)
    run()
    perftrace.configure(sinks=[sink])
    assert accepted() == [0]
    run(3)
    perftrace.configure(enabled=False)
    run()
    assert accepted() == [3]
    perftrace.configure(enabled=True)
    with testing.capture():
        run()
    run(2)
    other = MemorySink()
    perftrace.configure(sinks=[sink, other])
    run()
    assert accepted() == [6, 1]
    perftrace.configure(sinks=[other])
    run()
    assert accepted() == [2]
    assert perftrace.stats()["sinks"][0] == {
        "name": "MemorySink",
        "accepted": 2,
        "written": 2,
        "pending": 0,
        "dropped": {},
        "errors": 0,
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_childs_books_begin_anew():
    """What began before the fork is the parent's."""
    perftrace.configure(sinks=["memory"])
    run(2)
    reader, writer = os.pipe()
    with perftrace.operation("around"):
        child = os.fork()
        if child == 0:
            run(3)
    if child == 0:
        os.write(writer, str(accepted()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 99) == b"[3]"
    assert accepted() == [3]
    os.close(reader)
    os.close(writer)


def test_a_subclass_may_choose_what_it_keeps():
    """Its own hook is called, and may call the sink's."""

    class Slow(MemorySink):
        def finished(self, record):
            if record.name == "b":
                super().finished(record)

    sink = Slow()
    perftrace.configure(sinks=[sink])
    for name in "abb":
        with perftrace.operation(name):
            pass
    assert [r.name for r in sink.records()] == ["b", "b"]
    assert accepted() == [3]
