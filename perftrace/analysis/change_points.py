"""Change points of a series whose neighbours resemble each other: likelihood ratios against autocorrelated noise."""

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from numpy import float64, intp
    from numpy.typing import NDArray

    Numbers = NDArray[float64]
    Places = NDArray[intp]

MIN_LENGTH = 10
"""Shorter series tell no change from noise."""
MAX_LENGTH = 500
"""Of longer series each takes more than a tenth of a second."""
LEVEL = 0.01
"""Probability of seeing a change where none is, for one series."""
SHORTEST = 3
"""How many values a level must last."""
_CORRELATIONS = (*(number / 20 for number in range(20)), 0.975)
"""Of neighbouring values, that are tried."""
_MAX_JOINT_CHANGES = 8
"""How many changes are tried at once: of several in little noise each alone looks like noise of neighbours."""
_INDEPENDENT, _ANY = slice(0, 1), slice(None)
"""Which of the correlations: none between neighbours."""
_MIN_VARIANCE_SHARE = 1e-12
_MIN_P = 0.001

_NOISE = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Correlations of noise; below, for each, how large ratios become in 1 of 200 series of such noise."""
_ONE = (13.2, 14.9, 16.5, 18.0, 19.4, 20.6)
"""At the best of all places."""
_TWO = (19.7, 22.2, 25.0, 27.0, 28.7, 30.5)
"""At the best two."""
_RISE = (12.5, 14.5, 17.0, 19.5, 22.5, 29.0)
"""Of the most likely slow rise."""
_DECAY = 0.45
"""By so much for each more the logarithm of the probability falls."""


class ChangePoint(NamedTuple):
    """A place from which on a series is another one."""

    place: int
    """Of the first value after it."""
    p: float
    """How probable so large a difference is in noise of this kind; the smallest is 0.001."""


def change_points(series: "Numbers") -> list[ChangePoint]:
    """Find where the level of a series changes, in order; nothing in series shorter than `MIN_LENGTH`.

    A place, two between which the level is another one, or a slow rise between two, is held against noise of the first
    order (x[t] = c * x[t-1] + e[t]) by its likelihood ratio, the correlation c fitted with and without it. How large
    that ratio becomes where there is no change was simulated: it hardly depends on the length of the series, and grows
    with c. Tests that take neighbours as independent see changes in such noise. A rise is a change in its middle. Where
    none of these is enough, several changes together may be: their mean ratio is held against that of one.
    """
    import numpy as np

    if len(series) < MIN_LENGTH or not np.ptp(series):
        return []
    found: list[ChangePoint] = []
    while more := _further(series, tuple(change.place for change in found)):
        found = sorted([*found, *more])
    return found


def _further(series: "Numbers", known: tuple[int, ...]) -> list[ChangePoint]:
    """Return changes that a series has besides those that are known; none where they may be noise."""
    fit = _model(len(series), known).fit(series)
    (one, place), (two, places) = fit.one(), fit.two()
    noise = fit.correlation()
    p_one, p_two = _p_of(one, _ONE, noise), _p_of(two, _TWO, noise)
    if p_two <= LEVEL and (p_one > LEVEL or _p_of(two - one, _ONE, noise) <= LEVEL):
        return [ChangePoint(place, p_two) for place in places]
    if p_one <= LEVEL:
        return [ChangePoint(place[0], p_one)]
    rise, middle = fit.rise()
    p_rise = _p_of(rise, _RISE, noise)
    if p_rise <= LEVEL:
        return [ChangePoint(middle[0], p_rise)]
    _, together = fit.two(_INDEPENDENT)
    while 0 < len(together) < _MAX_JOINT_CHANGES:
        further = _model(len(series), tuple(sorted((*known, *together)))).fit(series)
        _, place = further.one(_INDEPENDENT)
        if not place:
            break
        together = together + place
        ratio = fit.ratio_to(_model(len(series), tuple(sorted((*known, *together)))).fit(series))
        p = _p_of(ratio / len(together), _ONE, noise)
        if p <= LEVEL:
            return [ChangePoint(place, p) for place in together]
    return []


def _p_of(ratio: float, limits: tuple[float, ...], noise: float) -> float:
    """Return how probable a ratio is where there is no change, in noise of such a correlation; 1 below its limit."""
    import numpy as np

    beyond = ratio - float(np.interp(noise, _NOISE, limits))
    return max(_MIN_P, LEVEL * math.exp(-_DECAY * beyond)) if beyond >= 0 else 1.0


class _Model:
    """A series with levels that change at known places, in noise of the first order.

    Whitened, x[t] - c * x[t-1], the noise is independent; a step at k is 0 before k, 1 at k and 1 - c after it, and the
    first level sqrt(1 - c²) and 1 - c, so that the products of any two of them are known without adding them up. The
    first axis of each array is that of the correlations.
    """

    def __init__(self, length: int, known: tuple[int, ...]) -> None:
        import numpy as np

        self.length = length
        self.correlations = np.array(_CORRELATIONS)[:, None]
        self.scale = (1 - self.correlations**2) ** (-1 / length)
        """Makes sums of squares of different correlations comparable: the least is the most likely."""
        self.levels = np.array([0, *known])
        ends = np.array([0, *known, length])
        places = np.arange(SHORTEST, length - SHORTEST + 1)
        self.places = places[np.abs(places[:, None] - ends).min(axis=1) >= SHORTEST]
        """Where a further change may be."""
        shared = self._products(self.levels[:, None], self.places)
        self.inverse = np.linalg.inv(self._products(self.levels[:, None], self.levels))
        self.said = self.inverse @ shared
        """What of each step the levels say."""
        self.norms = np.sqrt(self._products(self.places, self.places) - (shared * self.said).sum(axis=1))
        """Of what each step adds to the levels."""
        self._shared = shared

    @functools.cached_property
    def pairs(self) -> "_Pairs":
        """Any two further changes."""
        import numpy as np

        first, second = np.triu_indices(len(self.places), 1)
        apart = self.places[second] - self.places[first] >= SHORTEST
        first, second = first[apart], second[apart]
        alike = []
        for which in range(len(_CORRELATIONS)):  # one by one: of 500 places there are 120,000 pairs
            one = slice(which, which + 1)
            products = self._products(self.places[first], self.places[second], one)[0]
            products -= (self._shared[which][:, first] * self.said[which][:, second]).sum(axis=0)
            alike.append(products / (self.norms[which, first] * self.norms[which, second]))
        return _Pairs(first, second, alike)

    @functools.cached_property
    def rises(self) -> "_Rises":
        """Any slow rise, or fall, from one place to another within a level: the mean of the steps between."""
        import numpy as np

        every = np.arange(1, self.length)
        first, last = np.triu_indices(self.length, 2 * SHORTEST)
        level = np.searchsorted(self.levels[1:], np.arange(self.length), side="right")
        is_within = level[first] == level[last]
        first, last = first[is_within], last[is_within]
        said, norms = [], []
        for which in range(len(_CORRELATIONS)):
            one = slice(which, which + 1)
            shared = self._products(self.levels[:, None], every, one)[0]
            said.append(self.inverse[which] @ shared)
            sums = np.zeros((self.length, self.length))
            sums[1:, 1:] = self._products(every[:, None], every, one)[0] - shared.T @ said[-1]
            sums = sums.cumsum(axis=0).cumsum(axis=1)
            squares = sums[last, last] - 2 * sums[first, last] + sums[first, first]
            norms.append(np.sqrt(np.maximum(squares, _MIN_VARIANCE_SHARE)))
        return _Rises(first, last, said, norms)

    def _products(self, first: "Places", second: "Places", which: slice = _ANY) -> "Numbers":
        """Return the products of the steps at these places, whitened."""
        import numpy as np

        shape = (-1, *[1] * np.broadcast(first, second).ndim)
        c = self.correlations[which].reshape(shape)
        after = (1 - c) ** 2 * (self.length - 1 - np.maximum(first, second))
        at = np.where(first != second, 1 - c, np.where(first == 0, 1 - c**2, 1.0))
        return np.asarray(after + at)

    def fit(self, series: "Numbers") -> "_Fit":
        """Fit the levels to a series."""
        import numpy as np

        c = self.correlations
        white = series - c * np.concatenate([[0.0], series[:-1]])
        white[:, :1] = np.sqrt(1 - c**2) * series[0]
        after = white[:, ::-1].cumsum(axis=1)[:, ::-1] - white
        products = white + (1 - c) * after
        products[:, :1] += (np.sqrt(1 - c**2) - 1) * white[:, :1]
        levels = products[:, self.levels]
        heights = (self.inverse @ levels[:, :, None])[:, :, 0]
        squares = (white**2).sum(axis=1)
        left = np.maximum(squares - (heights * levels).sum(axis=1), _MIN_VARIANCE_SHARE * squares)
        gains = (products[:, self.places] - (self.said * levels[:, :, None]).sum(axis=1)) / self.norms
        return _Fit(self, left[:, None], gains, products, levels)


class _Pairs(NamedTuple):
    """Two places each, by their numbers among all, and how alike what they add is, for each correlation."""

    first: "Places"
    second: "Places"
    alike: "list[Numbers]"


class _Rises(NamedTuple):
    """Where slow rises begin and end, and for each correlation what of each step the levels say, and their norms."""

    first: "Places"
    last: "Places"
    said: "list[Numbers]"
    norms: "list[Numbers]"


_model = functools.lru_cache(maxsize=16)(_Model)
"""Series of one report are of one length."""


class _Fit(NamedTuple):
    """A series and a model of it."""

    model: _Model
    left: "Numbers"
    """The sum of squares that the levels leave, for each correlation."""
    gains: "Numbers"
    """The root of what a step at each place takes away from it."""
    products: "Numbers"
    """Of the series and each step, whitened."""
    levels: "Numbers"
    """Those of the known levels."""

    def correlation(self) -> float:
        """Return the correlation of the noise that is the most likely; its estimate is too small (Kendall, 1954)."""
        length = self.model.length
        best = _CORRELATIONS[int((self.left * self.model.scale).argmin())]
        return min(1.0, (length * best + 1) / (length - 4))

    def one(self, which: slice = _ANY) -> tuple[float, list[int]]:
        """Return the largest likelihood ratio of one more change, and its place; which: of the correlations."""
        if not len(self.model.places):
            return 0.0, []
        least = self._least(self.gains[which] ** 2, which)
        place = int(least.argmin())
        return self._ratio(float(least[place])), [int(self.model.places[place])]

    def two(self, which: slice = _ANY) -> tuple[float, list[int]]:
        """Return the largest ratio of two more changes, and their places."""
        pairs, best, found = self.model.pairs, math.inf, 0
        if not len(pairs.first):
            return 0.0, []
        for correlation in range(len(_CORRELATIONS))[which]:
            first, second = self.gains[correlation][pairs.first], self.gains[correlation][pairs.second]
            alike = pairs.alike[correlation]
            gains = (first**2 + second**2 - 2 * alike * first * second) / (1 - alike**2)
            pair = int(gains.argmax())
            left = float(self._least(gains[pair : pair + 1], slice(correlation, correlation + 1))[0])
            if left < best:
                best, found = left, pair
        places = self.model.places[[pairs.first[found], pairs.second[found]]]
        return self._ratio(best), places.tolist()

    def rise(self) -> tuple[float, list[int]]:
        """Return the largest ratio of a slow rise, and the place in its middle."""
        import numpy as np

        rises, best, found = self.model.rises, math.inf, 0
        if not len(rises.first):
            return 0.0, []
        for which in range(len(_CORRELATIONS)):
            rest = self.products[which, 1:] - self.levels[which] @ rises.said[which]
            sums = np.concatenate([[0.0], rest.cumsum()])
            gains = ((sums[rises.last] - sums[rises.first]) / rises.norms[which]) ** 2
            pair = int(gains.argmax())
            left = float(self._least(gains[pair : pair + 1], slice(which, which + 1))[0])
            if left < best:
                best, found = left, pair
        return self._ratio(best), [int(rises.first[found] + rises.last[found] + 1) // 2]

    def ratio_to(self, other: "_Fit") -> float:
        """Return the likelihood ratio of a model with more changes."""
        return self._ratio(float((other.left * self.model.scale).min()))

    def _least(self, gains: "Numbers", which: slice) -> "Numbers":
        """Return what is left, at the best correlation, where so much is taken away."""
        import numpy as np

        left = self.left[which]
        left = np.maximum(left - gains, _MIN_VARIANCE_SHARE * left) * self.model.scale[which]
        return np.asarray(left.min(axis=0))

    def _ratio(self, left: float) -> float:
        return self.model.length * math.log(float((self.left * self.model.scale).min()) / left)
