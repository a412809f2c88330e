"""What one group of runs has more often than another, told apart from chance."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perftrace.analysis.filters import text_of
from perftrace.core.checks import is_number

FALSE_DISCOVERIES = 0.05
"""The share of false ones among those named; where nothing differs, the probability of naming any."""
_MOST_VALUES = 10
"""A number with more values than these is a quantity."""


@dataclass(frozen=True, slots=True)
class Association:
    """A value of an attribute, or a range of it, that is over-represented in the tail."""

    name: str
    """Of the attribute; `key` for the key."""
    value: str
    """As text; of a quantity a bound: `>= 1048576` or `<= 5`."""
    tail: float
    """Share of the tail's runs that have it."""
    typical: float
    """Share of the typical runs that have it."""
    p: float
    """How probable so large a difference is by chance, for this one alone."""


def differences(tail: Sequence[Mapping[str, object]], typical: Sequence[Mapping[str, object]]) -> list[Association]:
    """Compare what runs carry, by name; return what holds at a false discovery rate of 5 %.

    Values are compared by Fisher's exact test, one-sided; quantities, numbers with more than ten values, by the test of
    Kolmogorov and Smirnov. All together by Benjamini and Hochberg's procedure (1995), without those values that are so
    rare that they could never be told from chance (Tarone, 1990). Of an attribute, the values that hold are named,
    ordered by how much more often the tail has them.
    """
    found: list[Association] = []
    values: defaultdict[str, tuple[list[object], list[object]]] = defaultdict(lambda: ([], []))
    for side, runs in enumerate((tail, typical)):
        for run in runs:
            for name, value in run.items():
                values[name][side].append(value)
    for name, (slow, usual) in values.items():
        if _is_quantity(slow, usual):
            found += _by_size(name, slow, usual, len(tail), len(typical))  # type: ignore[arg-type]  # just seen
        else:
            found += _by_value(name, slow, usual, len(tail), len(typical))
    found.sort(key=lambda one: one.p)
    holds = 0
    for rank, one in enumerate(found, 1):
        if one.p <= FALSE_DISCOVERIES * rank / len(found):
            holds = rank
    return sorted(found[:holds], key=lambda one: (one.typical - one.tail, one.p, one.name))


def _is_quantity(slow: Sequence[object], usual: Sequence[object]) -> bool:
    return all(is_number(value) for side in (slow, usual) for value in side) and len({*slow, *usual}) > _MOST_VALUES


def _by_value(
    name: str, slow: Sequence[object], usual: Sequence[object], count_slow: int, count_usual: int
) -> list[Association]:
    in_slow, in_usual = (Counter(map(text_of, side)) for side in (slow, usual))
    found = []
    for value, seen in in_slow.items():
        both = seen + in_usual[value]
        possible = fisher(min(both, count_slow), both, count_slow, count_slow + count_usual)
        if possible <= FALSE_DISCOVERIES:
            p = fisher(seen, both, count_slow, count_slow + count_usual)
            found.append(Association(name, value, seen / count_slow, in_usual[value] / max(count_usual, 1), p))
    return found


def _by_size(
    name: str, slow: Sequence[float], usual: Sequence[float], count_slow: int, count_usual: int
) -> list[Association]:
    """Compare a quantity; what is named is the bound at which the two differ most."""
    import numpy as np

    if not slow or not usual:
        return []
    first, second = np.sort(np.array(slow, dtype=float)), np.sort(np.array(usual, dtype=float))
    places = np.unique(np.concatenate([first, second]))
    # Shares below each place, and up to it.
    shares = [
        (np.searchsorted(side, places, "left") / len(side), np.searchsorted(side, places, "right") / len(side))
        for side in (first, second)
    ]
    more, less = shares[1][0] - shares[0][0], shares[0][1] - shares[1][1]
    is_more = more.max() >= less.max()
    best = int((more if is_more else less).argmax())
    distance = float(more[best] if is_more else less[best])
    p = kolmogorov(distance, len(first), len(second))
    bound = f"{'>=' if is_more else '<='} {places[best]:.6g}"
    have = [
        (1 - below[best] if is_more else up_to[best]) * len(side) / max(count, 1)
        for (below, up_to), side, count in zip(shares, (first, second), (count_slow, count_usual), strict=True)
    ]
    return [Association(name, bound, float(have[0]), float(have[1]), p)] if distance > 0 else []


def fisher(seen: int, have: int, drawn: int, total: int) -> float:
    """Return the probability that, of `drawn` from `total` of which `have` have it, at least `seen` have it."""

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    whole = log_choose(total, drawn)
    terms = (
        math.exp(log_choose(have, number) + log_choose(total - have, drawn - number) - whole)
        for number in range(max(seen, drawn - (total - have)), min(have, drawn) + 1)
    )
    return min(1.0, math.fsum(terms))


def kolmogorov(distance: float, first: int, second: int) -> float:
    """Return the probability of so large a distance between the distributions of two samples of these sizes.

    Asymptotic, with the correction of Stephens (1970).
    """
    size = math.sqrt(first * second / (first + second))
    scaled = (size + 0.12 + 0.11 / size) * distance
    if scaled < 0.2:
        return 1.0
    total = math.fsum((-1) ** (number - 1) * math.exp(-2 * (number * scaled) ** 2) for number in range(1, 101))
    return min(1.0, max(0.0, 2 * total))
