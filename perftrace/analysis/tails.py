"""What makes the slow runs of an operation slow: the tail against the typical runs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perftrace.analysis.associations import Association, differences
from perftrace.analysis.bootstrap import WeightedSample
from perftrace.analysis.critical_path import critical_path
from perftrace.analysis.replay import Step
from perftrace.analysis.trees import Forest, Node, TreeIssues
from perftrace.core.record import Record

if TYPE_CHECKING:
    from numpy import bool_, float64
    from numpy.typing import NDArray

    Numbers = NDArray[float64]
    Rows = NDArray[bool_]

TAIL = 0.95
TYPICAL = (0.4, 0.6)
MIN_TAIL_RUNS = 5
"""A tail of fewer runs carries no answer."""


@dataclass(frozen=True, slots=True)
class TailGroup:
    """Some of the runs."""

    count: int
    """How many."""
    mean: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a step, a segment of the operation or of one below it, has to do with it; its time on the critical path."""

    operation: str
    """The operation that the step belongs to."""
    segment: str
    """The segment of that operation."""
    gap: float
    """How much longer it takes in the tail, on average; seconds. All parts add up to the whole gap."""
    share: float
    """Of the whole gap."""
    variance_share: float
    """Of the variance of all runs' durations; all parts add up to 1."""


@dataclass(frozen=True, slots=True)
class Why:
    """The whole answer."""

    operation: str
    """The name that was asked for."""
    count: int
    """How many runs it has."""
    tail_from: float
    """The percentile where the tail begins, 0 to 1."""
    tail: TailGroup
    """The slowest runs."""
    typical: TailGroup
    """Those around the median."""
    gap: float
    """How much longer the tail takes on average; seconds."""
    enough: bool
    """Whether there are enough runs to rely on the answer."""
    needed: int
    """How many runs more it takes for an answer to rely on."""
    parts: list[Part]
    """By gap, largest first."""
    attributes: list[Association]
    """What the tail has more often, beyond chance; the most telling first."""
    unused: TreeIssues
    """Records that do not fit into trees."""


def why(records: Iterable[Record], operation: str, tail: float = TAIL) -> Why:
    """Hold the slowest runs of an operation against the typical ones; needs numpy.

    tail: the percentile from which on a run is slow, above 0.6 and below 1; runs from p40 to p60 are typical. The gap
    between their mean durations is decomposed over the pieces of the critical path, and so is the variance of all
    durations: Cov(X, T) / Var(T) for a step's time X and the duration T (Huang et al., Statistical Analysis of
    Latency Through Semantic Profiling (VProfiler), EuroSys 2017). Attributes: see `perftrace.analysis.associations`.
    """
    import numpy as np

    if not TYPICAL[1] < tail < 1:
        raise ValueError(f"the tail must begin between {TYPICAL[1]} and 1, not at {tail}")
    forest = Forest(records)
    runs = forest.runs_of(operation)
    needed = max(0, math.ceil(MIN_TAIL_RUNS / (1 - tail) - 1e-9) - len(runs))
    if not runs:
        return Why(operation, 0, tail, TailGroup(0, 0.0), TailGroup(0, 0.0), 0.0, False, needed, [], [], forest.unused)
    durations = np.array([node.end - node.start for node in runs]) / 1e9
    weights = np.array([node.record.weight for node in runs], dtype=float)
    low, high, slow = WeightedSample(durations, weights).percentile(np.array([*TYPICAL, tail]))
    is_tail, is_typical = durations >= slow, (durations >= low) & (durations <= high)
    slowest, typical = (_group(durations, weights, rows) for rows in (is_tail, is_typical))
    gap = slowest.mean - typical.mean
    parts = _parts(runs, durations, weights, (is_tail, is_typical), gap)
    attributes = []
    if not needed and gap > 0:
        carried = [_carried(node) for node in runs]
        attributes = differences(*([carried[row] for row in np.flatnonzero(rows)] for rows in (is_tail, is_typical)))
    return Why(operation, len(runs), tail, slowest, typical, gap, not needed, needed, parts, attributes, forest.unused)


def _group(durations: "Numbers", weights: "Numbers", rows: "Rows") -> TailGroup:
    import numpy as np

    count = int(rows.sum())
    return TailGroup(count, float(np.average(durations[rows], weights=weights[rows])) if count else 0.0)


def _parts(
    runs: Sequence[Node], durations: "Numbers", weights: "Numbers", groups: "tuple[Rows, Rows]", gap: float
) -> list[Part]:
    """Decompose the gap and the variance over steps."""
    import numpy as np

    steps: dict[Step, int] = {}
    which: list[int] = []
    rows: list[int] = []
    lengths: list[int] = []
    for row, node in enumerate(runs):
        for piece in critical_path(node):
            which.append(steps.setdefault((piece.node.name, piece.segment), len(steps)))
            rows.append(row)
            lengths.append(piece.self_ns)
    step_of, row_of, seconds = np.array(which, dtype=int), np.array(rows, dtype=int), np.array(lengths) / 1e9
    means = []
    for group in groups:
        share = np.where(group, weights, 0) / max(weights[group].sum(), 1e-300)
        means.append(np.bincount(step_of, share[row_of] * seconds, len(steps)))
    deviations = weights / weights.sum() * (durations - np.average(durations, weights=weights))
    variance = float((deviations * durations).sum())
    covariances = np.bincount(step_of, deviations[row_of] * seconds, len(steps))
    gaps = means[0] - means[1]
    parts = [
        Part(
            *step,
            float(gaps[number]),
            float(gaps[number]) / gap if gap > 0 else 0.0,
            float(covariances[number]) / variance if variance > 0 else 0.0,
        )
        for step, number in steps.items()
    ]
    return sorted(parts, key=lambda part: (-part.gap, part.operation, part.segment))


def _carried(node: Node) -> dict[str, object]:
    """Return what a run carries: its key, its attributes and those of its checkpoints, its children's by their name.

    Where several have an attribute, the first one counts.
    """
    record = node.record
    carried: dict[str, object] = {} if record.key is None else {record.key_name or "key": record.key}
    for attributes in (record.attributes, *(mark[3] for mark in record.checkpoints)):
        for name, value in attributes.items():
            carried.setdefault(name, value)
    for child in node.walk():
        if child is not node:
            for name, value in child.record.attributes.items():
                carried.setdefault(f"{child.name}.{name}", value)
    return carried
