"""What becomes of an operation if one of its steps is made faster."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perftrace.analysis.bootstrap import WeightedSample
from perftrace.analysis.replay import Recording, Step
from perftrace.analysis.trees import Forest, TreeIssues
from perftrace.core.record import Record

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Numbers = NDArray[float64]

FASTER = (0.25, 0.5, 1.0)
PERCENTILES = (0.5, 0.95, 0.99)
MOST_STEPS = 100
"""How many steps are replayed: those that take the most time in all, as no step saves more than it takes."""
MIN_RUNS = 20
"""Fewer runs carry no prediction."""
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class StepChange:
    """A percentile as it is and as it would be, with the 95 % interval of that; seconds."""

    now: float
    """As recorded."""
    then: float
    """As predicted."""
    low: float
    """The lower end of the interval of `then`."""
    high: float
    """The upper end of the interval of `then`."""


@dataclass(frozen=True, slots=True)
class FasterStep:
    """A step made faster by a share of its own time."""

    operation: str
    """The operation that the step belongs to."""
    segment: str
    """The segment of that operation."""
    faster: float
    """By which share of its own time: 0.25, 0.5 or 1."""
    gain: float
    """Seconds saved over all runs."""
    p50: StepChange
    """Of the runs' duration."""
    p95: StepChange
    """Of the runs' duration."""
    p99: StepChange
    """Of the runs' duration."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The whole answer."""

    operation: str
    """The name that was asked for."""
    count: int
    """How many runs were replayed."""
    steps: list[FasterStep]
    """By the gain of the step made twice as fast, the largest first."""
    needed: int
    """How many runs more it takes for a prediction; then `steps` is empty."""
    left_out: int
    """How many steps were not replayed, as each takes less time than any of `MOST_STEPS`."""
    unused: TreeIssues
    """Records that do not fit into trees."""


def whatif(records: Iterable[Record], operation: str) -> WhatIf:
    """Predict an operation's percentiles with each step made 25, 50 and 100 % faster, by replaying each of its runs.

    Steps are segments of the operation and of all that is below it, without their children's time. A step that is on no
    run's critical path gains nothing and is left out. Of more than `MOST_STEPS` those are replayed that take the most
    time of their own. Percentiles are linear between ranks (Hyndman and Fan's
    definition 7); intervals come from a block bootstrap (`perftrace.analysis.bootstrap`). A run that sampling kept
    counts as many as it weighs. Needs numpy.
    """
    import numpy as np

    forest = Forest(records)
    roots = forest.runs_of(operation)
    now = np.array([root.end - root.start for root in roots], dtype=float)
    if len(roots) < MIN_RUNS:
        return WhatIf(operation, len(roots), [], MIN_RUNS - len(roots), 0, forest.unused)
    weights = np.array([root.record.weight for root in roots], dtype=float)
    recording = Recording(roots)
    longest = recording.steps(weights)
    then: dict[Step, Numbers] = {}
    for part in recording.replays(longest[:MOST_STEPS], FASTER):
        for row, step in enumerate(part.steps):
            if step not in then:
                then[step] = np.repeat(now[None, :], len(FASTER), axis=0)
            then[step][:, part.numbers] = part.durations[row]
    gains = {step: ((now - durations) * weights).sum(axis=1) for step, durations in then.items()}
    ranked = sorted((step for step in gains if gains[step][-1] > 0), key=lambda step: (-gains[step][1], step))
    before = WeightedSample(now, weights).percentile(np.array(PERCENTILES))
    steps = [
        FasterStep(
            *step, faster, float(gains[step][row]) / 1e9, *_changes(before, WeightedSample(then[step][row], weights))
        )
        for step in ranked
        for row, faster in enumerate(FASTER)
    ]
    return WhatIf(operation, len(roots), steps, 0, max(0, len(longest) - MOST_STEPS), forest.unused)


def _changes(before: "Numbers", after: WeightedSample) -> Iterable[StepChange]:
    for number, share in enumerate(PERCENTILES):
        values = (float(before[number]), float(after.percentile(share)), *after.interval(share, LEVEL))
        yield StepChange(*(value / 1e9 for value in values))
