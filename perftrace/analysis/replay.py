"""Replays traces with some of their steps made faster: what waits for what stays as it was recorded.

What a run does by itself (start a child, end) happens in the recorded order, and not before the children have ended
that had ended before it in the recording. Between these lie its own stretches of time, cut at its checkpoints: they
belong to the steps. So later siblings shift, and a parallel branch holds. Queueing for processors, locks or connections
is not modelled. Traces of one shape, where the same things happen in the same order, are replayed together.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from perftrace.analysis.trees import Node

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Numbers = NDArray[float64]

Step = tuple[str, str]
"""An operation and a segment of it: the time that its runs spend there themselves, without their children."""
TraceShape = tuple[tuple[Any, ...], ...]
"""Instructions: `("gap", step)` takes a length, `("go",)` ends a stretch, `("start",)` one with a child that is
awaited, `("ended", slot)` tells that this child has ended, `("end", slot)` ends a run."""
_CHUNK = 2_000
"""How many traces are replayed at once: more need more memory and are no faster."""
_CUT, _ENDED, _START, _END = range(4)
"""Kinds of events in the order in which they count where they happen together."""


class Replayed(NamedTuple):
    """Traces of one shape with each step made faster by each share; nanoseconds."""

    numbers: list[int]
    """Which traces they are, of those that were given."""
    steps: list[Step]
    durations: "Numbers"
    """By step, share and trace."""


class Recording:
    """Traces, or runs with what is below them, taken apart to be replayed; needs numpy."""

    def __init__(self, roots: Iterable[Node]) -> None:
        self._groups: defaultdict[TraceShape, tuple[list[int], list[list[float]]]] = defaultdict(lambda: ([], []))
        for number, root in enumerate(roots):
            shape, lengths = compiled(root)
            numbers, rows = self._groups[shape]
            numbers.append(number)
            rows.append(lengths)

    def steps(self, weights: "Numbers") -> list[Step]:
        """Return the steps by the time that they take in all, the longest first. weights: of each trace."""
        import numpy as np

        times: dict[Step, float] = {}
        for shape, (numbers, rows) in self._groups.items():
            for step, time in zip(_steps_of(shape), weights[numbers] @ np.array(rows), strict=True):
                times[step] = times.get(step, 0.0) + float(time)
        return sorted(times, key=lambda step: (-times[step], step))

    def replays(self, steps: Iterable[Step], faster: Sequence[float]) -> Iterator[Replayed]:
        """Replay the traces with each of these steps faster by each share, one at a time.

        faster: shares of its time that a step loses, 0 to 1.
        """
        import numpy as np

        wanted = dict.fromkeys(steps)
        for shape, (numbers, rows) in self._groups.items():
            of_gap = _steps_of(shape)
            here = list(dict.fromkeys(step for step in of_gap if step in wanted))
            if not here:
                continue
            row_of = {step: row for row, step in enumerate(here)}
            scales = np.ones((len(here), len(faster), len(of_gap)))
            for gap, step in enumerate(of_gap):
                if step in row_of:
                    scales[row_of[step], :, gap] = 1 - np.asarray(faster)
            for first in range(0, len(rows), _CHUNK):
                lengths_of = np.array(rows[first : first + _CHUNK], dtype=float).reshape(-1, len(of_gap))
                durations = _replay(shape, lengths_of.T, scales.reshape(-1, len(of_gap)))
                shaped = durations.reshape(len(here), len(faster), len(lengths_of))
                yield Replayed(numbers[first : first + _CHUNK], here, shaped)


def _steps_of(shape: TraceShape) -> list[Step]:
    """Return the step of each gap."""
    return [instruction[1] for instruction in shape if instruction[0] == "gap"]


def _replay(shape: TraceShape, lengths: "Numbers", scales: "Numbers") -> "Numbers":
    """Run the instructions on columns of traces: gives the durations, by scale and trace."""
    import numpy as np

    zero = np.zeros((len(scales), lengths.shape[1]))
    gap = 0
    own = zero
    ends: dict[int, Numbers] = {}
    frames: list[tuple[Numbers, Numbers]] = []
    last, ended = zero, zero
    """When the run did something by itself, and when the last child that counts had ended."""
    for instruction in shape:
        kind = instruction[0]
        if kind == "gap":
            own = own + scales[:, gap, None] * lengths[gap]
            gap += 1
        elif kind == "ended":
            ended = np.maximum(ended, ends.pop(instruction[1]))
        else:
            last = np.maximum(last, ended) + own
            own = zero
            if kind == "start":
                frames.append((last, ended))
                ended = last
            elif kind == "end":
                ends[instruction[1]] = last
                if frames:
                    last, ended = frames.pop()
    return ends[0]


TimeFactors = Mapping[tuple[int, str | None], float]
"""By the id() of a node and one of its segments, or None for all of it and all below it: the share of its own time that
remains. A segment's share counts before that of its node, and that before those of the nodes above."""


