"""Runs that are like each other, counted and not kept: for reports on logs and stores of millions of records."""

import heapq
import operator
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from perftrace.core.record import Record, ids_of

if TYPE_CHECKING:
    from numpy import int64
    from numpy.typing import NDArray

RunShape = tuple[str, ...]
"""An operation, its checkpoints in their order, as bytes read as Latin-1, and an empty text for the end."""
_NUMBERS = 200_000
"""How many numbers of a shape are collected before they are counted: bounds the memory."""
_OFTEN = 1_000
"""After how many runs it is looked how many there are."""


class Selection(NamedTuple):
    """Which runs are wanted, as far as a store's Parquet files are asked for them."""

    operation: str | None = None
    """The only name; None for any. What these runs called is looked at, too."""
    since: float | None = None
    """Unix seconds; a run counts by its start."""
    until: float | None = None
    """The same; a run that starts then does not count."""


EVERYTHING = Selection()


class RunGroup(NamedTuple):
    """Runs of one operation, weight and shape."""

    name: str
    weight: float
    checkpoints: tuple[str, ...]
    start_seen: bool
    failures: int
    cancelled: int
    known: int
    """Nanoseconds that the runs took whose running time is known."""
    running: int
    is_placed: bool
    """Whether all know their trace."""
    durations: "NDArray[int64]"
    """Nanoseconds of each run."""
    elapsed: "NDArray[int64]"
    """Nanoseconds up to each checkpoint: runs times checkpoints."""


class StoreAggregates(NamedTuple):
    """What a report needs of the files."""

    rows: int
    blocks: list[RunGroup]
    errors: list[tuple[str, float, str, int]]
    """Failures by operation, weight and type."""
    called: list[tuple[str, float, int]]
    """How long children of the same process ran, by operation and weight, in nanoseconds."""
    slowest: list[Record]
    unfinished: list[Record]
    sample: list[Record]
    """The records of those traces whose id is a multiple of `step`."""
    step: int
    other_roots: int
    """How many traces there are besides, by their roots."""
    cut_off: int
    """How many runs have a caller that was not asked for."""
    finished: int
    """How many of the rows are finished runs."""
    untimed: int
    """How many of these have no time."""
    strays: list[Record]
    """Runs that were called by some that are given as records."""


class RunTimes:
    """When finished runs started and how long they took, in columns: for trends of millions.

    selection: which are taken from stores, whose Parquet files are not read record by record.
    """

    def __init__(self, selection: Selection = EVERYTHING) -> None:
        self.selection = selection
        self.names: dict[str, int] = {}
        """The operations, and what `which` says of each."""
        self.which: array[int] = array("q")
        self.starts: array[int] = array("q")
        """Unix nanoseconds."""
        self.lengths: array[int] = array("q")
        """Nanoseconds."""
        self.weights: array[float] = array("d")
        self.failed: array[int] = array("b")
        """1 for the outcomes `error` and `abandoned`."""
        self._seen: set[int] = set()

    def add_all(self, records: Iterable[Record]) -> None:
        """Add runs, each once; those without a time are left out."""
        for record in records:
            if not record.start:  # its line has no time
                continue
            trace, span, _ = ids_of(record)
            if trace:
                identity = hash((trace, span, record.name, record.start))
                if identity in self._seen:
                    continue
                self._seen.add(identity)
            self.which.append(self.names.setdefault(record.name, len(self.names)))
            self.starts.append(record.start)
            self.lengths.append(record.duration_ns)
            self.weights.append(record.weight)
            self.failed.append(record.outcome in ("error", "abandoned"))


