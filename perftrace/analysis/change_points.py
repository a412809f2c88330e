"""Change points of a series whose neighbours resemble each other: E-divisive against autocorrelated noise."""

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from numpy import float64
    from numpy.random import Generator
    from numpy.typing import NDArray

    Numbers = NDArray[float64]

MIN_LENGTH = 10
"""Shorter series tell no change from noise."""
MAX_LENGTH = 500
"""Longer series would take minutes."""
LEVEL = 0.01
"""Probability of seeing a change where none is, for one series."""
SHORTEST = 3
"""How many values a level must last."""
_SIMULATIONS = 999
_CORRELATIONS = (*(number / 20 for number in range(20)), 0.975)
"""Of neighbouring values, that are tried."""
_MAX_JOINT_CHANGES = 4
"""How many changes are tried at once: of several in little noise each alone looks like noise of neighbours."""
_MIN_RATIO = 6.0
"""Smaller ratios are so frequent without any change that nothing need be simulated."""
_MIN_VARIANCE_SHARE = 1e-12
_SEED = 2_014


class ChangePoint(NamedTuple):
    """A place from which on a series is another one."""

    place: int
    """Of the first value after it."""
    p: float
    """How probable so large a difference is in noise of this kind; the smallest is 0.001."""


def change_points(series: "Numbers") -> list[ChangePoint]:
    """Find where the level of a series changes, in order; nothing in series shorter than `MIN_LENGTH`.

    E-divisive finds the places: the energy distance between what comes before and after is the largest at a change;
    then the same on either side of it (Matteson and James, A Nonparametric Approach for Multiple Change Point
    Analysis of Multivariate Data, 2014). Its permutation test, and a t-test in its place, take neighbours as
    independent and see changes in autocorrelated noise. So a place is held against noise of the first order
    (x[t] = c * x[t-1] + e[t]) by its likelihood ratio, the correlation c fitted with and without it; how large that
    ratio becomes at the best of all places where there is no change is simulated. Where one more change is not enough,
    several together may be: their mean ratio is held against the same.
    """
    import numpy as np

    if len(series) < MIN_LENGTH or not np.ptp(series):
        return []
    generator = np.random.default_rng(_SEED)
    found: list[ChangePoint] = []
    while True:
        model = _Model(len(series), [change.place for change in found])
        without, correlation = (float(number[0]) for number in model.fit(series[None]))
        null = None
        together: list[int] = []
        while len(together) < _MAX_JOINT_CHANGES:
            tried = _Model(len(series), sorted([*(change.place for change in found), *together])) if together else model
            candidates = _candidates(series, tried.places)
            if not candidates:
                return found
            gains = tried.added(series[None])[0] - without
            together.append(max(candidates, key=lambda place: gains[place - SHORTEST]))
            ratio = gains[together[-1] - SHORTEST] / len(together)
            if ratio < _MIN_RATIO:
                continue
            if null is None:
                null = model.null(generator, correlation)
            p = float(1 + (null >= ratio).sum()) / (1 + len(null))
            if p <= LEVEL:
                break
        else:
            return found
        found = sorted([*found, *(ChangePoint(place, p) for place in together)])


def _candidates(series: "Numbers", places: list[int]) -> list[int]:
    """Return the best place within each level that is long enough."""
    ends = [0, *places, len(series)]
    return [
        start + _best_cut(series[start:end]) for start, end in itertools.pairwise(ends) if end - start >= 2 * SHORTEST
    ]


class _Fit(NamedTuple):
    """What a model needs for one correlation."""

    whiten: "Numbers"
    """Makes the noise independent."""
    basis: "Numbers"
    """Of the levels, orthonormal."""
    steps: "Numbers"
    """One for each place of a further change: what it adds, of length 1."""