def spared(traces: Iterable[tuple[Node, TimeFactors]]) -> "Numbers":
    """Replay each trace with some of its time spared; return the durations in nanoseconds. Needs numpy."""
    import numpy as np

    groups: defaultdict[TraceShape, tuple[list[int], list[list[float]]]] = defaultdict(lambda: ([], []))
    count = 0
    for root, remains in traces:
        shape, lengths = compiled(root, remains)
        numbers, rows = groups[shape]
        numbers.append(count)
        rows.append(lengths)
        count += 1
    durations = np.zeros(count)
    for shape, (numbers, rows) in groups.items():
        if not rows[0]:  # they took no time
            continue
        as_recorded = np.ones((1, len(rows[0])))
        for first in range(0, len(rows), _CHUNK):
            lengths_of = np.array(rows[first : first + _CHUNK], dtype=float).reshape(-1, len(rows[0]))
            durations[numbers[first : first + _CHUNK]] = _replay(shape, lengths_of.T, as_recorded)[0]
    return durations


def compiled(root: Node, remains: TimeFactors = MappingProxyType({})) -> tuple[TraceShape, list[float]]:
    """Split a trace into its shape, and the lengths of its runs' own stretches in the order of the gaps.

    remains: what is spared.
    """
    shape: list[tuple[Any, ...]] = []
    lengths: list[float] = []
    slots: dict[int, int] = {id(root): 0}
    stack = [_ReplayedRun(root, remains, 1.0)]
    while stack:
        run = stack[-1]
        at, kind, child, segment = run.events.pop()
        if at > run.at:
            run.pending.append(((run.node.name, segment), (at - run.at) * run.share_of(segment)))
            run.at = at
        if kind == _CUT:
            continue
        if kind != _ENDED:
            for step, length in run.pending:
                shape.append(("gap", step))
                lengths.append(length)
        run.pending.clear()  # before the end of a child, it ran beside it
        if kind == _ENDED:
            shape.append(("ended", slots[id(child)]))
        elif kind == _END:
            shape.append(("end", slots[id(run.node)]))
            stack.pop()
        elif child is not None and child.is_awaited:
            slots[id(child)] = len(slots)
            shape.append(("start",))
            stack.append(_ReplayedRun(child, remains, run.share))
        else:
            shape.append(("go",))
    return tuple(shape), lengths


class _ReplayedRun:
    """A run while its tree is taken apart."""

    __slots__ = ("at", "events", "node", "pending", "remains", "share")

    def __init__(self, node: Node, remains: TimeFactors, share: float) -> None:
        self.node = node
        self.remains = remains
        self.share = remains.get((id(node), None), share)
        self.at = node.start
        self.pending: list[tuple[Step, float]] = []
        """Own stretches since it last did something by itself or a child ended."""
        cuts = node.cuts()
        found: list[tuple[int, int, int, Node | None]] = []
        found.extend((at, _CUT, number, None) for number, (at, _) in enumerate(cuts))
        for number, child in enumerate(node.children):
            if child.end > child.start or not child.is_awaited:
                found.append((child.start, _START, number, child))
                if child.is_awaited:
                    found.append((child.end, _ENDED, number, child))
        found.append((node.end, _END, 0, None))
        found.sort(key=lambda event: event[:3])
        self.events: list[tuple[int, int, Node | None, str]] = []
        """The last first: when, what, which child, and the segment that the time before it belongs to."""
        passed = 0
        for at, kind, _, which in found:
            self.events.append((at, kind, which, cuts[min(passed, len(cuts) - 1)][1]))
            passed += kind == _CUT
        self.events.reverse()

    def share_of(self, segment: str) -> float:
        """Return what remains of a segment's own time."""
        return self.remains.get((id(self.node), segment), self.share) if self.remains else 1.0
