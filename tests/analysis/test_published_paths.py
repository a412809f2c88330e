"""Critical paths of the test cases that Jaeger and CRISP publish.

Jaeger UI, `TracePage/CriticalPath/testCases`; CRISP, `go/crisp/criticalpath_test.go`. Both clip children to their
parents, as is done here between processes, so that each span is in a process of its own. Times are theirs.
"""

import pytest

from perftrace.analysis.critical_path import critical_path
from perftrace.analysis.trees import Forest
from tests.analysis.test_critical_path import MS, run


def sections(spans):
    """Give the pieces, the last first, as both publish them. spans: name -> parent, start, end."""
    numbers = {name: number for number, name in enumerate(spans, 1)}
    records = [
        run(name, numbers[name], start, end, numbers.get(parent), pid=numbers[name])
        for name, (parent, start, end) in spans.items()
    ]
    (root,) = (root for root in Forest(records).roots if root.record.parent_id is None)
    first = records[0].start - spans[records[0].name][1] * MS
    return [(p.node.name, (p.start - first) // MS, (p.end - first) // MS) for p in reversed(critical_path(root))]


JAEGER = {
    "test1: sequential children": (
        {"C": (None, 1, 101), "D": ("C", 20, 40), "E": ("C", 50, 60)},
        [("C", 60, 101), ("E", 50, 60), ("C", 40, 50), ("D", 20, 40), ("C", 1, 20)],
    ),
    "test2: parallel children": (
        {"X": (None, 1, 101), "A": ("X", 10, 50), "C": ("X", 20, 60)},
        [("X", 60, 101), ("C", 20, 60), ("X", 1, 20)],
    ),
    "test4: a child after its parent's end, with a child": (
        {"A": (None, 1, 31), "B": ("A", 40, 80), "C": ("B", 50, 60)},
        [("A", 1, 31)],
    ),
    "test5: what only follows is a link here, not a child": (
        {"A": (None, 1, 31)},
        [("A", 1, 31)],
    ),
    "test6: a child that overflows its parent on either side": (
        {"A": (None, 1, 30), "B": ("A", 15, 35), "C": ("B", 10, 25)},
        [("B", 25, 30), ("C", 15, 25), ("A", 1, 15)],
    ),
    "test8: a child around its parent": ({"A": (None, 10, 30), "B": ("A", 5, 35)}, [("B", 10, 30)]),
    "test9: a child before its parent's start": ({"A": (None, 10, 30), "B": ("A", 1, 5)}, [("A", 10, 30)]),
}


@pytest.mark.parametrize("case", JAEGER)
def test_jaegers_cases(case):
    """To the last section."""
    spans, expected = JAEGER[case]
    assert sections(spans) == expected


CRISP = {
    "LinearChain": ({"R": (None, 0, 100), "A": ("R", 10, 90), "B": ("A", 20, 70)}, ["R", "A", "B"]),
    "SequentialSiblings": ({"R": (None, 0, 1000), "A": ("R", 0, 400), "B": ("R", 500, 1000)}, ["R", "B", "A"]),
    "ConcurrentSiblingExcluded": ({"R": (None, 0, 1000), "A": ("R", 0, 600), "B": ("R", 500, 1000)}, ["R", "B"]),
    "ThirdSyncEventBlocks": (
        {"R": (None, 0, 1000), "A": ("R", 0, 505), "B": ("R", 500, 1000), "C": ("R", 502, 510)}, ["R", "B"],
    ),
    "OverlapAllowanceBoundary": ({"R": (None, 0, 1000), "A": ("R", 0, 510), "B": ("R", 500, 1000)}, ["R", "B"]),
    "EndTimeTieReverseDocumentOrder": (
        {
            "R": (None, 0, 1000), "X": ("R", 500, 1000), "Y": ("R", 600, 1000),
            "XC": ("X", 500, 700), "YC": ("Y", 600, 800),
        },
        ["R", "Y", "YC"],
    ),
    "NestedSubPaths": (
        {
            "R": (None, 0, 1000), "A": ("R", 0, 400), "B": ("R", 500, 1000),
            "B1": ("B", 900, 1000), "B2": ("B", 500, 800),
        },
        ["R", "B", "B1", "B2", "A"],
    ),
}  # fmt: skip


def on_path(spans):
    """Give the spans on the path and those above them, which CRISP counts even without time of their own."""
    found = set()
    for name, _, _ in sections(spans):
        above = name
        while above is not None:
            found.add(above)
            above = spans[above][0]
    return found


@pytest.mark.parametrize("case", CRISP)
def test_crisps_cases(case):
    """The same spans are on the path."""
    spans, expected = CRISP[case]
    assert on_path(spans) == set(expected)


def test_where_crisp_differs_by_its_definition():
    """`SkewedSiblingWithinAllowance`: an overlap of less than 1 % of the parent is clock skew to it, so that A counts.

    Here happens-before is strict: what ended later than the next began cannot have been waited for by that.
    """
    spans = {"R": (None, 0, 1000), "A": ("R", 0, 505), "B": ("R", 500, 1000)}
    assert on_path(spans) == {"R", "B"}
