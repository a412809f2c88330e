"""What a report keeps of records while it reads them: numbers, not records."""

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from perftrace.analysis.filters import EVERY_RECORD, RecordFilter, value_of
from perftrace.analysis.segments import segments_of
from perftrace.core.record import Record, ids_of
from perftrace.core.values import END
from perftrace.sources.aggregates import RunAggregates, RunGroup, StoreAggregates

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

    _Ends: TypeAlias = tuple[NDArray[int64] | None, NDArray[int64]]

MAX_GROUPS = 1_000
"""How many groups an operation has at most; runs of further ones are in a group of all others."""
OTHERS = "(others)"
NONE = "(none)"
"""The group of runs that carry nothing by that name."""
_MAX_CALLERS = 100_000
"""How many runs are remembered for what they called."""

Group = tuple[str, str | None]
"""An operation, and a value by which its runs are grouped; None where they are not."""


@dataclass
class OperationStats:
    """Runs of one operation and one weight, in nanoseconds: 8 bytes a duration, as percentiles need all."""

    durations: "array[int]" = field(default_factory=lambda: array("q"))
    failures: int = 0
    cancelled: int = 0
    never_ended: int = 0
    called: int = 0
    """How long children of the same process ran, of all runs."""
    is_placed: bool = True
    """Whether all runs know their trace: without it nobody knows what they called."""
    known: int = 0
    """How long the runs took whose running time is known."""
    running: int = 0
    segments: "dict[str, array[int]]" = field(default_factory=dict)
    counted: "Counter[int]" = field(default_factory=Counter)
    """Further durations, by how often each was there."""
    counted_segments: "dict[str, Counter[int]]" = field(default_factory=dict)
    errors: "Counter[str]" = field(default_factory=Counter)
    """Failures by the exception's type."""


