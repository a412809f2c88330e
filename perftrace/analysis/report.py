"""Where the time goes: operations by total time, their segments, and the one to fix first."""

import heapq
from array import array
from collections.abc import Iterable, Sequence
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
    """Durations of one operation, in nanoseconds: 8 bytes each, as percentiles need them all."""

    durations: "array[int]" = field(default_factory=lambda: array("q"))
    failures: int = 0
    cancelled: int = 0
    never_ended: int = 0
    segments: "dict[str, array[int]]" = field(default_factory=dict)


def report(records: Iterable[Record], unfinished: Sequence[Record] = ()) -> Report:
    """Sum up records.

    records: finished operations; read once, in any order. unfinished: what never ended; it is
    looked at after `records` has been read, so a source may fill it meanwhile.
    """
    operations: dict[str, _Samples] = {}
    slowest: list[tuple[int, int, Record]] = []
    for number, record in enumerate(records):
        samples = operations.get(record.name)
        if samples is None:
            samples = operations[record.name] = _Samples()
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
        if len(slowest) < SLOWEST:
            heapq.heappush(slowest, (duration, -number, record))
        elif duration > slowest[0][0]:
            heapq.heapreplace(slowest, (duration, -number, record))
    for record in unfinished:
        operations.setdefault(record.name, _Samples()).never_ended += 1
    found = [_operation(name, samples) for name, samples in operations.items()]
    return Report(
        sorted(found, key=lambda operation: (-operation.total, operation.name)),
        [_run(record) for _, _, record in sorted(slowest, reverse=True)],
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


def _operation(name: str, samples: _Samples) -> OperationReport:
    ordered = sorted(samples.durations)
    p50, p95, p99 = (percentile(ordered, share) / 1e9 if ordered else None for share in (0.5, 0.95, 0.99))
    return OperationReport(
        name,
        len(ordered),
        samples.failures,
        samples.cancelled,
        samples.never_ended,
        sum(ordered) / 1e9,
        p50,
        p95,
        p99,
        ordered[-1] / 1e9 if ordered else None,
        _segments(samples.segments),
    )


def _segments(lengths: "dict[str, array[int]]") -> list[Segment]:
    totals = {name: sum(values) for name, values in lengths.items()}
    whole = sum(totals.values())
    longest = max(totals, key=lambda name: totals[name], default=None)
    segments = []
    for name in sorted(lengths, key=lambda name: name == END):
        ordered = sorted(lengths[name])
        segments.append(
            Segment(
                name,
                len(ordered),
                totals[name] / 1e9,
                percentile(ordered, 0.5) / 1e9,
                percentile(ordered, 0.95) / 1e9,
                totals[name] / whole if whole else 0.0,
                bool(whole) and name == longest,
            )
        )
    return segments


def _run(record: Record) -> Run:
    longest = max(segments_of(record), key=lambda segment: segment[1], default=(None, 0))[0]
    return Run(record.operation_id, record.name, record.duration_ns / 1e9, record.outcome, longest)
