"""Operations over time: percentiles, rates and failures by window, and where they change for good."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from perftrace.analysis.bootstrap import WeightedSample
from perftrace.analysis.change_points import MAX_LENGTH, MIN_LENGTH, change_points
from perftrace.core.record import Record
from perftrace.messages import Message
from perftrace.sources.aggregates import RunTimes

if TYPE_CHECKING:
    from numpy import float64, intp
    from numpy.typing import NDArray

    Numbers = NDArray[float64]
    Places = NDArray[intp]

MOST = 60
"""How many windows there are at most if none is wished."""
MIN_CHANGE = 0.05
"""Relative: a smaller change of a percentile or a rate is not told, nor one of the failures' share, absolute."""
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_WINDOWS = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * number for number in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * number for number in (1, 2, 3, 6, 12)),
    *(_DAY * number for number in (1, 2, 7)),
)
"""Lengths to choose from, in seconds."""

_SHARES = (0.5, 0.95)

Metric = Literal["p50", "p95", "rate", "failures"]


@dataclass(frozen=True, slots=True)
class Window:
    """The runs of an operation that started in a stretch of time."""

    start: float
    """Unix seconds."""
    count: int
    """How many runs started in it."""
    p50: float | None
    """Seconds; None where nothing ran."""
    p95: float | None
    """Seconds; None where nothing ran."""
    rate: float
    """Runs a second."""
    failures: float | None
    """Share of the runs with outcome `error` or `abandoned`."""


@dataclass(frozen=True, slots=True)
class Change:
    """A lasting change of a metric, from its median in the windows before to that in the windows after."""

    at: float
    """Unix seconds: the start of the first window after it."""
    metric: Metric
    """What has changed."""
    before: float
    """In seconds for `p50` and `p95`, runs a second for `rate`, a share from 0 to 1 for `failures`."""
    after: float
    """In the unit of `before`."""
    p: float
    """How probable so large a difference is in noise."""


@dataclass(frozen=True, slots=True)
class OperationTrend:
    """An operation over time."""

    name: str
    """Of the operation."""
    windows: list[Window]
    """All of the source, empty ones too."""
    changes: list[Change]
    """By time."""
    needed: int
    """How many windows more it takes to tell a change from noise; 0 where there are enough."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The whole answer."""

    window: float
    """Seconds."""
    operations: list[OperationTrend]
    """By total time, largest first."""


def trend(runs: Iterable[Record] | RunTimes, window: float | None = None) -> Trend:
    """Cut time into windows and look for lasting changes of each operation; needs numpy.

    runs: records, or the columns of some. window: its length in seconds; by default the shortest round one of which
    there are at most `MOST`. Windows start at multiples of their length. Changes are looked for in the logarithms of
    percentiles, in the square roots of rates and in the arc sines of the roots of failures' shares, whose noise does
    not depend on their level; rates without those of the first and the last window, which may be cut off. An operation
    of fewer than `MIN_LENGTH` runs shows none. Runs without a time are left out. Raises ValueError if the window is not
    above 0, or there would be more than `MAX_LENGTH` of them.
    """
    if window is not None and window <= 0:
        raise ValueError(f"window must be above 0 seconds, not {window!r}")
    if not isinstance(runs, RunTimes):
        records, runs = runs, RunTimes()
        runs.add_all(records)
    if not runs.starts:
        return Trend(window or float(_WINDOWS[0]), [])
    first, last = min(runs.starts), max(runs.starts)
    if window is None:
        window = next((one for one in map(float, _WINDOWS) if _count(first, last, one) <= MOST), None)
        if window is None:
            window = math.ceil((last - first) / 1e9 / (MOST - 1) / _DAY) * float(_DAY)
    count = _count(first, last, window)
    if count > MAX_LENGTH:
        raise ValueError(Message("too_many_windows", count=count, window=window, most=MAX_LENGTH))
    cells = _Cells(runs, math.floor(first / 1e9 / window), count, window)
    names = sorted(runs.names, key=lambda name: (-cells.totals[runs.names[name]], name))
    return Trend(window, [cells.operation(name, runs.names[name]) for name in names])


def _count(first: float, last: float, window: float) -> int:
    return math.floor(last / 1e9 / window) - math.floor(first / 1e9 / window) + 1


