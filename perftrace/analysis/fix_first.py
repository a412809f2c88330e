"""What to fix first: the segment with the most own time on the critical paths of its traces."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from perftrace.analysis.critical_path import critical_path
from perftrace.analysis.filters import EVERY_RECORD, RecordFilter
from perftrace.analysis.trees import Forest
from perftrace.core.record import Record, ids_of
from perftrace.sources.aggregates import StoreAggregates

MAX_RECORDS = 50_000
"""Of more records, whole traces are looked at that are so many in all at most."""
WAITS = frozenset(("queue",))
"""Segments that are somebody else's work."""
_SERVING = ("server", "consumer")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls an operation."""

    name: str
    """The calling operation."""
    share: float
    """Of the own time of the segment, 0 to 1: in its calls."""


@dataclass(frozen=True, slots=True)
class TraceSample:
    """Which traces were looked at, where they were too many."""

    traces: int
    """How many."""
    of: int
    """Of so many."""


@dataclass(frozen=True, slots=True)
class FixFirst:
    """The segment to fix first; times in seconds, None where something is not known."""

    operation: str
    """Whose segment it is."""
    segment: str
    """Which."""
    where: str | None
    """The file and the line on which it ends."""
    code: str | None
    """That line."""
    own: float
    """Seconds of all its runs, without what operations inside took, as far as their traces waited for it."""
    share: float | None
    """Of such time of all segments, 0 to 1; None where a plain log does not say what called what."""
    count: int
    """In how many runs."""
    held: float | None
    """How much of it code held the event loop."""
    blocked: float | None
    """How much of it the event loop was held by other code."""
    callers: list[Caller]
    """The largest share first; what nobody called is left out."""
    sampled: TraceSample | None
    """None where all traces were looked at."""


class TraceCollector:
    """Keeps the records of whole traces, of more than can be kept an even choice by their trace id."""

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._limit = limit
        self._records: defaultdict[int, list[Record]] = defaultdict(list)
        self._held = 0
        self.step: int = 1
        """A power of 2: traces are kept whose id is a multiple of it."""
        self._roots = 0
        """How many traces there are, by their roots."""

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give records on, and keep some of them."""
        for record in records:
            self.add(record)
            yield record

    def add(self, record: Record) -> None:
        """Keep a record if its trace is one of those; one without a trace never."""
        trace, _, parent = ids_of(record)
        if not trace or record.outcome is None:
            return
        self._roots += parent is None
        if not trace % self.step:
            self._records[trace].append(record)
            self._held += 1
            if self._held > self._limit and len(self._records) > 1:
                self.thin(self.step * 2)

    def thin(self, step: int) -> None:
        """Keep fewer traces from now on."""
        self.step = step
        for trace in [trace for trace in self._records if trace % step]:
            self._held -= len(self._records.pop(trace))

    def add_store(self, counts: StoreAggregates) -> None:
        """Keep what was chosen of a store's Parquet files."""
        for record in counts.sample:
            self.add(record)
        self._roots += counts.other_roots
        if counts.step > self.step:
            self.thin(counts.step)

    @property
    def records(self) -> list[Record]:
        """What was kept."""
        return [record for records in self._records.values() for record in records]

    @property
    def sampled(self) -> TraceSample | None:
        """How many traces were kept, where not all were."""
        kept = sum(ids_of(record)[2] is None for record in self.records)
        return None if self.step == 1 or not kept else TraceSample(kept, self._roots)


def fix_first(collector: TraceCollector, selection: RecordFilter = EVERY_RECORD) -> FixFirst | None:
    """Choose the segment with the most own time on the critical paths of its traces; None where there is none.

    Calls of other services are their caller's own time: what one can mend is where they are made. A child that nobody
    waited for has a path of its own. selection: whose segments are looked at. Never first: the wait in a queue,
    cancelled runs. Of traces that were chosen by chance, times and counts stand for all.
    """
    own: Counter[tuple[str, str]] = Counter()
    runs: Counter[tuple[str, str]] = Counter()
    callers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    whole = 0.0
    forest = Forest(without_client_calls(collector.records))
    for node in forest.nodes():
        if node.parent is not None and node.is_awaited:
            continue
        seen = set()
        for piece in critical_path(node):
            if not selection.matches(piece.node.record):
                continue
            weight = piece.node.record.weight
            length = piece.self_ns * weight
            whole += length
            if piece.segment in WAITS or piece.node.record.outcome == "cancelled":
                continue
            step = piece.node.name, piece.segment
            own[step] += length  # type: ignore[assignment]  # a weight need not be whole
            if (id(piece.node), piece.segment) not in seen:
                seen.add((id(piece.node), piece.segment))
                runs[step] += weight  # type: ignore[assignment]
            if piece.node.parent is not None:
                callers[step][piece.node.parent.name] += length  # type: ignore[assignment]
    if not own:
        return None
    first = min(own, key=lambda step: (-own[step], step))
    sampled = collector.sampled
    scale = 1.0 if sampled is None else sampled.of / sampled.traces
    time = own[first] or 1
    shares = sorted(callers[first].items(), key=lambda caller: (-caller[1], caller[0]))
    return FixFirst(
        *first, None, None, own[first] * scale / 1e9, own[first] / whole if whole else 0.0, round(runs[first] * scale),
        None, None, [Caller(name, part / time) for name, part in shares], sampled,
    )  # fmt: skip


def is_client_call(record: Record) -> bool:
    """Report whether it is a call of another service, as its attributes say."""
    attributes = record.attributes
    if not attributes or attributes.get("span.kind") in _SERVING:
        return False
    return "db.system.name" in attributes or ("server.address" in attributes and "http.request.method" in attributes)


def without_client_calls(records: list[Record]) -> list[Record]:
    """Leave out calls of other services whose caller is there; what was called by them has that caller."""
    by_ids = {(trace, span): record for record in records for trace, span, _ in (ids_of(record),)}
    left_out: dict[tuple[int, int], Record] = {}
    for record in records:
        trace, span, parent = ids_of(record)
        if parent is not None and (trace, parent) in by_ids and is_client_call(record):
            left_out[trace, span] = record
    kept = []
    for record in records:
        trace, span, parent = ids_of(record)
        if (trace, span) in left_out:
            continue
        caller = None if parent is None else left_out.get((trace, parent))
        if caller is None:
            kept.append(record)
            continue
        seen = set()  # a circle of parents, which only damaged data has
        while caller is not None and caller.parent_id not in seen:
            seen.add(caller.parent_id)
            above = caller.parent_id
            caller = left_out.get((trace, int(above or "0", 16)))
        kept.append(record.replace(parent_id=above))
    return kept
