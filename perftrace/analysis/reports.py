"""Where the time goes: operations by total time, their segments, and the one to fix first."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from perftrace.analysis.aggregation import OperationStats, Tally
from perftrace.analysis.filters import EVERY_RECORD, RecordFilter
from perftrace.analysis.fix_first import WAITS, FixFirst, TraceCollector, fix_first
from perftrace.analysis.percentiles import WeightedValues
from perftrace.analysis.segments import segments_of
from perftrace.core.record import Record
from perftrace.core.values import END, Outcome
from perftrace.sources.base import Reading

SLOWEST = 10
"""How many of the slowest runs a report tells."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of an operation over all its runs; times in seconds."""

    name: str
    """Of the checkpoint that ends it, or `(end)`."""
    count: int
    """How many runs have it."""
    total: float
    """Seconds of all runs together."""
    p50: float
    """The median, in seconds."""
    p95: float
    """The 95th percentile, in seconds."""
    share: float
    """Of the time of all segments of its operation, 0 to 1."""
    bottleneck: bool
    """Whether it takes the most of its operation's time."""


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Failures of one kind."""

    type: str
    """The exception's type, or `error` and `abandoned` where there was none."""
    count: int
    """How many runs failed so."""


@dataclass(frozen=True, slots=True)
class OperationReport:
    """The runs of one operation; times in seconds, percentiles None where no run finished."""

    name: str
    """Of the operation."""
    group: str | None
    """The value that its runs are grouped by; None where they are not."""
    count: int
    """Finished runs, whatever their outcome; the percentiles are over these."""
    failures: int
    """Outcome `error` or `abandoned`."""
    cancelled: int
    """How many finished runs were cancelled."""
    never_ended: int
    """How many runs started and did not end."""
    total: float
    """Seconds of all finished runs together."""
    self: float | None
    """Without the time in which operations ran that it called in the same process; None where that is not known, as in
    a plain log."""
    share: float | None
    """Of the own time of all operations that is known, 0 to 1; None where its own is not."""
    running: float | None
    """How long its code, and what it called, held a thread, in those runs that know; None where none does."""
    suspended: float | None
    """The rest of these runs' time."""
    p50: float | None
    """The median, in seconds."""
    p95: float | None
    """The 95th percentile, in seconds."""
    p99: float | None
    """The 99th percentile, in seconds."""
    max: float | None
    """The longest, in seconds."""
    errors: list[FailureCount]
    """The most frequent first."""
    segments: list[Segment]
    """In the order in which they were first seen; `(end)` last."""


@dataclass(frozen=True, slots=True)
class SlowRun:
    """One of the slowest runs."""

    operation_id: str
    """As in log lines."""
    name: str
    """Of the operation."""
    duration: float
    """Seconds."""
    outcome: Outcome | None
    """How it ended."""
    bottleneck: str | None
    """Its longest segment; None where none is known."""


