"""What a report keeps of records while it reads them: numbers, not records."""

import heapq
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from perftrace.analysis.segments import END, segments_of
from perftrace.analysis.selection import value_of
from perftrace.core.record import Record
from perftrace.sources.shapes import Shapes

MAX_GROUPS = 1_000
"""How many groups an operation has at most; runs of further ones are in a group of all others."""
OTHERS = "(others)"
NONE = "(none)"
"""The group of runs that carry nothing by that name."""
_MAX_CALLERS = 100_000
"""How many runs that have not ended yet, or never will, are remembered for what they called."""

Group = tuple[str, str | None]
"""An operation, and a value by which its runs are grouped; None where they are not."""


@dataclass
class Samples:
    """Runs of one operation and one weight, in nanoseconds: 8 bytes a duration, as percentiles need all."""

    durations: "array[int]" = field(default_factory=lambda: array("q"))
    failures: int = 0
    cancelled: int = 0
    never_ended: int = 0
    called: int = 0
    """How long children of the same process ran, of all runs."""
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

    by: what runs are grouped by, as `perftrace.analysis.selection.value_of` has it. slowest: how many of the slowest
    runs are kept.
    """

    def __init__(self, by: str | None = None, slowest: int = 0) -> None:
        self.by = by
        self.operations: dict[Group, dict[float, Samples]] = {}
        self.duplicates = 0
        self._groups: Counter[str] = Counter()
        self._slowest = slowest
        self._longest: list[tuple[int, int, Record]] = []
        self._number = 0
        self._seen: set[int] = set()
        self._callers: dict[tuple[int, int], list[tuple[int, int]]] = {}
        """By process and span: when children of it began and ended, on the monotonic clock."""

    def add(self, records: Iterable[Record]) -> None:
        """Count finished runs; one with the id of another is a duplicate and not counted."""
        operations, longest, by = self.operations, self._longest, self.by
        for record in records:
            if record.trace:
                identity = hash((record.trace, record.span))
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
                samples = by_weight[record.weight] = Samples()
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
            if record.trace:
                self._count_children(record, samples)
            running = record.running_ns
            if running is not None:
                samples.known += duration
                samples.running += max(0, min(running, duration))
            self._number += 1
            if len(longest) < self._slowest:
                heapq.heappush(longest, (duration, -self._number, record))
            elif longest and duration > longest[0][0]:
                heapq.heapreplace(longest, (duration, -self._number, record))

    def add_shapes(self, shapes: Shapes) -> None:
        """Count runs that the reading of a log has counted."""
        for name, durations, stretches in shapes:
            samples = self.operations.setdefault((name, None), {}).setdefault(1.0, Samples())
            samples.counted.update(durations)
            for checkpoint, lengths in stretches.items():
                segment = END if checkpoint is None else checkpoint
                samples.counted_segments.setdefault(segment, Counter()).update(lengths)
        longest = [
            *self._longest,
            *((duration, number - self._number, record) for duration, number, record in shapes.longest),
        ]
        self._longest = sorted(longest, reverse=True)[: self._slowest]
        heapq.heapify(self._longest)

    def add_unfinished(self, record: Record) -> None:
        """Count a run that never ended."""
        group = (record.name, None if self.by is None else self._group(record, self.by))
        self.operations.setdefault(group, {}).setdefault(1.0, Samples()).never_ended += 1

    def longest(self) -> list[Record]:
        """Give the slowest runs, slowest first."""
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

    def _count_children(self, record: Record, samples: Samples) -> None:
        """Count how long children ran, and remember this one for its own caller.

        Children of one process end, and are read, before the run that awaits them.
        """
        called = self._callers.pop((record.pid, record.span), None)
        start, end = record.start_mono, record.start_mono + record.duration_ns
        if called:
            until = start
            for begun, ended in sorted(called):
                # Those that ran side by side count once.
                covered = min(ended, end) - max(begun, until)
                if covered > 0:
                    samples.called += covered
                    until = min(ended, end)
        if record.parent is not None:
            caller = (record.pid, record.parent)
            known = self._callers.get(caller)
            if known is None:
                known = self._callers[caller] = []
                if len(self._callers) > _MAX_CALLERS:
                    del self._callers[next(iter(self._callers))]
            known.append((start, end))


def _count_outcome(record: Record, samples: Samples) -> None:
    if record.outcome in ("error", "abandoned"):
        samples.failures += 1
        samples.errors[record.error_type or record.outcome] += 1
    elif record.outcome == "cancelled":
        samples.cancelled += 1
