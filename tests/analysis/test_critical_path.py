"""Trees and their critical paths."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from perftrace.analysis.critical_path import critical_path
from perftrace.analysis.trees import Forest
from perftrace.core.record import Record
from tests.conftest import examples
from tests.ids import span_id, trace_id

MS = 1_000_000


def run(name, span, start, end, parent=None, *, pid=1, checkpoints=(), **fields):
    """Make a run of trace 1; times in milliseconds."""
    return Record(
        name,
        trace_id=trace_id(1),
        span_id=span_id(span),
        parent_id=span_id(parent),
        start=10**18 + int(start * MS),
        start_mono=5 * 10**9 + int(start * MS),
        duration_ns=int((end - start) * MS),
        pid=pid,
        checkpoints=[(mark, "", int(at * MS), {}) for mark, at in checkpoints],
        **fields,
    )


def path(*records):
    """Give the critical path of the first root as text: operation.segment and milliseconds."""
    (root, *_) = Forest(records).roots
    return [(f"{p.node.name}.{p.segment}", p.self_ns / MS) for p in critical_path(root)]


def test_one_run_is_its_own_path_by_segments():
    """From the start on; segments without time are no pieces."""
    assert path(run("a", 1, 0, 100, checkpoints=[("x", 30), ("y", 30), ("z", 90)])) == [
        ("a.x", 30), ("a.z", 60), ("a.(end)", 10),
    ]  # fmt: skip


def test_sequential_children_share_with_their_parent():
    """What lies between them is the parent's, in the segment where it lies."""
    assert path(
        run("a", 1, 0, 100, checkpoints=[("first", 45)]), run("b", 2, 10, 40, 1), run("c", 3, 50, 90, 1)
    ) == [
        ("a.first", 10), ("b.(end)", 30), ("a.first", 5), ("a.(end)", 5), ("c.(end)", 40), ("a.(end)", 10),
    ]  # fmt: skip


def test_of_parallel_children_the_last_to_finish_counts():
    """One that runs beside it is off the path, even where it began first."""
    assert path(run("a", 1, 0, 100), run("b", 2, 0, 60, 1), run("c", 3, 5, 95, 1), run("d", 4, 1, 4, 1)) == [
        ("a.(end)", 1), ("d.(end)", 3), ("a.(end)", 1), ("c.(end)", 90), ("a.(end)", 5),
    ]  # fmt: skip


def test_a_child_that_outlives_its_parent_is_off_the_path_wherever_it_occurs():
    """Nobody awaited it; where it happened to end in time neither."""
    records = [
        run("a", 1, 0, 100), run("late", 2, 10, 140, 1), run("late", 3, 10, 90, 1), run("b", 4, 20, 50, 1),
    ]  # fmt: skip
    assert path(*records) == [("a.(end)", 20), ("b.(end)", 30), ("a.(end)", 50)]


def test_a_child_of_another_process_is_clipped():
    """Its clock may be wrong, or it answered before it ended."""
    assert path(run("a", 1, 0, 100), run("b", 2, 60, 150, 1, pid=2)) == [("a.(end)", 60), ("b.(end)", 40)]
    assert path(run("a", 1, 0, 100), run("b", 2, -500, -400, 1, pid=2)) == [("a.(end)", 100)]


def test_what_lies_below_a_clipped_run_is_clipped_and_still_awaited():
    """The clip is the clocks' doing, not its own."""
    records = [run("a", 1, 0, 100), run("b", 2, 60, 150, 1, pid=2), run("c", 3, 70, 140, 2, pid=2)]
    assert path(*records) == [("a.(end)", 60), ("b.(end)", 10), ("c.(end)", 30)]


def test_damaged_data_is_counted_and_leaves_no_run_out():
    """Duplicates, parents that are not there, circles, an end before its start."""
    twice, circle = [run("a", 1, 0, 10), run("a", 1, 0, 10)], [run("c", 3, 0, 5, 4), run("d", 4, 0, 5, 3)]
    records = [*twice, run("b", 2, 0, 10, 99), *circle, run("e", 5, 0, 5, 5), run("f", 6, 5, 0)]
    forest = Forest(records)
    assert (forest.duplicates, forest.orphans) == (1, 2)
    assert sorted(node.name for node in forest.nodes()) == list("abcdef")
    assert [critical_path(root) for root in forest.roots if root.name == "f"] == [[]]


@st.composite
def traces(draw):
    """Make a trace of random shape and times, children anywhere around their parents."""
    count = draw(st.integers(1, 25))
    records = []
    for span in range(1, count + 1):
        start = draw(st.integers(-20, 100))
        parent = None if span == 1 else draw(st.integers(1, span - 1))
        end = start + draw(st.integers(0, 120))
        marks = [("m", draw(st.integers(0, 150)))] * draw(st.integers(0, 2))
        pid = draw(st.integers(1, 2))
        records.append(run(draw(st.sampled_from("abc")), span, start, end, parent, pid=pid, checkpoints=marks))
    return records


