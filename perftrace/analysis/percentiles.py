"""Percentiles of durations, weighed or not; without numpy, as the report works without it."""

import bisect
import itertools
from array import array
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

_MANY = 100_000


def percentile(ordered: Sequence[int], share: float) -> float:
    """Return a percentile of sorted numbers, linear between ranks (Hyndman and Fan's definition 7)."""
    position = (len(ordered) - 1) * share
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _has_numpy() -> bool:
    import importlib.util  # where there are many

    return importlib.util.find_spec("numpy") is not None


class WeightedValues:
    """Numbers that each stand for as many as they weigh.

    counted: further numbers, with how often each is there.
    """

    def __init__(
        self, by_weight: Mapping[float, Sequence[int]], counted: Mapping[int, int] = MappingProxyType({})
    ) -> None:
        groups = {weight: values for weight, values in by_weight.items() if values}
        weighed = itertools.chain(
            ((value, weight) for weight, values in groups.items() for value in values), counted.items()
        )
        self.largest: int | None = None
        self.count: int
        self.total: float
        self._ends: list[float] | None = None
        """How many numbers there are up to each one; None where all weigh 1."""
        self._unordered: NDArray[int64] | None = None
        """Many numbers: to look for a few percentiles in them takes less than to sort them."""
        if not counted and set(groups) <= {1.0}:
            values = groups.get(1.0, ())
            self.count = len(values)
            if isinstance(values, array) and len(values) >= _MANY and _has_numpy():
                import numpy as np

                self._unordered = np.frombuffer(values, dtype=np.int64)  # in place: nobody needs their order
                self.total, self.largest = float(self._unordered.sum()), int(self._unordered.max())
                return
            self._ordered: Sequence[int] = sorted(values)
            self.total, self.largest = float(sum(values)), self._ordered[-1] if values else None
            return
        pairs = sorted(weighed)
        self._ordered = [value for value, _ in pairs]
        self._ends = list(itertools.accumulate(weight for _, weight in pairs))
        self.count = round(self._ends[-1]) if self._ends else 0
        self.total = float(sum(value * weight for value, weight in pairs))
        self.largest = self._ordered[-1] if pairs else None

    def percentile(self, share: float) -> float | None:
        """Return a percentile, as if each number stood there as often as it weighs; None where there is none."""
        if self._unordered is not None:
            position = (self.count - 1) * share
            below, above = int(position), min(int(position) + 1, self.count - 1)
            self._unordered.partition([below, above])
            low, high = int(self._unordered[below]), int(self._unordered[above])
            return low + (high - low) * (position - below)
        if not self._ordered:
            return None
        if self._ends is None:
            return percentile(self._ordered, share)
        last = len(self._ordered) - 1
        position = max(0.0, self._ends[-1] - 1) * share
        below = int(position)
        low, high = (self._ordered[min(bisect.bisect_right(self._ends, rank), last)] for rank in (below, below + 1))
        return low + (high - low) * (position - below)