@dataclass(frozen=True, slots=True)
class NeverEnded:
    """A run that started and did not end."""

    operation_id: str
    """As in log lines."""
    name: str
    """Of the operation."""
    last_checkpoint: str | None
    """Where it stood."""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole answer."""

    operations: list[OperationReport]
    """In the order asked for; by total time, largest first, if none was."""
    slowest: list[SlowRun]
    """Slowest first."""
    never_ended: list[NeverEnded]
    """In the order in which they started."""
    duplicates: int
    """Records left out, as one with the same trace and span was there."""
    fix_first: FixFirst | None
    """None where nothing finished."""


ORDERS: dict[str, Callable[[OperationReport], tuple[float, str, str]]] = {
    "total": lambda one: (-one.total, one.name, one.group or ""),
    "self": lambda one: (-(one.total if one.self is None else one.self), one.name, one.group or ""),
    "count": lambda one: (-one.count, one.name, one.group or ""),
    "failures": lambda one: (-one.failures, one.name, one.group or ""),
    "p50": lambda one: (-(one.p50 or 0.0), one.name, one.group or ""),
    "p95": lambda one: (-(one.p95 or 0.0), one.name, one.group or ""),
    "p99": lambda one: (-(one.p99 or 0.0), one.name, one.group or ""),
    "max": lambda one: (-(one.max or 0.0), one.name, one.group or ""),
    "name": lambda one: (0.0, one.name, one.group or ""),
}
"""What operations can be sorted by."""


def report(
    reading: Reading[Iterable[Record]],
    *,
    slowest: int = SLOWEST,
    by: str | None = None,
    order: str = "total",
    selection: RecordFilter = EVERY_RECORD,
) -> Report:
    """Sum up what a source gave.

    reading: its records are read once, in any order; the rest of it afterwards, so that a source may fill it meanwhile.
    A record that sampling kept stands for as many runs as it weighs: in counts, totals and percentiles. slowest: how
    many runs are listed. by: what the runs of an operation are grouped by: an attribute, a key, `outcome` ...; see
    `value_of` in `perftrace.analysis.filters`. order: one of `ORDERS`. selection: which runs are reported, of those
    that were not counted in place of being given; what they called is not their own time, whether it is reported or
    not.
    """
    tally, traces = Tally(by, slowest, selection), TraceCollector()
    tally.add(traces.watch(reading.records))
    if reading.aggregates is not None:
        tally.add_aggregates(reading.aggregates)
        for counts in reading.aggregates.counts:
            traces.add_store(counts)
    tally.settle()
    never_ended = list(selection.filter(reading.unfinished))
    for record in never_ended:
        tally.add_unfinished(record)
    operations = [_operation(*group, by_weight) for group, by_weight in tally.operations.items()]
    own = sum(one.self for one in operations if one.self is not None)
    operations = [one if one.self is None else replace(one, share=one.self / own if own else 0.0) for one in operations]
    return Report(
        sorted(operations, key=ORDERS[order]),
        [_run(record) for record in tally.longest()],
        [NeverEnded(r.operation_id, r.name, r.checkpoints[-1][0] if r.checkpoints else None) for r in never_ended],
        tally.duplicates,
        fix_first(traces, selection) or _longest_stretch(operations),
    )


def _longest_stretch(operations: Iterable[OperationReport]) -> FixFirst | None:
    """Choose the longest segment of a plain log, which does not say what called what."""
    found = [
        (segment.total, operation.name, segment)
        for operation in operations
        for segment in operation.segments
        if segment.name not in WAITS and segment.count
    ]
    if not found:
        return None
    total, name, segment = min(found, key=lambda one: (-one[0], one[1], one[2].name))
    return FixFirst(name, segment.name, None, None, total, None, segment.count, None, None, [], None)


def _operation(name: str, group: str | None, by_weight: Mapping[float, OperationStats]) -> OperationReport:
    counted = by_weight[1.0].counted if 1.0 in by_weight else {}
    runs = WeightedValues({weight: samples.durations for weight, samples in by_weight.items()}, counted)
    p50, p95, p99 = (_seconds(runs.percentile(share)) for share in (0.5, 0.95, 0.99))

    def weighed(number: Callable[[OperationStats], float]) -> float:
        return sum(weight * number(samples) for weight, samples in by_weight.items())

    errors: Counter[str] = Counter()
    for weight, samples in by_weight.items():
        for kind, count in samples.errors.items():
            errors[kind] += weight * count  # type: ignore[assignment]  # a weight need not be whole
    known, running = weighed(lambda one: one.known) / 1e9, weighed(lambda one: one.running) / 1e9
    is_known = any(one.known for one in by_weight.values())
    return OperationReport(
        name,
        group,
        runs.count,
        round(weighed(lambda one: one.failures)),
        round(weighed(lambda one: one.cancelled)),
        sum(samples.never_ended for samples in by_weight.values()),
        runs.total / 1e9,
        max(0.0, runs.total - weighed(lambda one: one.called)) / 1e9
        if all(one.is_placed for one in by_weight.values())
        else None,
        None,
        running if is_known else None,
        known - running if is_known else None,
        p50,
        p95,
        p99,
        _seconds(runs.largest),
        [FailureCount(kind, round(count)) for kind, count in sorted(errors.items(), key=lambda one: (-one[1], one[0]))],
        _segments(by_weight),
    )


def _segments(by_weight: Mapping[float, OperationStats]) -> list[Segment]:
    counted = by_weight[1.0].counted_segments if 1.0 in by_weight else {}
    names = dict.fromkeys((*counted, *(name for samples in by_weight.values() for name in samples.segments)))
    found = {
        name: WeightedValues(
            {weight: samples.segments.get(name, ()) for weight, samples in by_weight.items()}, counted.get(name, {})
        )
        for name in names
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


def _run(record: Record) -> SlowRun:
    longest = max(segments_of(record), key=lambda segment: segment[1], default=(None, 0))[0]
    return SlowRun(record.operation_id, record.name, record.duration_ns / 1e9, record.outcome, longest)
