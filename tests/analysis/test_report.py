"""Where the time goes."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace.analysis import reports as analysis
from perftrace.analysis.percentiles import percentile
from perftrace.analysis.segments import segments_of
from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES
from perftrace.sources.base import Reading
from tests.ids import span_id, trace_id


def report(records, unfinished=(), **options):
    return analysis.report(Reading(records, unfinished), **options)


MS = 1_000_000


def run(name, duration, *marks, **more):
    checkpoints = [(mark, "", at * MS, NO_ATTRIBUTES) for mark, at in marks]
    return Record(name, duration_ns=duration * MS, checkpoints=checkpoints, **more)


def test_operations_stand_by_total_time_with_their_counts():
    """Failed and abandoned are failures, cancelled is none, percentiles are over all finished runs."""
    records = [run("a", 10), run("a", 20, outcome="error"), run("a", 30, outcome="cancelled"), run("b", 100)]
    records += [run("c", 1, outcome="abandoned"), run("c", 1, outcome="closed")]
    found = report(records, [run("a", 0, ("x", 5), outcome=None), run("d", 0, outcome=None, given_id="d_1")])
    rows = [(o.name, o.count, o.failures, o.cancelled, o.never_ended, o.total) for o in found.operations]
    assert rows == [("b", 1, 0, 0, 0, 0.1), ("a", 3, 1, 1, 1, 0.06), ("c", 2, 1, 0, 0, 0.002), ("d", 0, 0, 0, 1, 0.0)]
    assert (found.operations[1].p50, found.operations[1].max, found.operations[3].p50) == (0.02, 0.03, None)
    assert [(n.name, n.last_checkpoint) for n in found.never_ended] == [("a", "x"), ("d", None)]


def test_segments_have_shares_and_one_bottleneck():
    """The one that takes most of all runs' time."""
    operation = report([run("a", 100, ("x", 70), ("y", 80)), run("a", 50, ("x", 10), ("y", 45))]).operations[0]
    rows = [(s.name, s.count, s.total, s.p50, round(s.share, 3), s.bottleneck) for s in operation.segments]
    assert rows == [
        ("x", 2, 0.08, 0.04, 0.533, True),
        ("y", 2, 0.045, 0.0225, 0.3, False),
        ("(end)", 2, 0.025, 0.0125, 0.167, False),
    ]


def test_a_checkpoint_reached_again_gives_one_sample_a_stretch():
    """A loop is seen as what it costs a round."""
    operation = report([run("a", 30, ("x", 10), ("x", 20), ("x", 30))]).operations[0]
    assert [(s.name, s.count, s.p50) for s in operation.segments] == [("x", 3, 0.01), ("(end)", 1, 0.0)]


def test_a_run_whose_start_was_not_seen_gives_no_first_segment():
    """But its duration."""
    assert segments_of(run("a", 30, ("x", 10), ("y", 20), start_seen=False)) == [("y", 10 * MS), ("(end)", 10 * MS)]
    assert segments_of(run("a", 30, start_seen=False)) == []
    assert report([run("a", 30, start_seen=False)]).operations[0].max == 0.03


def test_the_slowest_runs_come_first_with_their_longest_segment():
    """Ten of them."""
    found = report(run("a", n, ("x", n - 1), given_id=f"a{n}") for n in range(2, 30))
    assert [(r.operation_id, r.bottleneck) for r in found.slowest] == [(f"a{n}", "x") for n in range(29, 19, -1)]


def test_nothing_gives_an_empty_report():
    """No division by zero."""
    found = report([])
    assert (found.operations, found.slowest, found.never_ended) == ([], [], [])
    segment = report([run("a", 0, ("x", 0))]).operations[0].segments[0]
    assert (segment.share, segment.bottleneck) == (0.0, False)


@given(st.lists(st.integers(0, 10**12), min_size=2), st.sampled_from([1, 25, 50, 75, 95, 99]))
def test_percentiles_are_linear_between_ranks(values, percent):
    """As the standard library's inclusive method, but for floating-point dust."""
    expected = statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
    assert percentile(sorted(values), percent / 100) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 1000), max_size=5)), min_size=1))