class _Model:
    """A series with levels that change at known places, in noise of the first order."""

    def __init__(self, length: int, places: list[int]) -> None:
        import numpy as np

        steps = (np.arange(length)[:, None] >= np.arange(length)[None, :]).astype(float)
        known = steps[:, [0, *places]]
        self._length = length
        self.places = places
        self._fits: dict[float, _Fit] = {}
        for correlation in _CORRELATIONS:
            whiten = np.eye(length) - correlation * np.eye(length, k=-1)
            whiten[0, 0] = math.sqrt(1 - correlation**2)
            basis = np.linalg.qr(whiten @ known)[0]
            added = whiten @ steps[:, SHORTEST : length - SHORTEST + 1]
            added -= basis @ (basis.T @ added)
            norms = np.linalg.norm(added, axis=0)
            added = np.divide(added, norms, out=np.zeros_like(added), where=norms > 1e-9)
            self._fits[correlation] = _Fit(whiten, basis, added)

    def fit(self, series: "Numbers") -> "tuple[Numbers, Numbers]":
        """Return the log-likelihood (twice, up to a constant) of each row, and the correlations that fit."""
        import numpy as np

        fits = [self._log(correlation, self._rest(series, fit)[0]) for correlation, fit in self._fits.items()]
        return np.max(fits, axis=0), np.asarray(_CORRELATIONS)[np.argmax(fits, axis=0)]

    def added(self, series: "Numbers") -> "Numbers":
        """Return the same with one more change at each place, from `SHORTEST` on."""
        import numpy as np

        best = None
        for correlation, fit in self._fits.items():
            squares, rest = self._rest(series, fit)
            left = np.maximum(squares[:, None] - (rest @ fit.steps) ** 2, _MIN_VARIANCE_SHARE * squares[:, None])
            logs = self._log(correlation, left)
            best = logs if best is None else np.maximum(best, logs)
        assert best is not None
        return best

    def _rest(self, series: "Numbers", fit: "_Fit") -> "tuple[Numbers, Numbers]":
        """Return the sums of squares of what the levels leave, and that itself."""
        import numpy as np

        white = series @ fit.whiten.T
        rest = white - white @ fit.basis @ fit.basis.T
        return np.maximum((rest**2).sum(axis=1), _MIN_VARIANCE_SHARE * (white**2).sum(axis=1)), rest

    def _log(self, correlation: float, squares: "Numbers") -> "Numbers":
        import numpy as np

        return np.asarray(math.log(1 - correlation**2) - self._length * np.log(squares))

    def null(self, generator: "Generator", correlation: float) -> "Numbers":
        """Simulate the largest ratio of all places where there is no further change."""
        import numpy as np

        # The estimate is too small by about this much (Kendall, 1954).
        correlation = min((self._length * correlation + 1) / (self._length - 4), _CORRELATIONS[-1])
        series = generator.standard_normal((_SIMULATIONS, self._length))
        series[:, 0] /= math.sqrt(1 - correlation**2)
        for place in range(1, self._length):
            series[:, place] += correlation * series[:, place - 1]
        return np.asarray(self.added(series).max(axis=1) - self.fit(series)[0])


def _best_cut(series: "Numbers") -> int:
    """Return where the energy distance between a part and what follows it is the largest: the length of that part."""
    import numpy as np

    count = len(series)
    sums = np.abs(series[:, None] - series[None, :]).cumsum(axis=0).cumsum(axis=1)
    # The first part is [0, cut), the second [cut, end).
    cuts = np.arange(SHORTEST, count - SHORTEST + 1)[:, None]
    ends = np.arange(2 * SHORTEST, count + 1)[None, :]
    first, second = cuts, np.maximum(ends - cuts, 2)
    corner, inner, outer = sums[cuts - 1, ends - 1], sums[cuts - 1, cuts - 1], sums[ends - 1, ends - 1]
    between, before, after = corner - inner, inner / 2, (outer - 2 * corner + inner) / 2
    within = second / (first - 1) * before + first / (second - 1) * after
    distances = np.where(ends - cuts >= SHORTEST, 2 * (between - within) / (first + second), -np.inf)
    return SHORTEST + int(distances.argmax()) // ends.size
