"""Intervals for percentiles of runs that resemble their neighbours, as runs of a loaded service do."""

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Numbers = NDArray[float64]

DRAWS = 1_000
"""Resamples of one bootstrap."""
_BLOCKS_AT_LEAST, _BLOCKS_AT_MOST = 6, 400
_LENGTHS = 3.0
"""How many correlation times a block is long."""
_SEED = 20_040


class WeightedSample:
    """Durations in the order of their starts, prepared for any percentile; any unit.

    values, weights: arrays of one length, at least 1, for `draws` 2; a weight says how many runs a value stands for.
    """

    def __init__(self, values: "Numbers", weights: "Numbers") -> None:
        import numpy as np

        order = np.argsort(values, kind="stable")
        self.count: int = len(values)
        self._time: float | None = None
        self._values, self._weights = values, weights
        self._ordered = values[order]
        self._ends = np.cumsum(weights[order])
        """How many values there are up to each one."""

    def percentile(self, share: "float | Numbers") -> "Numbers":
        """Return percentiles, linear between ranks, as if each value stood there as often as it weighs."""
        import numpy as np

        position = max(0.0, float(self._ends[-1]) - 1) * np.asarray(share, dtype=float)
        below = np.floor(position)
        low, high = (
            self._ordered[np.minimum(np.searchsorted(self._ends, rank, side="right"), self.count - 1)]
            for rank in (below, below + 1)
        )
        return np.asarray(low + (high - low) * (position - below))

    def draws(self, share: float, seed: int) -> "Numbers":
        """Draw a percentile as often as `DRAWS`: how it would come out in other periods like this one.

        Blocks of runs are drawn with replacement; what a block tells is how much of its weight lies below the
        percentile. The deviations of that share are read back from the ordered values (Woodruff, 1952). They are
        widened where the blocks are few, by Student's t, and where they are short beside the correlation time.
        """
        import numpy as np

        generator = np.random.default_rng((_SEED, seed))
        if self._time is None:
            self._time = correlation_time(self._values)
        time = self._time
        length = self._block_length(time)
        blocks = self.count // length
        used = blocks * length
        weights = self._weights[:used].reshape(blocks, -1)
        below = (self._values[:used].reshape(blocks, -1) <= self.percentile(share)) * weights
        weight = weights.sum(axis=1)
        excess = below.sum(axis=1) - weight * (below.sum() / weight.sum())
        drawn = generator.integers(0, blocks, (DRAWS, blocks))
        deviations = excess[drawn].sum(axis=1) / weight[drawn].sum(axis=1)
        wider = np.sqrt(blocks / (blocks - 1)) * students_t(0.975, blocks - 1) / NormalDist().inv_cdf(0.975)
        too_short = min(0.5, (time - 1) / (4 * length))
        return self.percentile(np.clip(share - deviations * wider / np.sqrt(1 - too_short), 0.0, 1.0))

    def interval(self, share: float, level: float) -> "tuple[float, float]":
        """Return the interval that holds a percentile of other such periods with that probability."""
        import numpy as np

        low, high = np.quantile(self.draws(share, 0), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def _block_length(self, time: float) -> int:
        """Return how many runs a block has: three correlation times, but at least six blocks, and no more than 400."""
        # Below a tenth more than none it is noise of the estimate.
        wanted = math.ceil(_LENGTHS * time) if time > 1.15 else 1
        length = max(min(wanted, self.count // _BLOCKS_AT_LEAST), self.count // _BLOCKS_AT_MOST, 1)
        return min(length, self.count // 2)


def correlation_time(values: "Numbers") -> float:
    """Return how many neighbouring values tell as much as one independent value; at least 1.

    One and twice the sum of the autocorrelations of the ranks, up to where neighbouring pairs of them stop being
    positive (Geyer, Practical Markov Chain Monte Carlo, 1992: the initial positive sequence).
    """
    import numpy as np

    count = len(values)
    if count < 8:
        return 1.0
    ranks = np.empty(count)
    ranks[np.argsort(values, kind="stable")] = np.arange(count)
    # Equal values share a rank, so that their order in time tells nothing.
    _, which, how_many = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.bincount(which, ranks) / how_many)[which]
    spectrum = np.fft.rfft(ranks - ranks.mean(), 2 * count)
    correlations = np.fft.irfft(spectrum * np.conj(spectrum))[:count]
    if correlations[0] <= 1e-9 * count:  # all are equal
        return 1.0
    pairs = (correlations[1 : count // 4 * 2 + 1] / correlations[0]).reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    return max(1.0, float(1 + 2 * pairs[: ends[0] if len(ends) else len(pairs)].sum()))


class Interval(NamedTuple):
    """A change and the 95 % interval of it."""

    change: float
    """Relative: 0.1 is a tenth more."""
    low: float
    high: float


def change_of(before: WeightedSample, after: WeightedSample, share: float, level: float) -> Interval:
    """Compare a percentile of two samples that were drawn apart."""
    import numpy as np

    first, second = before.draws(share, 1), after.draws(share, 2)
    now, then = float(before.percentile(share)), float(after.percentile(share))
    if now <= 0 or first.min() <= 0:
        return Interval(0.0 if then <= 0 else float("inf"), -1.0, float("inf"))
    low, high = np.quantile(second / first - 1, [(1 - level) / 2, (1 + level) / 2])
    return Interval(then / now - 1, float(low), float(high))


def students_t(share: float, freedom: int) -> float:
    """Return a quantile of Student's t distribution, by Cornish and Fisher's expansion (Abramowitz and Stegun, 26.7.5).

    Within 1 % at 0.975 from 3 degrees of freedom on.
    """
    z = NormalDist().inv_cdf(share)
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    first, second, third = terms
    return z + first / freedom + second / freedom**2 + third / freedom**3