def test_shares_sum_to_the_whole_in_any_order(runs):
    """Whatever the runs, and however they are shuffled."""
    records = [
        run(f"op{name}", sum(steps), *((f"s{i}", sum(steps[: i + 1])) for i in range(len(steps))))
        for name, steps in runs
    ]
    found = report(records)
    for operation in found.operations:
        if operation.total:
            assert sum(s.share for s in operation.segments) == pytest.approx(1.0)
            assert sum(s.total for s in operation.segments) == pytest.approx(operation.total)
    assert {o.name: o.total for o in report(records[::-1]).operations} == {o.name: o.total for o in found.operations}


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 5), st.sampled_from(["ok", "error", "cancelled"])), min_size=1
    )
)
def test_a_weighed_record_stands_for_as_many_runs(runs):
    """Counts, totals and percentiles are those of all of them; the slowest run is told once."""
    thin = [run("a", length, ("x", length // 2), outcome=outcome, weight=float(n)) for length, n, outcome in runs]
    full = [run("a", length, ("x", length // 2), outcome=outcome) for length, n, outcome in runs for _ in range(n)]
    (found,), (expected,) = report(thin).operations, report(full).operations
    for name in ("count", "failures", "cancelled", "max"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("total", "p50", "p95", "p99"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name))
    for one, other in zip(found.segments, expected.segments, strict=True):
        assert (one.name, one.count) == (other.name, other.count)
        assert (one.p95, one.share) == pytest.approx((other.p95, other.share))


def child(span, start, end, parent=None, **more):
    """Make a run of trace 1 in process 1 on the monotonic clock; milliseconds."""
    name = more.pop("name", "child" if parent else "whole")
    fields = {
        "trace_id": trace_id(1),
        "span_id": span_id(span),
        "parent_id": span_id(parent),
        "pid": 1,
        "start_mono": 10**9 + start * MS,
        **more,
    }
    return Record(name, duration_ns=(end - start) * MS, **fields)


def test_own_time_is_without_children_of_the_same_process():
    """Those side by side count once; one that outlives is cut; one of another process is none of it."""
    records = [child(2, 10, 40, 1), child(3, 30, 60, 1), child(4, 90, 200, 1), child(5, 70, 80, 1, pid=2)]
    found = {one.name: one for one in report([*records[:2], records[3], records[2], child(1, 0, 100)]).operations}
    assert found["whole"].total == pytest.approx(0.1)
    assert found["whole"].self == pytest.approx(0.1 - 0.05 - 0.01)
    assert found["child"].self == found["child"].total == pytest.approx(0.18)
    assert found["whole"].share == pytest.approx(0.04 / 0.22)
    assert sum(one.share for one in found.values()) == pytest.approx(1)


def test_running_and_suspended_time_of_those_runs_that_know():
    """A block knows nothing of it."""
    records = [run("a", 100, running_ns=30 * MS), run("a", 50), run("b", 10)]
    a, b = report(records).operations
    assert a.running == pytest.approx(0.03)
    assert a.suspended == pytest.approx(0.07)
    assert (b.running, b.suspended) == (None, None)


def test_failures_are_told_by_type():
    """The most frequent first; those without an exception by their outcome."""
    records = [run("a", 1, outcome="error", error_type=kind) for kind in ("B", "A", "B", None)]
    (operation,) = report([*records, run("a", 1, outcome="abandoned"), run("a", 1)]).operations
    assert [(failure.type, failure.count) for failure in operation.errors] == [
        ("B", 2), ("A", 1), ("abandoned", 1), ("error", 1),
    ]  # fmt: skip


def test_runs_are_grouped_by_what_they_carry():
    """An attribute, one of a checkpoint, a key by its name, nothing; a thousand groups, then the others."""
    records = [
        run("a", 10, attributes={"size": "large"}),
        Record("a", duration_ns=MS, checkpoints=[("x", "", 0, {"size": True})]),
        run("a", 5, key="u1", key_name="user"),
    ]
    assert [(one.group, one.count) for one in report(records, by="size").operations] == [
        ("large", 1), ("(none)", 1), ("true", 1),
    ]  # fmt: skip
    assert {one.group for one in report(records, by="user").operations} == {"u1", "(none)"}
    assert {one.group for one in report(records, by="outcome").operations} == {"ok"}
    many = report((run("a", 1, key=f"u{n}") for n in range(1200)), by="key").operations
    assert len(many) == 1001
    assert max(many, key=lambda one: one.count).group == "(others)"


def test_operations_are_sorted_as_wished():
    """By each of the orders."""
    records = [run("a", 10), run("a", 10), run("a", 10), run("b", 20, outcome="error")]
    for order, first in {"total": "a", "count": "a", "p95": "b", "max": "b", "failures": "b", "name": "a"}.items():
        assert report(records, order=order).operations[0].name == first


def test_the_same_span_counts_once():
    """Where a file is given twice; a log knows no spans of traces, so all of it counts."""
    records = [child(1, 0, 100), child(1, 0, 100), run("log", 5), run("log", 5)]
    found = report(records)
    assert ({one.name: one.count for one in found.operations}, found.duplicates) == ({"whole": 1, "log": 2}, 1)


def test_a_plain_log_knows_no_time_of_its_own():
    """As it does not say what called what; beside a trace, the trace's own is told as ever."""
    log = Record("logged", duration_ns=100 * MS)
    traced = Record("traced", trace_id=trace_id(1), span_id=span_id(1), duration_ns=50 * MS)
    for records in ([log, traced], [traced, log]):
        found = {one.name: one for one in report(records).operations}
        assert (found["logged"].self, found["logged"].share) == (None, None)
        assert (found["traced"].self, found["traced"].share) == (0.05, 1.0)
    assert [one.name for one in report([log, traced], order="self").operations] == ["logged", "traced"]
