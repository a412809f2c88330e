"""Two periods, versions or groups of runs: which operations and segments became slower or faster."""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from perftrace.analysis.bootstrap import Interval, WeightedSample, change_of
from perftrace.analysis.segments import segments_of
from perftrace.core.record import Record, ids_of
from perftrace.core.values import END

LEVEL = 0.95
MIN_CHANGE = 0.05
"""Relative: a smaller change of a median is none."""
MIN_SECONDS = 0.001
"""A smaller change of a median is none."""
MIN_RUNS = 20
"""Fewer runs on either side carry no comparison."""
_DECILES = tuple(number / 10 for number in range(1, 10))

Verdict = Literal["slower", "faster", "same", "inconclusive"]
_ORDER: tuple[Verdict, ...] = ("slower", "faster", "inconclusive", "same")
_WHOLE = None
"""In place of a segment's name: the whole operation."""


@dataclass(frozen=True, slots=True)
class Decile:
    """A decile on both sides; seconds."""

    share: float
    """Which one: 0.1 to 0.9."""
    before: float
    """Seconds."""
    after: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An operation or a segment of it on both sides; medians in seconds."""

    name: str
    """Of the operation or the segment."""
    verdict: Verdict
    """Slower or faster by more than the least change; `inconclusive` where there are too few runs to decide."""
    before: float
    """Seconds."""
    after: float
    """Seconds."""
    change: float | None
    """Of the median, relative: 0.1 is a tenth more; None where the median was 0 and is not."""
    low: float | None
    """The lower end of the interval of the change, relative; None where there is none."""
    high: float | None
    """The interval of the change; None where there is none, or no end of it."""
    count_a: int
    """How many runs A has."""
    count_b: int
    """How many runs B has."""
    needed: int
    """How many runs more on each side would probably decide it; 0 where it is decided."""
    deciles: list[Decile]
    """From 0.1 to 0.9."""
    segments: "list[Comparison]" = field(default_factory=list)
    """Those that both sides have, in the order of the run; a segment has none."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The whole answer."""

    level: float
    """Of the intervals, 0 to 1."""
    operations: list[Comparison]
    """Slower ones first, then faster, inconclusive, same; in each the largest change in seconds first."""
    only_a: list[str]
    """Names of the operations that only A has."""
    only_b: list[str]
    """Names of the operations that only B has."""


@dataclass
class _Side:
    """The runs of an operation on one side, or a segment of them."""

    starts: "array[int]" = field(default_factory=lambda: array("q"))
    lengths: "array[int]" = field(default_factory=lambda: array("q"))
    weights: "array[float]" = field(default_factory=lambda: array("d"))

    def samples(self) -> WeightedSample:
        """Return the lengths in seconds, in the order of the starts."""
        import numpy as np

        order = np.argsort(np.array(self.starts), kind="stable")
        return WeightedSample(np.array(self.lengths)[order] / 1e9, np.array(self.weights)[order])


def compare(
    before: Iterable[Record],
    after: Iterable[Record],
    *,
    min_change: float = MIN_CHANGE,
    min_seconds: float = MIN_SECONDS,
    level: float = LEVEL,
) -> Compared:
    """Compare the medians of each operation and segment in two sets of records; needs numpy.

    `slower` and `faster`: the interval of the change excludes 0, and the change is at least `min_change` and
    `min_seconds`. `same`: the interval lies within either of these. The interval comes from a block bootstrap, as
    neighbouring runs resemble each other (`perftrace.analysis.bootstrap`). A record that sampling kept counts as many
    runs as it weighs.
    """
    judge = partial(_judge, min_change=min_change, min_seconds=min_seconds, level=level)
    first, second = _sides(before), _sides(after)
    operations = []
    for name in first.keys() & second.keys():
        parts, others = first[name], second[name]
        segments = [judge(part, parts[part], others[part]) for part in parts if part in others and part != _WHOLE]
        segments.sort(key=lambda segment: segment.name == END)
        operations.append(replace(judge(name, parts[_WHOLE], others[_WHOLE]), segments=segments))
    operations.sort(key=lambda one: (_ORDER.index(one.verdict), -abs(one.after - one.before), one.name))
    return Compared(level, operations, sorted(first.keys() - second.keys()), sorted(second.keys() - first.keys()))


def _sides(records: Iterable[Record]) -> dict[str, dict[str | None, _Side]]:
    """Sort records by operation and segment; the whole operation is `_WHOLE`. The same span counts once."""
    found: dict[str, dict[str | None, _Side]] = {}
    seen = set()
    for record in records:
        identity = ids_of(record)[:2]
        if identity[0]:
            if identity in seen:
                continue
            seen.add(identity)
        parts = found.setdefault(record.name, {})
        for name, length in ((_WHOLE, record.duration_ns), *segments_of(record)):
            side = parts.get(name)
            if side is None:
                side = parts[name] = _Side()
            side.starts.append(record.start)
            side.lengths.append(max(0, length))
            side.weights.append(record.weight)
    return found


def _judge(name: str, a: _Side, b: _Side, *, min_change: float, min_seconds: float, level: float) -> Comparison:
    before, after = a.samples(), b.samples()
    deciles = [Decile(share, float(before.percentile(share)), float(after.percentile(share))) for share in _DECILES]
    medians = float(before.percentile(0.5)), float(after.percentile(0.5))
    counts = before.count, after.count
    if min(counts) < MIN_RUNS:
        return Comparison(name, "inconclusive", *medians, None, None, None, *counts, MIN_RUNS - min(counts), deciles)
    found = change_of(before, after, 0.5, level)
    seconds = medians[0]
    # What counts as no change: within the relative bound, or within the one in seconds.
    bound = max(min_change, min_seconds / seconds if seconds else math.inf)
    verdict: Verdict = "inconclusive"
    if found.low > 0 and found.change >= bound:
        verdict = "slower"
    elif found.high < 0 and found.change <= -bound:
        verdict = "faster"
    elif -bound <= found.low and found.high <= bound:
        verdict = "same"
    needed = _needed(found, bound, max(counts)) if verdict == "inconclusive" else 0
    change, low, high = (number if math.isfinite(number) else None for number in found)
    return Comparison(name, verdict, *medians, change, low, high, *counts, needed, deciles)


def _needed(found: Interval, bound: float, count: int) -> int:
    """Estimate how many runs more make the interval, which shrinks with their square root, as wide as the bound."""
    width = found.high - found.low
    return max(1, math.ceil(count * ((width / bound) ** 2 - 1))) if math.isfinite(width) and bound else count