class Tally:
    """Adds up records as they come.

    by: what runs are grouped by, as `perftrace.analysis.filters.value_of` has it. slowest: how many of the slowest
    runs are kept. selection: which are counted; what those called is looked at, too.
    """

    def __init__(self, by: str | None = None, slowest: int = 0, selection: RecordFilter = EVERY_RECORD) -> None:
        self.by = by
        self._matches = None if selection == EVERY_RECORD else selection.matches
        self.operations: dict[Group, dict[float, OperationStats]] = {}
        self.duplicates: int = 0
        self._groups: Counter[str] = Counter()
        self._slowest = slowest
        self._longest: list[tuple[int, int, Record]] = []
        self._number = 0
        self._seen: set[int] = set()
        self._callers: dict[tuple[str | int, int, int], _Calls] = {}
        """By process, trace and span."""

    def add(self, records: Iterable[Record]) -> None:
        """Count finished runs; one with the id of another is a duplicate and not counted."""
        operations, longest, by = self.operations, self._longest, self.by
        for record in records if self._matches is None else self._chosen(records, self._matches):
            trace, span, parent = ids_of(record)
            if trace:
                identity = hash((trace, span, record.name, record.start))
                if identity in self._seen:
                    self.duplicates += 1
                    continue
                self._seen.add(identity)
            group = (record.name, None if by is None else self._group(record, by))
            by_weight = operations.get(group)
            if by_weight is None:
                by_weight = operations[group] = {}
            samples = by_weight.get(record.weight)
            if samples is None:
                samples = by_weight[record.weight] = OperationStats()
            duration = record.duration_ns
            samples.durations.append(duration)
            if record.outcome != "ok":
                _count_outcome(record, samples)
            segments = samples.segments
            for name, length in segments_of(record):
                lengths = segments.get(name)
                if lengths is None:
                    lengths = segments[name] = array("q")
                lengths.append(length)
            self._count_children(record, samples, (trace, span, parent))
            running = record.running_ns
            if running is not None:
                samples.known += duration
                samples.running += max(0, min(running, duration))
            self._number += 1
            if len(longest) < self._slowest:
                heapq.heappush(longest, (duration, -self._number, record))
            elif longest and duration > longest[0][0]:
                heapq.heapreplace(longest, (duration, -self._number, record))

    def _chosen(self, records: Iterable[Record], matches: Callable[[Record], bool]) -> Iterator[Record]:
        """Return those that are counted; note of the others when they ran, for their callers."""
        for record in records:
            if matches(record):
                yield record
            elif record.trace_id:
                self._count_children(record, None, ids_of(record))

    def add_aggregates(self, aggregates: RunAggregates) -> None:
        """Count runs that the reading of a log has counted."""
        for name, durations, stretches in aggregates:
            samples = self._samples(name, 1.0)
            samples.is_placed = False
            samples.counted.update(durations)
            for checkpoint, lengths in stretches.items():
                segment = END if checkpoint is None else checkpoint
                samples.counted_segments.setdefault(segment, Counter()).update(lengths)
        longest = [*self._longest]
        longest += ((duration, number - self._number, record) for duration, number, record in aggregates.longest)
        for counts in aggregates.counts:
            self._add_counts(counts)
            longest += ((record.duration_ns, -number, record) for number, record in enumerate(counts.slowest))
        longest.sort(key=lambda one: (-one[0], -one[1]))
        self._longest = [(one[0], -number, one[2]) for number, one in enumerate(longest[: self._slowest])]
        heapq.heapify(self._longest)
        self._number = self._slowest

    def _add_counts(self, counts: StoreAggregates) -> None:
        """Count what was counted of a store's Parquet files."""
        by_operation: defaultdict[tuple[str, float], list[RunGroup]] = defaultdict(list)
        for block in counts.blocks:
            by_operation[block.name, block.weight].append(block)
        for (name, weight), blocks in by_operation.items():
            samples = self._samples(name, weight)
            stretches: defaultdict[str, list[_Ends]] = defaultdict(list)
            for block in blocks:
                samples.failures += block.failures
                samples.cancelled += block.cancelled
                samples.known += block.known
                samples.running += block.running
                samples.is_placed &= block.is_placed
                before = None
                ends = (*zip(block.checkpoints, block.elapsed.T, strict=True), (END, block.durations))
                for checkpoint, until in ends:
                    if before is not None or block.start_seen:
                        stretches[checkpoint].append((before, until))
                    before = until
            samples.durations = _add(samples.durations, [(None, block.durations) for block in blocks])
            for checkpoint, parts in stretches.items():
                samples.segments[checkpoint] = _add(samples.segments.get(checkpoint), parts)
        for name, weight, kind, count in counts.errors:
            self._samples(name, weight).errors[kind] += count
        for record in counts.strays:
            self._count_children(record, None, ids_of(record))
        for name, weight, nanoseconds in counts.called:
            self._samples(name, weight).called += nanoseconds

    def _samples(self, name: str, weight: float) -> OperationStats:
        return self.operations.setdefault((name, None), {}).setdefault(weight, OperationStats())

    def add_unfinished(self, record: Record) -> None:
        """Count a run that never ended."""
        group = (record.name, None if self.by is None else self._group(record, self.by))
        self.operations.setdefault(group, {}).setdefault(1.0, OperationStats()).never_ended += 1

    def longest(self) -> list[Record]:
        """Return the slowest runs, slowest first."""
        return [record for _, _, record in sorted(self._longest, reverse=True)]

    def _group(self, record: Record, by: str) -> str:
        value = value_of(record, by)
        if value is None:
            return NONE
        group: Group = (record.name, value)
        if group not in self.operations:
            if self._groups[record.name] >= MAX_GROUPS:
                return OTHERS
            self._groups[record.name] += 1
        return value

    def _count_children(self, record: Record, samples: OperationStats | None, ids: tuple[int, int, int | None]) -> None:
        """Note when a run ran, for itself, if it is counted, and its caller, whichever of the two is read first."""
        trace, span, parent = ids
        if not trace:
            if samples is not None:
                samples.is_placed = False
            return
        # Imported traces have no monotonic time.
        start = record.start_mono or record.start
        end = start + record.duration_ns
        process = record.process or record.pid
        if samples is not None:
            place = (process, trace, span)
            call = self._callers.pop(place, None) or _Calls()
            call.runs.append((samples, start, end))
            self._remember(place, call)
        if parent is not None:
            place = (process, trace, parent)
            call = self._callers.get(place) or _Calls()
            call.found.append((start, end))
            self._remember(place, call)

    def _remember(self, place: tuple[str | int, int, int], call: "_Calls") -> None:
        self._callers[place] = call
        if len(self._callers) > _MAX_CALLERS:
            self._callers.pop(next(iter(self._callers))).settle()

    def settle(self) -> None:
        """Account for what runs called; call it once, when all records have been added."""
        for call in self._callers.values():
            call.settle()
        self._callers.clear()


class _Calls:
    """What a span called, and the runs that had it: one, but where a client and its server share it."""

    __slots__ = ("found", "runs")

    def __init__(self) -> None:
        self.found: list[tuple[int, int]] = []
        self.runs: list[tuple[OperationStats, int, int]] = []
        """What each counts among, its start and its end; none as long as it has not been read."""

    def settle(self) -> None:
        """Count how long anything that it called ran; what ran side by side counts once."""
        if not self.found:
            return
        self.found.sort()
        for samples, start, end in self.runs:
            until = start
            for begun, ended in self.found:
                part = min(ended, end) - max(begun, until)
                if part > 0:
                    samples.called += part
                    until = min(ended, end)


def _add(lengths: "array[int] | None", ends: "list[_Ends]") -> "array[int]":
    """Return lengths with those between the beginnings and ends of stretches; None begins at 0."""
    import numpy as np

    # Made in their place and at once: what is put together piece by piece touches three times as much memory, which
    # takes as long as the reading.
    added = array("q", [0]) * sum(len(until) for _, until in ends)
    numbers, at = np.frombuffer(added, dtype=np.int64), 0
    for before, until in ends:
        part = numbers[at : at + len(until)]
        np.subtract(until, 0 if before is None else before, out=part)
        np.maximum(part, 0, out=part)
        at += len(until)
    return lengths + added if lengths else added


def _count_outcome(record: Record, samples: OperationStats) -> None:
    if record.outcome in ("error", "abandoned"):
        samples.failures += 1
        samples.errors[record.error_type or record.outcome] += 1
    elif record.outcome == "cancelled":
        samples.cancelled += 1
