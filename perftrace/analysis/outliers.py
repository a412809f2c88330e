"""What only many traces together show: first calls, rare stalls, and steps that block the event loop."""

import bisect
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from perftrace.analysis.path import critical_path
from perftrace.analysis.replay import Step
from perftrace.analysis.rules import Case, Rule
from perftrace.analysis.segments import segments_of
from perftrace.analysis.trees import Node

ENOUGH = 20
"""Of fewer runs none is called the exception."""
COLD_TIMES, COLD_NS = 3, 20_000_000
"""A first call is cold if it takes so many times the median, and so much longer."""
STALL_SHARE, STALL_GAP, STALL_NS = 0.03, 3, 100_000_000
"""Stalls are at most this share of all, at least so many times the longest of the others, and so much longer."""
STALLS_AT_LEAST = 3
BLOCK_NS = 50_000_000
"""A step of an event loop that is longer blocks it; asyncio's own debug mode complains from 100 ms on."""


class Spent(NamedTuple):
    """What a trace spent in a step, on its critical path."""

    start: int
    """Of the trace; unix nanoseconds."""
    nanoseconds: int
    root: Node
    nodes: frozenset[int]
    """The id() of those that spent it."""

    def case(self, rule: Rule, step: Step, usual: float) -> Case:
        """Make a case of it: as if it had taken the usual time."""
        share = min(1.0, usual / self.nanoseconds)
        return Case(rule, *step, self.root, {(node, step[1]): share for node in self.nodes})


def outliers(roots: Sequence[Node]) -> Iterator[Case]:
    """Find first calls of a process that are slow, and rare calls that are."""
    by_step: defaultdict[Step, defaultdict[int, list[Spent]]] = defaultdict(lambda: defaultdict(list))
    for root in roots:
        spent: dict[tuple[Step, int], tuple[int, set[int]]] = {}
        for piece in critical_path(root):
            place = ((piece.node.name, piece.segment), piece.node.record.pid)
            nanoseconds, nodes = spent.get(place, (0, set()))
            nodes.add(id(piece.node))
            spent[place] = (nanoseconds + piece.exclusive, nodes)
        for (step, pid), (nanoseconds, nodes) in spent.items():
            by_step[step][pid].append(Spent(root.start, nanoseconds, root, frozenset(nodes)))
    for step, by_pid in by_step.items():
        others: list[Spent] = []
        for found in by_pid.values():
            first, *rest = sorted(found, key=lambda one: one.start)
            if len(rest) < ENOUGH:
                continue
            others += rest
            usual = statistics.median(one.nanoseconds for one in rest)
            slower = sum(one.nanoseconds >= first.nanoseconds for one in rest)
            if first.nanoseconds > max(COLD_TIMES * usual, usual + COLD_NS) and slower <= len(rest) // 100:
                yield first.case("cold_start", step, usual)
        yield from _stalls(step, others)


def _stalls(step: Step, found: list[Spent]) -> Iterator[Case]:
    found.sort(key=lambda one: one.nanoseconds)
    allowed = int(len(found) * STALL_SHARE)
    if allowed < STALLS_AT_LEAST:
        return
    usual = statistics.median(one.nanoseconds for one in found)
    for count in range(allowed, STALLS_AT_LEAST - 1, -1):
        least, before = found[-count].nanoseconds, found[-count - 1].nanoseconds
        if least > max(STALL_GAP * before, usual + STALL_NS):
            for one in found[-count:]:
                yield one.case("rare_stall", step, usual)
            return


class Block(NamedTuple):
    """A stretch of time in which a run held its event loop."""

    operation: str
    segment: str
    root: Node
    start: int
    end: int


def blocks(roots: Sequence[Node]) -> Iterator[Block]:
    """Find runs that held an event loop for long: the innermost ones, and the longest of their segments."""
    loops = {(node.record.pid, node.record.thread) for root in roots for node in root.walk() if node.record.steps > 1}
    for root in roots:
        for node in root.walk():
            longest = node.record.longest_step_ns
            place = (node.record.pid, node.record.thread)
            if longest is None or longest < BLOCK_NS or place not in loops:
                continue
            if any(
                (child.record.pid, child.record.thread) == place and (child.record.longest_step_ns or 0) * 2 >= longest
                for child in node.children
            ):
                continue
            name = max(segments_of(node.record), key=lambda segment: segment[1], default=("", 0))[0]
            end = next((at for at, cut in node.cuts() if cut == name), node.end)
            yield Block(node.name, name, root, max(end - longest, node.start), end)


def delayed(blocks: Sequence[Block], roots: Sequence[Node]) -> dict[int, int]:
    """Tell how long other traces in the same loop ran beside blocks: by the id() of the root, nanoseconds.

    That is the most that they can have lost; what they waited for anyway is in it.
    """
    by_loop: defaultdict[tuple[int, str], list[Node]] = defaultdict(list)
    for root in sorted(roots, key=lambda root: root.start):
        if root.record.steps > 1:
            by_loop[root.record.pid, root.record.thread].append(root)
    lost: defaultdict[int, int] = defaultdict(int)
    starts = {loop: [root.start for root in found] for loop, found in by_loop.items()}
    longest = {loop: max(root.end - root.start for root in found) for loop, found in by_loop.items()}
    for block in blocks:
        loop = (block.root.record.pid, block.root.record.thread)
        if loop not in by_loop:
            continue
        first = bisect.bisect_left(starts[loop], block.start - longest[loop])
        for root in by_loop[loop][first : bisect.bisect_left(starts[loop], block.end)]:
            beside = min(root.end, block.end) - max(root.start, block.start)
            if beside > 0 and root is not block.root:
                lost[id(root)] += beside
    return lost
