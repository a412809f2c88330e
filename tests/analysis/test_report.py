"""Where the time goes."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace.analysis.report import percentile, report, segments_of
from perftrace.core.record import NO_ATTRIBUTES, Record

MS = 1_000_000


def run(name, duration, *marks, **more):
    checkpoints = [(mark, "", at * MS, NO_ATTRIBUTES) for mark, at in marks]
    return Record(name, duration_ns=duration * MS, marks=checkpoints, **more)


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
