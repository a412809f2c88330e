"""Where the time goes: operations by total time, their segments, and the one to fix first."""

import bisect
import heapq
import itertools
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from perftrace.core.record import Outcome, Record

END = "(end)"
"""The segment from the last checkpoint to the end."""
SLOWEST = 10
"""How many of the slowest runs a report tells."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of an operation over all its runs; times in seconds."""

    name: str
    """Of the checkpoint that ends it, or `(end)`."""
    count: int
    total: float
    p50: float
    p95: float
    share: float
    """Of the time of all segments of its operation, 0 to 1."""
    bottleneck: bool
    """Whether it takes the most of its operation's time."""


@dataclass(frozen=True, slots=True)
class OperationReport:
    """The runs of one operation; times in seconds, percentiles None where no run finished."""

    name: str
    count: int
    """Finished runs, whatever their outcome; the percentiles are over these."""
    failures: int
    """Outcome `error` or `abandoned`."""
    cancelled: int
    never_ended: int
    total: float
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None
    segments: list[Segment]
    """In the order in which they were first seen; `(end)` last."""


@dataclass(frozen=True, slots=True)
class Run:
    """One of the slowest runs."""

    operation_id: str
    name: str
    duration: float
    """Seconds."""
    outcome: Outcome | None
    bottleneck: str | None
    """Its longest segment; None where none is known."""


