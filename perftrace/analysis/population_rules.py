"""What only many traces together show: first calls, rare stalls, and steps that block the event loop."""

import bisect
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from perftrace.analysis.critical_path import critical_path
from perftrace.analysis.replay import Step
from perftrace.analysis.trace_rules import Match, Rule
from perftrace.analysis.trees import Node
from perftrace.core.record import is_same_process, process_of

MIN_RUNS = 20
"""Of fewer runs none is called the exception."""
COLD_TIMES, COLD_NS = 3, 20_000_000
"""A first call is cold if it takes so many times the median, and so much longer."""
STALL_SHARE, STALL_GAP, STALL_NS = 0.03, 3, 100_000_000
"""Stalls are at most this share of all, at least so many times the longest of the others, and so much longer."""
STALLS_AT_LEAST = 3
BLOCK_NS = 50_000_000
"""A step of an event loop that is longer blocks it; asyncio's own debug mode complains from 100 ms on."""


Loop = tuple[object, str]
"""The process and the thread of an event loop."""


class Spent(NamedTuple):
    """What a trace spent in a step, on its critical path."""

    start: int
    """Of the trace; unix nanoseconds."""
    nanoseconds: int
    root: Node
    nodes: frozenset[int]
    """The id() of those that spent it."""

    def case(self, rule: Rule, step: Step, usual: float) -> Match:
        """Make a case of it: as if it had taken the usual time."""
        share = min(1.0, usual / self.nanoseconds)
        return Match(rule, *step, self.root, {(node, step[1]): share for node in self.nodes})


def outliers(roots: Sequence[Node]) -> Iterator[Match]:
    """Find first calls of a process that are slow, and rare calls that are."""
    by_step: defaultdict[Step, defaultdict[object, list[Spent]]] = defaultdict(lambda: defaultdict(list))
    for root in roots:
        spent: dict[tuple[Step, object], tuple[int, set[int]]] = {}
        for piece in critical_path(root):
            place = ((piece.node.name, piece.segment), process_of(piece.node.record))
            nanoseconds, nodes = spent.get(place, (0, set()))
            nodes.add(id(piece.node))
            spent[place] = (nanoseconds + piece.self_ns, nodes)
        for (step, process), (nanoseconds, nodes) in spent.items():
            by_step[step][process].append(Spent(root.start, nanoseconds, root, frozenset(nodes)))
    for step, by_process in by_step.items():
        others: list[Spent] = []
        for found in by_process.values():
            first, *rest = sorted(found, key=lambda one: one.start)
            if len(rest) < MIN_RUNS:
                continue
            others += rest
            usual = statistics.median(one.nanoseconds for one in rest)
            slower = sum(one.nanoseconds >= first.nanoseconds for one in rest)
            if first.nanoseconds > max(COLD_TIMES * usual, usual + COLD_NS) and slower <= len(rest) // 100:
                yield first.case("cold_start", step, usual)
        yield from _stalls(step, others)


def _stalls(step: Step, found: list[Spent]) -> Iterator[Match]:
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


class BlockedLoop(NamedTuple):
    """A stretch of time in which a run held its event loop."""

    operation: str
    segment: str
    root: Node
    loop: Loop
    start: int
    end: int


def blocks(roots: Sequence[Node]) -> Iterator[BlockedLoop]:
    """Find runs that held an event loop for long: the innermost ones, and that of their segments that fits best."""
    loops = {_loop(node) for root in roots for node in root.walk() if node.record.steps > 1}
    for root in roots:
        for node in root.walk():
            longest = node.record.longest_step_ns
            if longest is None or longest < BLOCK_NS or _loop(node) not in loops:
                continue
            if any(
                _loop(child) == _loop(node) and (child.record.longest_step_ns or 0) * 2 >= longest
                for child in node.children
            ):
                continue
            start, found = node.start, []
            for end, name in node.cuts():
                # Checkpoints stand between steps or within one: what is shorter than the step cannot hold it.
                found.append((end - start < 0.9 * longest, abs(end - start - longest), end, name))
                start = end
            _, _, end, name = min(found)
            yield BlockedLoop(node.name, name, root, _loop(node), max(end - longest, node.start), end)


def delayed(blocks: Sequence[BlockedLoop], roots: Sequence[Node]) -> dict[int, int]:
    """Return how long other traces in the same loop ran beside blocks: by the id() of the root, nanoseconds.

    That is the most that they can have lost; what they waited for anyway is in it.
    """
    by_loop: defaultdict[Loop, list[tuple[int, int, Node]]] = defaultdict(list)
    for root in roots:
        for node in root.walk():
            # What a trace does in a process, by the run that begins it there.
            if node.parent is None or not is_same_process(node.parent.record, node.record):
                by_loop[_loop(node)].append((node.start, node.end, root))
    lost: defaultdict[int, int] = defaultdict(int)
    for found in by_loop.values():
        found.sort(key=lambda one: one[0])
    starts = {loop: [one[0] for one in found] for loop, found in by_loop.items()}
    longest = {loop: max(end - start for start, end, _ in found) for loop, found in by_loop.items()}
    for block in blocks:
        if block.loop not in by_loop:
            continue
        first = bisect.bisect_left(starts[block.loop], block.start - longest[block.loop])
        for start, end, root in by_loop[block.loop][first : bisect.bisect_left(starts[block.loop], block.end)]:
            beside = min(end, block.end) - max(start, block.start)
            if beside > 0 and root is not block.root:
                lost[id(root)] += beside
    return lost


def _loop(node: Node) -> Loop:
    return process_of(node.record), node.record.thread