@given(traces(), st.randoms(use_true_random=False))
@settings(max_examples=examples(300))
def test_the_path_covers_the_root_without_overlap(records, dice):
    """Piece after piece; in whatever order the records come."""
    pieces = critical_path(next(r for r in Forest(records).roots if r.record.span_id == span_id(1)))
    assert sum(p.self_ns for p in pieces) == records[0].duration_ns
    for before, after in itertools.pairwise(pieces):
        assert before.end == after.start
    shuffled = list(records)
    dice.shuffle(shuffled)
    again = critical_path(next(r for r in Forest(shuffled).roots if r.record.span_id == span_id(1)))
    assert [(p.start, p.end) for p in again] == [(p.start, p.end) for p in pieces]


def test_a_trace_2000_deep_and_one_5000_wide():
    """No recursion, no square of the width."""
    deep = [run("a", n, n, 10_000 - n, n - 1 or None) for n in range(1, 2001)]
    wide = [run("a", 1, 0, 50_000), *(run("b", n, n * 2, n * 2 + 1, 1) for n in range(2, 5002))]
    for records in (deep, wide):
        random.Random(1).shuffle(records)
        (root,) = Forest(records).roots
        assert sum(p.self_ns for p in critical_path(root)) == root.record.duration_ns


def taken(name, start, duration, span, parent=None, outcome="ok", task="Task-1", trace=1, pid=1):
    times = {"start": start * MS, "start_mono": start * MS + 1, "duration_ns": duration * MS}
    ids = {"trace_id": trace_id(trace), "span_id": span_id(span), "parent_id": parent and span_id(parent)}
    return Record(name, **ids, **times, outcome=outcome, task=task, thread="MainThread", pid=pid)


def awaited(*records):
    return {(node.name, node.record.span_id[-2:]): node.is_awaited for node in Forest(records).nodes()}


def test_one_cancelled_parent_takes_nothing_else_off_the_path():
    """Its own child, which ended after it, alone; of others only parents that ended well tell."""
    ok = [taken("confirm", 0, 100, 1), taken("sql UPDATE", 10, 50, 2, 1, task="Task-9")]
    cancelled = [taken("confirm", 200, 30, 3, outcome="cancelled", trace=2),
                 taken("sql UPDATE", 210, 50, 4, 3, task="Task-9", trace=2)]  # fmt: skip
    assert awaited(*ok, *cancelled) == {
        ("confirm", "01"): True, ("sql UPDATE", "02"): True, ("confirm", "03"): True, ("sql UPDATE", "04"): False,
    }  # fmt: skip
    left = [taken("confirm", 300, 30, 5, trace=3), taken("sql UPDATE", 310, 50, 6, 5, task="Task-9", trace=3)]
    found = awaited(*ok, *cancelled, *left)
    assert [found["sql UPDATE", span] for span in ("02", "04", "06")] == [False, False, False]


def test_a_child_in_its_parents_own_task_was_awaited():
    """Whatever others of its name did; one that seems to outlive it is clipped."""
    own = [taken("confirm", 0, 100, 1), taken("sql UPDATE", 90, 20, 2, 1)]
    left = [taken("confirm", 300, 30, 5, trace=3), taken("sql UPDATE", 310, 50, 6, 5, task="Task-9", trace=3)]
    assert awaited(*own, *left)["sql UPDATE", "02"] is True
    (root,) = Forest(own).roots
    assert (root.children[0].start, root.children[0].end) == (90 * MS, 100 * MS)


def test_a_child_that_starts_before_its_parent_is_clipped_and_not_moved():
    """As one with a queue before it."""
    for pid in (1, 2):
        (root,) = Forest([taken("confirm", 100, 100, 1), taken("job", 50, 80, 2, 1, pid=pid)]).roots
        assert (root.children[0].start, root.children[0].end) == (100 * MS, 130 * MS)


def test_a_span_that_a_client_and_its_server_share_is_two_runs():
    """As in Zipkin's B3; what the server calls is the server's."""
    client, server = taken("GET", 0, 100, 1, pid=1), taken("GET /orders", 10, 80, 1, pid=2)
    call = taken("sql SELECT", 20, 30, 2, 1, pid=2)
    for records in ([client, server, call], [call, server, client, server]):
        forest = Forest(records)
        (root,) = forest.roots
        assert (root.name, [child.name for child in root.children]) == ("GET", ["GET /orders"])
        assert [child.name for child in root.children[0].children] == ["sql SELECT"]
        assert forest.duplicates == len(records) - 3
