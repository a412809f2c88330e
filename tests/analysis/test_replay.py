"""Traces replayed with faster steps."""

import numpy as np
import pytest
from hypothesis import given, settings

from perftrace.analysis.critical_path import critical_path
from perftrace.analysis.replay import Recording
from perftrace.analysis.trees import Forest
from tests.analysis.test_critical_path import MS, run, traces
from tests.conftest import examples
from tests.ids import trace_id


def replays(roots, faster):
    """Replay each step, the one that takes the most time first."""
    recording = Recording(roots)
    return recording.replays(recording.steps(np.ones(len(roots))), faster)


def replayed(*records, faster=0.5):
    """Give the duration in milliseconds with each step that much faster."""
    (root, *_) = Forest(records).roots
    (found,) = replays([root], [faster])
    return {
        f"{name}.{segment}": found.durations[number, 0, 0] / MS for number, (name, segment) in enumerate(found.steps)
    }


def test_later_siblings_shift():
    """Half of a step is gained; steps by name, with all their runs."""
    records = [run("a", 1, 0, 100, checkpoints=[("x", 20)]), run("b", 2, 20, 60, 1), run("b", 3, 70, 90, 1)]
    assert replayed(*records) == {"a.x": 90, "b.(end)": 70, "a.(end)": 90}


def test_a_parallel_branch_holds():
    """What it hides gains nothing; what is slower than it gains until they are even."""
    records = [run("a", 1, 0, 100), run("b", 2, 0, 60, 1), run("c", 3, 0, 90, 1)]
    assert replayed(*records) == {"b.(end)": 100, "c.(end)": 70, "a.(end)": 95}
    assert replayed(*records, faster=0.25)["c.(end)"] == 77.5
    assert replayed(*records, faster=1)["c.(end)"] == 70


def test_what_nobody_awaits_gains_nothing():
    """It is no step at all."""
    assert replayed(run("a", 1, 0, 100), run("late", 2, 50, 150, 1)) == {"a.(end)": 50}


@given(traces())
@settings(max_examples=examples(300))
def test_unchanged_it_takes_as_long_and_faster_never_longer(records):
    """And never gains more than the step takes; off the critical path, nothing."""
    roots = Forest(records).roots
    for found in replays(roots, [0, 0.5, 1]):
        for column, number in enumerate(found.numbers):
            root = roots[number]
            path = critical_path(root)
            for row, step in enumerate(found.steps):
                same, half, none = found.durations[row, :, column]
                assert same == root.end - root.start
                assert none <= half <= same
                on_path = sum(p.self_ns for p in path if (p.node.name, p.segment) == step)
                assert same - none <= on_path
                if not on_path:
                    assert none == same


def test_traces_of_one_shape_are_replayed_as_one():
    """Whatever their lengths; each as if it were alone."""
    records = []
    for trace in range(1, 4001):
        length = trace % 7 + 1
        records += [
            run("a", 1, 0, 10 * length).replace(trace_id=trace_id(trace)),
            run("b", 2, 1, 5 * length, 1).replace(trace_id=trace_id(trace)),
        ]
    roots = Forest(records).roots
    found = list(replays(roots, [1]))
    assert len(found) == 2  # in two chunks
    for part in found:
        b = part.steps.index(("b", "(end)"))
        for column, number in enumerate(part.numbers):
            root = roots[number]
            gained = (root.end - root.start) - part.durations[b, 0, column]
            assert gained == root.children[0].end - root.children[0].start


def test_deep_and_wide_traces_do_not_recurse():
    """Nor take the square of their width."""
    deep = [run("a", n, n, 10_000 - n, n - 1 or None) for n in range(1, 2001)]
    wide = [run("a", 1, 0, 50_000), *(run("b", n, n * 2, n * 2 + 1, 1) for n in range(2, 5002))]
    for records in (deep, wide):
        (found,) = replays(Forest(records).roots, [0])
        assert found.durations[0, 0, 0] == records[0].duration_ns


@pytest.mark.parametrize("faster", [0.25, 0.5])
def test_a_segment_is_only_its_own_time(faster):
    """What a child does in it belongs to the child."""
    records = [run("a", 1, 0, 100, checkpoints=[("fetch", 80)]), run("b", 2, 10, 70, 1)]
    assert replayed(*records, faster=faster) == {
        "a.fetch": 100 - 20 * faster, "b.(end)": 100 - 60 * faster, "a.(end)": 100 - 20 * faster,
    }  # fmt: skip