class RunAggregates:
    """Counts finished runs by their shape: how often each of its stretches took so long, in nanoseconds.

    A log rounds to milliseconds, so that a million durations are a few thousand different ones.
    """

    def __init__(
        self, slowest: int = 0, sample: int = 0, selection: Selection = EVERYTHING, *, is_slowest_only: bool = False
    ) -> None:
        self.selection = selection
        """Which runs are wanted; logs are counted only where all are."""
        self.is_slowest_only = is_slowest_only
        """Whether nothing else is wanted of stores."""
        self.slowest = slowest
        """How many of the slowest runs are kept as records."""
        self.sample = sample
        """How many records of whole traces are kept at most."""
        self.longest: list[tuple[int, int, Record]] = []
        """A heap of these: duration, minus the order of their ends, record."""
        self.durations: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.stretches: defaultdict[str, dict[str | None, Counter[int]]] = defaultdict(dict)
        """By operation and checkpoint, in the order in which they were first seen; None is the last one, to the end."""
        self.counts: list[StoreAggregates] = []
        """What was counted of stores' Parquet files."""
        self.runs: dict[RunShape, array[int]] = {}
        """Of each shape: the nanoseconds of each run up to each checkpoint and up to the end, run after run."""
        self.number: int = 0
        """How many runs were added."""
        self._looked = 0
        """How many there were when it was last looked at what is collected of them."""
        self.least: int = -1 if slowest else sys.maxsize
        """What takes longer is one of the slowest, for `keep`."""

    def rows(self, shape: RunShape) -> "array[int]":
        """Return what takes the numbers of each run of a shape that was not seen yet."""
        found = self.runs[shape] = array("q")
        return found

    def count_full(self) -> None:
        """Count what has been collected of those shapes of which that is much; call it now and then."""
        if self.number < self._looked + _OFTEN:
            return
        self._looked = self.number
        for shape in [shape for shape, rows in self.runs.items() if len(rows) >= _NUMBERS]:
            self._count(shape)

    def keep(self, record: Record) -> None:
        """Keep the run that was just counted."""
        self._keep(record.duration_ns, self.number, record)

    def finish(self) -> None:
        """Count what is still collected."""
        for shape in list(self.runs):
            self._count(shape)

    def merge(self, other: "RunAggregates") -> None:
        """Add what another has counted, of a later part of the log; both must be finished."""
        for name, durations in other.durations.items():
            self.durations[name].update(durations)
        for name, stretches in other.stretches.items():
            for checkpoint, lengths in stretches.items():
                self.stretches[name].setdefault(checkpoint, Counter()).update(lengths)
        for duration, number, record in sorted(other.longest, reverse=True):
            self._keep(duration, self.number - number, record)
        self.number += other.number

    def __iter__(self) -> Iterator[tuple[str, "Counter[int]", "dict[str | None, Counter[int]]"]]:
        """Return each operation with its durations and its stretches."""
        for name, durations in self.durations.items():
            yield name, durations, self.stretches[name]

    def _keep(self, duration: int, number: int, record: Record) -> None:
        if len(self.longest) < self.slowest:
            heapq.heappush(self.longest, (duration, -number, record))
        elif self.longest and duration > self.longest[0][0]:
            heapq.heapreplace(self.longest, (duration, -number, record))
        if len(self.longest) >= self.slowest:
            self.least = self.longest[0][0] if self.longest else sys.maxsize

    def _count(self, shape: RunShape) -> None:
        name, *checkpoints, _ = shape
        rows = self.runs.pop(shape)
        width = len(checkpoints) + 1
        stretches = self.stretches[name]
        before: array[int] | None = None
        names = [name.encode("latin-1").decode(errors="replace") for name in checkpoints]
        for number, checkpoint in enumerate((*names, None)):
            until = rows[number::width]
            lengths = until if before is None else array("q", map(operator.sub, until, before))
            # Lines round to milliseconds, each on its own: a last checkpoint may seem to lie past the end.
            if min(lengths) < 0:
                lengths = array("q", (max(0, length) for length in lengths))
            stretches.setdefault(checkpoint, Counter()).update(lengths)
            before = until
        self.durations[name].update(rows[width - 1 :: width])