class _Cells:
    """Runs by operation and window: of all that have any, at once, as there may be thousands of operations."""

    def __init__(self, runs: RunTimes, start: int, count: int, window: float) -> None:
        import numpy as np

        self._count, self._window = count, window
        self._starts = [(start + number) * window for number in range(count)]
        name, lengths = np.array(runs.which), np.maximum(np.array(runs.lengths), 0) / 1e9
        weights, failed = np.array(runs.weights), np.array(runs.failed)
        place = np.clip(np.floor(np.array(runs.starts) / 1e9 / window).astype(int) - start, 0, count - 1)
        self.totals = np.bincount(name, lengths).tolist()
        """Seconds of all runs of each operation."""
        self._runs = np.bincount(name)
        cell = name * count + place
        order = np.lexsort((lengths, cell))
        cell, lengths, weights, failed = cell[order], lengths[order], weights[order], failed[order]
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        self._cells = cell[first]
        self._ends = np.searchsorted(self._cells, np.arange(len(runs.names) + 1) * count)
        """Which cells are those of an operation: from one of these up to the next."""
        self._weights = np.add.reduceat(weights, first)
        self._failures = np.add.reduceat(weights * failed, first) / self._weights
        self._percentiles = _percentiles(lengths, weights, first)

    def operation(self, name: str, which: int) -> OperationTrend:
        """Return an operation over time."""
        import numpy as np

        mine = slice(self._ends[which], self._ends[which + 1])
        places = self._cells[mine] - which * self._count
        p50, p95 = self._percentiles[:, mine]
        weights, failures = self._weights[mine], self._failures[mine]
        rates = np.zeros(self._count)
        rates[places] = weights / self._window
        windows = [Window(start, 0, None, None, 0.0, None) for start in self._starts]
        numbers = (places, weights, p50, p95, rates[places], failures)
        for place, weight, *found in zip(*(one.tolist() for one in numbers), strict=True):
            windows[place] = Window(self._starts[place], round(weight), *found)
        changes: list[Change] = []
        if self._runs[which] >= MIN_LENGTH:
            inner = np.arange(1, self._count - 1)
            changes += self._changes("p50", places, p50)
            changes += self._changes("p95", places, p95)
            changes += self._changes("rate", inner, rates[1:-1])
            changes += self._changes("failures", places, failures)
        return OperationTrend(name, windows, sorted(changes, key=lambda one: one.at), max(0, MIN_LENGTH - len(places)))

    def _changes(self, metric: Metric, places: "Places", values: "Numbers") -> Iterator[Change]:
        import numpy as np

        found = change_points(_SCALES[metric](values))
        ends = [0, *(change.place for change in found), len(values)]
        for number, change in enumerate(found):
            before, after = (float(np.median(values[ends[side] : ends[side + 1]])) for side in (number, number + 1))
            if abs(after - before) >= MIN_CHANGE * (1.0 if metric == "failures" else min(before, after)):
                yield Change(self._starts[places[change.place]], metric, before, after, change.p)


def _percentiles(lengths: "Numbers", weights: "Numbers", first: "Places") -> "Numbers":
    """Return p50 and p95 of each cell. lengths: ordered within each; first: where each begins."""
    import numpy as np

    counts = np.diff(first, append=len(lengths))
    found = []
    for share in _SHARES:
        position = (counts - 1) * share
        below = first + position.astype(int)
        low, high = lengths[below], lengths[np.minimum(below + 1, first + counts - 1)]
        found.append(low + (high - low) * (position % 1))
    percentiles = np.array(found)
    for cell in np.flatnonzero(np.logical_or.reduceat(weights != 1, first)):
        here = slice(first[cell], first[cell] + counts[cell])
        percentiles[:, cell] = WeightedSample(lengths[here], weights[here]).percentile(np.array(_SHARES))
    return percentiles


def _logarithm(values: "Numbers") -> "Numbers":
    import numpy as np

    return np.asarray(np.log(np.maximum(values, 1e-9)))


def _root(values: "Numbers") -> "Numbers":
    import numpy as np

    return np.asarray(np.sqrt(values))


def _angle(values: "Numbers") -> "Numbers":
    import numpy as np

    return np.asarray(np.arcsin(np.sqrt(np.minimum(values, 1.0))))


_SCALES: dict[Metric, Callable[["Numbers"], "Numbers"]] = {
    "p50": _logarithm,
    "p95": _logarithm,
    "rate": _root,
    "failures": _angle,
}
"""What makes the noise of each metric independent of its level."""
