"""Which traces are kept, and what comes out of them."""

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import perftrace
from perftrace import Sink
from perftrace.core.record import Record
from perftrace.pipeline import Sampling
from perftrace.sinks.log.sink import LogSink
from perftrace.testing import CountingIds
from tests.ids import span_id, trace_id


@pytest.fixture(autouse=True)
def _counted(clock):
    perftrace.configure(clock=clock, ids=CountingIds())
    yield
    perftrace.configure(sinks=[])


@pytest.fixture
def keep():
    """Give what makes a sampling sink and the list of what it keeps."""

    def keep(**options):
        kept = []
        perftrace.configure(sinks=[Sampling(kept.append, **options)])
        return kept

    return keep


def family(clock, seconds, fails=False):
    """Run a parent of two children; the first may fail."""
    with perftrace.operation("parent"):
        with perftrace.operation("first") as first:
            if fails:
                first.fail("no")
        with perftrace.operation("second"):
            clock.advance(seconds)


def dropped():
    return perftrace.stats()["sinks"][0]["dropped"]


def test_healthy_traces_go_and_sick_ones_stay_whole(clock, keep):
    """A slow or failed operation keeps its parents, siblings and children."""
    kept = keep(slow=0.5)
    family(clock, 0.1)
    assert (kept, dropped()) == ([], {"sampled": 3})
    family(clock, 0.5)
    family(clock, 0, fails=True)
    assert [r.name for r in kept] == ["first", "second", "parent"] * 2
    assert {r.weight for r in kept} == {1.0}
    assert dropped() == {"sampled": 3}


def test_a_trace_that_ended_healthy_may_fall_sick_late(clock, keep):
    """What outlives its parent is judged by itself, and stays with a trace that was kept."""
    kept = keep(slow={"late": 0.3})
    for seconds in (0.1, 0.3):
        with perftrace.operation("parent") as parent:
            pass
        with perftrace.operation("late", parent=parent):
            clock.advance(seconds)
        with perftrace.operation("later", parent=parent):
            pass
    assert [r.name for r in kept] == ["late", "later"]


@pytest.mark.parametrize(("parent", "kept_names"), [("00-" + "1" * 32 + "-" + "2" * 16 + "-01", ["a", "b"])])
def test_below_another_process_the_trace_ends_with_what_entered_here(clock, keep, parent, kept_names):
    """Nobody tells when the whole trace ends."""
    kept = keep(slow=0.5)
    link = perftrace.extract({"traceparent": parent})
    with perftrace.operation("b", parent=link), perftrace.operation("a"):
        clock.advance(1)
    assert [r.name for r in kept] == kept_names
    with perftrace.operation("d", parent=link), perftrace.operation("c"):
        pass
    assert [r.name for r in kept] == [*kept_names, "c", "d"]


def test_a_log_tells_the_whole_story_of_what_is_kept_each_line_with_its_own_time(clock, caplog):
    """And nothing at all of the healthy."""
    caplog.set_level(logging.INFO, "performance_monitor")
    perftrace.configure(sinks=[Sampling(LogSink("en"), slow=0.5)])
    family(clock, 0.1)
    assert caplog.messages == []
    begun = clock.wall_ns()
    with perftrace.operation("outer"):
        clock.advance(0.25)
        with perftrace.operation("inner"):
            clock.advance(0.5)
            perftrace.checkpoint("half")
    story = [
        (re.search(r"PERF] (.+?) - ", line)[1].replace("_000000000000000", "#"), record.created - begun / 1e9)
        for line, record in zip(caplog.messages, caplog.records, strict=True)
    ]
    assert [(what, round(at, 3)) for what, at in story] == [
        ("start: outer#4", 0), ("start: inner#5", 0.25), ("checkpoint: inner#5.half", 0.75),
        ("done: inner#5", 0.75), ("done: outer#4", 0.75),
    ]  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_healthy_is_kept_by_trace_and_weighs_the_rest(share):
    """Counts can be rebuilt; each process would choose alike."""
    kept, again = [], []
    samplings = [Sampling(kept.append, share=share), Sampling(again.append, share=share)]
    perftrace.configure(sinks=samplings, ids=None)
    for _ in range(2000):
        with perftrace.operation("parent"), perftrace.operation("child"):
            pass
    assert [r.span_id for r in kept] == [r.span_id for r in again]
    assert {r.weight for r in kept} == ({1 / share} if share else set())
    assert [r.trace_id for r in kept[::2]] == [r.trace_id for r in kept[1::2]]
    assert abs(sum(r.weight for r in kept) - 4000 * (share > 0)) < 900


def test_memory_is_bounded_where_traces_do_not_end(keep):
    """The oldest are decided on as they stand."""
    kept = keep(capacity=10)
    with perftrace.operation("endless"):
        for n in range(25):
            with perftrace.operation(f"child{n}", detached=False):
                pass
        assert perftrace.stats()["sinks"][0]["pending"] <= 10
        with perftrace.operation("bad") as bad:
            bad.fail("x")
    assert "bad" in [r.name for r in kept]
    counters = perftrace.stats()["sinks"][0]
    assert counters["accepted"] == 27 == counters["written"] + counters["dropped"]["sampled"]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.sampled_from(["ok", "error", "cancelled"])), max_size=40),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_what_is_accepted_is_kept_dropped_or_pending(runs, capacity, share):
    """Whatever comes, in any order, sick records always come out."""
    kept = []
    sampling = Sampling(kept.append, capacity=capacity, share=share)
    for span, (trace, is_root, outcome) in enumerate(runs, 1):
        parent = None if is_root else 99
        sampling.finished(
            Record("x", trace_id=trace_id(trace), span_id=span_id(span), parent_id=span_id(parent), outcome=outcome)
        )
        assert len(kept) + sampling.dropped()["sampled"] + sampling.pending() == span
        assert sampling.pending() <= capacity
    sampling.close(1)
    assert sampling.pending() == 0
    sick = {span_id(span) for span, (_, _, outcome) in enumerate(runs, 1) if outcome != "ok"}
    assert sick <= {r.span_id for r in kept}
    assert len({r.span_id for r in kept}) == len(kept)


@pytest.mark.parametrize(
    "options",
    [{"slow": -1}, {"slow": "1"}, {"slow": {"a": None}}, {"share": 2}, {"keep": "error"}, {"keep": ["bad"]},
     {"capacity": 0}],
)  # fmt: skip
def test_options_that_make_no_sense(options):
    """Each is named."""
    with pytest.raises(ValueError, match=f"Sampling: {next(iter(options))}"):
        Sampling(Sink(), **options)