@dataclass(frozen=True, slots=True)
class NeverEnded:
    """A run that started and did not end."""

    operation_id: str
    name: str
    last_checkpoint: str | None
    """Where it stood."""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer."""

    operations: list[OperationReport]
    """By total time, largest first."""
    slowest: list[Run]
    """Slowest first."""
    never_ended: list[NeverEnded]


@dataclass
class _Samples:
    """Durations of one operation, of runs of one weight, in nanoseconds: 8 bytes each, as percentiles need all."""

    durations: "array[int]" = field(default_factory=lambda: array("q"))
    failures: int = 0
    cancelled: int = 0
    never_ended: int = 0
    segments: "dict[str, array[int]]" = field(default_factory=dict)


def report(records: Iterable[Record], unfinished: Sequence[Record] = (), *, slowest: int = SLOWEST) -> Report:
    """Sum up records.

    records: finished operations; read once, in any order. unfinished: what never ended; it is
    looked at after `records` has been read, so a source may fill it meanwhile. A record that sampling
    kept stands for as many runs as it weighs: in counts, totals and percentiles. slowest: how many runs are listed.
    """
    operations: dict[str, dict[float, _Samples]] = {}
    longest: list[tuple[int, int, Record]] = []
    for number, record in enumerate(records):
        by_weight = operations.get(record.name)
        if by_weight is None:
            by_weight = operations[record.name] = {}
        samples = by_weight.get(record.weight)
        if samples is None:
            samples = by_weight[record.weight] = _Samples()
        duration = record.duration_ns
        samples.durations.append(duration)
        if record.outcome != "ok":
            samples.failures += record.outcome in ("error", "abandoned")
            samples.cancelled += record.outcome == "cancelled"
        segments = samples.segments
        for name, length in segments_of(record):
            lengths = segments.get(name)
            if lengths is None:
                lengths = segments[name] = array("q")
            lengths.append(length)
        if len(longest) < slowest:
            heapq.heappush(longest, (duration, -number, record))
        elif duration > longest[0][0]:
            heapq.heapreplace(longest, (duration, -number, record))
    for record in unfinished:
        operations.setdefault(record.name, {}).setdefault(1.0, _Samples()).never_ended += 1
    found = [_operation(name, by_weight) for name, by_weight in operations.items()]
    return Report(
        sorted(found, key=lambda operation: (-operation.total, operation.name)),
        [_run(record) for _, _, record in sorted(longest, reverse=True)],
        [NeverEnded(r.operation_id, r.name, r.marks[-1][0] if r.marks else None) for r in unfinished],
    )


def segments_of(record: Record) -> list[tuple[str, int]]:
    """Cut a finished run into its segments: name and nanoseconds, `(end)` last.

    The first is left out where the start was not seen: nobody knows where it began.
    """
    segments = []
    before = 0 if record.start_seen else None
    for name, _, elapsed, _ in record.marks:
        if before is not None:
            segments.append((name, elapsed - before if elapsed > before else 0))
        before = elapsed
    if before is not None:
        # Lines round to milliseconds, each on its own: a last checkpoint may seem to lie past the end.
        segments.append((END, record.duration_ns - before if record.duration_ns > before else 0))
    return segments


def percentile(ordered: Sequence[int], share: float) -> float:
    """Give a percentile of sorted numbers, linear between ranks (Hyndman and Fan's definition 7)."""
    position = (len(ordered) - 1) * share
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


class _Weighed:
    """Numbers that each stand for as many as they weigh."""

    def __init__(self, by_weight: Mapping[float, Sequence[int]]) -> None:
        groups = {weight: values for weight, values in by_weight.items() if values}
        self.count = round(sum(weight * len(values) for weight, values in groups.items()))
        self.total = sum(weight * sum(values) for weight, values in groups.items())
        self._ends: list[float] | None = None
        """How many numbers there are up to each one; None where all weigh 1."""
        if set(groups) <= {1.0}:
            self._ordered: Sequence[int] = sorted(*groups.values()) if groups else ()
            return
        pairs = sorted((value, weight) for weight, values in groups.items() for value in values)
        self._ordered = [value for value, _ in pairs]
        self._ends = list(itertools.accumulate(weight for _, weight in pairs))

    @property
    def largest(self) -> int | None:
        """The largest number."""
        return self._ordered[-1] if self._ordered else None

    def percentile(self, share: float) -> float | None:
        """Give a percentile, as if each number stood there as often as it weighs; None where there is none."""
        if not self._ordered:
            return None
        if self._ends is None:
            return percentile(self._ordered, share)
        last = len(self._ordered) - 1
        position = max(0.0, self._ends[-1] - 1) * share
        below = int(position)
        low, high = (self._ordered[min(bisect.bisect_right(self._ends, rank), last)] for rank in (below, below + 1))
        return low + (high - low) * (position - below)


def _operation(name: str, by_weight: Mapping[float, _Samples]) -> OperationReport:
    runs = _Weighed({weight: samples.durations for weight, samples in by_weight.items()})
    p50, p95, p99 = (_seconds(runs.percentile(share)) for share in (0.5, 0.95, 0.99))
    return OperationReport(
        name,
        runs.count,
        round(sum(weight * samples.failures for weight, samples in by_weight.items())),
        round(sum(weight * samples.cancelled for weight, samples in by_weight.items())),
        sum(samples.never_ended for samples in by_weight.values()),
        runs.total / 1e9,
        p50,
        p95,
        p99,
        _seconds(runs.largest),
        _segments({weight: samples.segments for weight, samples in by_weight.items()}),
    )


def _segments(by_weight: "Mapping[float, Mapping[str, array[int]]]") -> list[Segment]:
    names = dict.fromkeys(name for segments in by_weight.values() for name in segments)
    found = {
        name: _Weighed({weight: segments.get(name, ()) for weight, segments in by_weight.items()}) for name in names
    }
    whole = sum(lengths.total for lengths in found.values())
    longest = max(found, key=lambda name: found[name].total, default=None)
    return [
        Segment(
            name,
            lengths.count,
            lengths.total / 1e9,
            (lengths.percentile(0.5) or 0.0) / 1e9,
            (lengths.percentile(0.95) or 0.0) / 1e9,
            lengths.total / whole if whole else 0.0,
            bool(whole) and name == longest,
        )
        for name, lengths in sorted(found.items(), key=lambda item: item[0] == END)
    ]


def _seconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9


def _run(record: Record) -> Run:
    longest = max(segments_of(record), key=lambda segment: segment[1], default=(None, 0))[0]
    return Run(record.operation_id, record.name, record.duration_ns / 1e9, record.outcome, longest)
