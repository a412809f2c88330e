"""Operations over time: percentiles, rates and failures by window, and where they change for good."""

import math
import statistics
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from perftrace.analysis.bootstrap import WeightedSample
from perftrace.analysis.change_points import MAX_LENGTH, MIN_LENGTH, change_points
from perftrace.core.record import Record
from perftrace.messages import Message

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Numbers = NDArray[float64]

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


@dataclass
class _Runs:
    starts: "array[int]" = field(default_factory=lambda: array("q"))
    lengths: "array[int]" = field(default_factory=lambda: array("q"))
    weights: "array[float]" = field(default_factory=lambda: array("d"))
    failed: "array[int]" = field(default_factory=lambda: array("b"))


def trend(records: Iterable[Record], window: float | None = None) -> Trend:
    """Cut time into windows and look for lasting changes of each operation; needs numpy.

    window: its length in seconds; by default the shortest round one of which there are at most `MOST`. Windows start at
    multiples of their length. Changes are looked for in the logarithms of percentiles, in the square roots of rates and
    in the arc sines of the roots of failures' shares, whose noise does not depend on their level; rates without those
    of the first and the last window, which may be cut off. Raises ValueError if there would be
    more than `MAX_LENGTH` windows. Runs without a time are left out.
    """
    operations: dict[str, _Runs] = {}
    first, last = math.inf, -math.inf
    for record in records:
        if not record.start:  # its line has no time
            continue
        runs = operations.get(record.name)
        if runs is None:
            runs = operations[record.name] = _Runs()
        runs.starts.append(record.start)
        runs.lengths.append(max(0, record.duration_ns))
        runs.weights.append(record.weight)
        runs.failed.append(record.outcome in ("error", "abandoned"))
        first, last = min(first, record.start), max(last, record.start)
    if not operations:
        return Trend(window or float(_WINDOWS[0]), [])
    if window is None:
        window = next((one for one in map(float, _WINDOWS) if _count(first, last, one) <= MOST), None)
        if window is None:
            window = math.ceil((last - first) / 1e9 / (MOST - 1) / _DAY) * float(_DAY)
    count = _count(first, last, window)
    if count > MAX_LENGTH:
        raise ValueError(Message("too_many_windows", count=count, window=window, most=MAX_LENGTH))
    start = math.floor(first / 1e9 / window)
    by_time = sorted(operations, key=lambda name: (-sum(operations[name].lengths), name))
    return Trend(window, [_operation(name, operations[name], start, count, window) for name in by_time])


def _count(first: float, last: float, window: float) -> int:
    return math.floor(last / 1e9 / window) - math.floor(first / 1e9 / window) + 1


def _operation(name: str, runs: _Runs, start: int, count: int, window: float) -> OperationTrend:
    import numpy as np

    starts, lengths = np.array(runs.starts), np.array(runs.lengths) / 1e9
    weights, failed = np.array(runs.weights), np.array(runs.failed)
    which = np.clip(np.floor(starts / 1e9 / window).astype(int) - start, 0, count - 1)
    order = np.argsort(which, kind="stable")
    cuts = np.searchsorted(which[order], np.arange(count + 1))
    windows = []
    for number in range(count):
        here = order[cuts[number] : cuts[number + 1]]
        weight = float(weights[here].sum())
        p50 = p95 = failures = None
        if len(here):
            p50, p95 = (
                float(value) for value in WeightedSample(lengths[here], weights[here]).percentile(np.array([0.5, 0.95]))
            )
            failures = float((weights[here] * failed[here]).sum()) / weight
        windows.append(Window((start + number) * window, round(weight), p50, p95, weight / window, failures))
    changes = [
        change for metric in _SCALES for change in _changes(metric, windows[1:-1] if metric == "rate" else windows)
    ]
    used = sum(one.count > 0 for one in windows)
    return OperationTrend(name, windows, sorted(changes, key=lambda one: one.at), max(0, MIN_LENGTH - used))


_SCALES: dict[Metric, Callable[[float], float]] = {
    "p50": lambda value: math.log(max(value, 1e-9)),
    "p95": lambda value: math.log(max(value, 1e-9)),
    "rate": math.sqrt,
    "failures": lambda value: math.asin(math.sqrt(min(value, 1.0))),
}
"""What makes the noise of each metric independent of its level."""


def _changes(metric: Metric, windows: list[Window]) -> list[Change]:
    import numpy as np

    known = [(one.start, value) for one in windows if (value := getattr(one, metric)) is not None]
    values = [value for _, value in known]
    found = change_points(np.array([_SCALES[metric](value) for value in values]))
    ends = [0, *(change.place for change in found), len(values)]
    changes = []
    for number, change in enumerate(found):
        levels = [statistics.median(values[ends[side] : ends[side + 1]]) for side in (number, number + 1)]
        size = abs(levels[1] - levels[0])
        if size >= MIN_CHANGE * (1.0 if metric == "failures" else min(levels)):
            changes.append(Change(known[change.place][0], metric, levels[0], levels[1], change.p))
    return changes
