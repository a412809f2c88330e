"""Records <-> Chrome's trace events, the JSON that Perfetto's UI, chrome://tracing and speedscope open.

An operation is a complete event (`ph` X) that carries the whole record in its `args`; its segments are events
inside it. Tasks and threads are tracks. Format: Duan, "Trace Event Format", Google, 2016.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from perftrace.core.checks import is_number
from perftrace.core.record import Record
from perftrace.core.run import CheckpointFields
from perftrace.core.values import NO_ATTRIBUTES, Attributes, scalar
from perftrace.formats.jsonl import dump, fields_of
from perftrace.formats.jsonl import record_of as record_of_fields
from perftrace.formats.tracks import Arrow, Lane, Moment, Tracks, TrackSlice

OPERATION, SEGMENT, CHECKPOINT = "operation", "segment", "checkpoint"
"""Categories of events."""
_BOUND = 1 << 63


class Events:
    """Makes the events of records; what was drawn before keeps its place.

    base: Unix nanoseconds that count as 0: Chrome's times are numbers of microseconds, in which a whole Unix time
    has no room for its nanoseconds.
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self._tracks = Tracks()
        self._pids: set[int] = set()

    def of(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Make the events of records, best those of a whole trace at once."""
        for drawn in self._tracks.place(records):
            if isinstance(drawn, TrackSlice):
                yield self._slice(drawn)
            elif isinstance(drawn, Moment):
                yield {"ph": "i", "s": "t", "name": drawn.name, "cat": CHECKPOINT, **self._place(drawn.time, drawn)}
            elif isinstance(drawn, Arrow):
                common = {"name": "calls", "cat": "perftrace", "id": f"{drawn.span:016x}"}
                yield {"ph": "s", **common, **self._place(drawn.time, drawn.above)}
                yield {"ph": "f", "bp": "e", **common, **self._place(drawn.time, drawn.below)}
            else:
                yield from self._named(drawn)

    def _slice(self, drawn: TrackSlice) -> dict[str, Any]:
        record = drawn.record
        category, args = SEGMENT, {}
        if record is not None:
            category = OPERATION
            args = {name: value for name, value in fields_of(record).items() if name != "name"}
        duration = (drawn.end - drawn.start) / 1000
        place = self._place(drawn.start, drawn)
        return {"ph": "X", "name": drawn.name, "cat": category, **place, "dur": duration, "args": args}

    def _place(self, time: int, on: Lane | TrackSlice | Moment) -> dict[str, Any]:
        return {"ts": (time - self._base) / 1000, "pid": on.pid, "tid": on.lane}

    def _named(self, lane: Lane) -> Iterator[dict[str, Any]]:
        if lane.pid not in self._pids:
            self._pids.add(lane.pid)
            yield _metadata("process_name", lane.pid, 0, name="perftrace")
        yield _metadata("thread_name", lane.pid, lane.lane, name=lane.name)
        yield _metadata("thread_sort_index", lane.pid, lane.lane, sort_index=lane.lane)


def _metadata(kind: str, pid: int, lane: int, **args: object) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": pid, "tid": lane, "args": args}


def base_event(base: int) -> dict[str, Any]:
    """Make the event that tells a reader which Unix nanoseconds count as 0."""
    return _metadata("perftrace", 0, 0, v=1, base_ns=str(base))


def encode(records: Sequence[Record]) -> Iterator[bytes]:
    """Write records as a whole file, piece by piece."""
    base = min((record.start for record in records), default=0)
    events = Events(base)
    yield b'{"displayTimeUnit":"ns","traceEvents":[\n' + dump(base_event(base))
    for event in events.of(records):
        yield b",\n" + dump(event)
    yield b"\n]}\n"


_SLICES = frozenset("XBEMbeSFnTp")
_KINDS = {"i": "instants", "I": "instants", "C": "counters", "s": "flow events", "t": "flow events", "f": "flow events"}


def decode(
    events: Iterable[Any], miss: Callable[[], object], pass_over: Callable[[str], object] = lambda kind: None
) -> Iterator[Record]:
    """Read the operations of trace events, of perftrace or of any other tool; outcome None for what never ended.

    Complete events (X), pairs (B and E) and asynchronous pairs (b and e, S and F) are operations, nested by thread
    and time or by id; instants within them (i, n, T, p) are checkpoints. Counters, arrows and samples are passed over.

    miss: called for each event that is damaged, and for each end without a beginning. pass_over: called with the name
    of what is no slice: instants, counters and whatever else.
    """
    reader = _Reader(miss)
    for event in events:
        try:
            record = reader.take(event)
            if event["ph"] not in _SLICES:
                pass_over(_KINDS.get(event["ph"], f"ph {event['ph']}"))
        except (AttributeError, TypeError, ValueError, LookupError, OverflowError):
            miss()
        else:
            if record is not None:
                yield record
    yield from reader.records()


class _OpenSlice:
    """An event of another tool while it is read."""

    __slots__ = ("args", "category", "checkpoints", "end", "name", "pid", "place", "start", "thread")

    def __init__(self, event: Mapping[str, Any], start: int, place: int) -> None:
        self.name = _text(event.get("name", ""))
        self.category = event.get("cat")
        self.pid, self.thread = event.get("pid", 0), event.get("tid", 0)
        self.start = start
        self.end: int | None = None
        self.args: dict[str, Any] = {}
        self.add(event)
        self.checkpoints: list[CheckpointFields] = []
        self.place = place
        """Of the event among all."""

    def add(self, event: Mapping[str, Any]) -> None:
        """Add an event's arguments."""
        args = event.get("args") or {}
        if not isinstance(args, dict):
            raise TypeError("args is no object")
        self.args.update(args)


class _Reader:
    def __init__(self, miss: Callable[[], object]) -> None:
        self._miss = miss
        self._names: dict[tuple[Any, Any], str] = {}
        self._threads: dict[tuple[Any, Any], list[_OpenSlice]] = {}
        """Slices of each process and thread that belong to its stack."""
        self._open: dict[tuple[Any, ...], list[_OpenSlice]] = {}
        self._instants: dict[tuple[Any, Any], list[tuple[int, str, Attributes]]] = {}
        self._ids: dict[tuple[Any, ...], list[_OpenSlice]] = {}
        """Asynchronous slices by what pairs them."""
        self._count = 0

    def take(self, event: Any) -> Record | None:
        """Add an event; return the record if it is a whole one of perftrace."""
        phase, category = event["ph"], event.get("cat")
        if phase == "M":
            if event.get("name") == "thread_name":
                self._names[event.get("pid", 0), event.get("tid", 0)] = _text(event["args"]["name"])
            return None
        if category == OPERATION and phase == "X" and (event.get("args") or {}).get("v") == 1:
            return record_of_fields({**event["args"], "name": event["name"]})
        if not (category in (SEGMENT, CHECKPOINT) and phase in ("X", "i")):
            self._take_foreign(event, phase)
        return None

    def _take_foreign(self, event: Any, phase: str) -> None:
        self._count += 1
        thread = (event.get("pid", 0), event.get("tid", 0))
        hash(thread)
        if phase == "X":
            begun = _OpenSlice(event, _time(event), self._count)
            begun.end = begun.start + max(0, round(_number(event.get("dur", 0)) * 1000))
            self._threads.setdefault(thread, []).append(begun)
        elif phase == "B":
            begun = _OpenSlice(event, _time(event), self._count)
            self._open.setdefault(thread, []).append(begun)
            self._threads.setdefault(thread, []).append(begun)
        elif phase == "E":
            self._end(self._open[thread], event)
        elif phase in ("i", "I"):
            instant = (_time(event), _text(event.get("name", "")), _attributes(event.get("args") or {}))
            self._instants.setdefault(thread, []).append(instant)
        elif phase in ("b", "S"):
            begun = _OpenSlice(event, _time(event), self._count)
            self._open.setdefault(_pair(event), []).append(begun)
            self._ids.setdefault(_pair(event), []).append(begun)
        elif phase in ("e", "F"):
            self._end(self._open[_pair(event)], event)
        elif phase in ("n", "T", "p"):
            stack = self._open[_pair(event)]
            elapsed = max(0, _time(event) - stack[-1].start)
            stack[-1].checkpoints.append(
                (_text(event.get("name", "")), "", elapsed, _attributes(event.get("args") or {}))
            )

    @staticmethod
    def _end(running: list[_OpenSlice], event: Any) -> None:
        """End the last that began under the name of an end: those above it lost theirs; without a name, the last."""
        name = event.get("name")
        places = [at for at, one in enumerate(running) if one.name == name] if name else []
        if name and not places and event.get("ph") in ("E", "e"):
            raise LookupError("an end without a beginning")
        ended = running.pop(places[-1] if places else -1)
        ended.end = max(ended.start, _time(event))
        ended.add(event)

    def records(self) -> Iterator[Record]:
        """Yield other tools' operations, nested."""
        for thread, slices in self._threads.items():
            yield from self._nested(slices, sorted(self._instants.get(thread, ()), key=lambda instant: instant[0]))
        for slices in self._ids.values():
            yield from self._nested(slices, [])

    def _nested(self, slices: list[_OpenSlice], instants: list[tuple[int, str, Attributes]]) -> Iterator[Record]:
        """Return the records of slices that lie inside one another."""
        slices.sort(key=lambda one: (one.start, -_end_of(one), one.place))
        stack: list[tuple[_OpenSlice, int, int]] = []
        parents: list[tuple[_OpenSlice, int, int, int | None]] = []
        at = 0
        for one in [*slices, None]:
            while at < len(instants) and (one is None or instants[at][0] < one.start):
                time, name, attributes = instants[at]
                at += 1
                while stack and _end_of(stack[-1][0]) < time:
                    stack.pop()
                if stack:
                    stack[-1][0].checkpoints.append((name, "", time - stack[-1][0].start, attributes))
            if one is None:
                break
            # A slice that ends later than the one it began in is no part of it.
            while stack and (_end_of(stack[-1][0]) <= one.start or _end_of(stack[-1][0]) < _end_of(one)):
                stack.pop()
            trace, span = self._ids_of(one)
            if stack:
                trace = stack[-1][1]
            parents.append((one, trace, span, stack[-1][2] if stack else None))
            stack.append((one, trace, span))
        for one, trace, span, parent in parents:
            yield self._record(one, trace, span, parent)

    def _ids_of(self, one: _OpenSlice) -> tuple[int, int]:
        """Make ids of what an event is and where it stands: the same each time the file is read."""
        what = repr((one.pid, one.thread, one.name, one.start, one.place)).encode("utf-8", "backslashreplace")
        digest = hashlib.blake2b(what, digest_size=24).digest()
        return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:], "big") or 1

    def _record(self, one: _OpenSlice, trace: int, span: int, parent: int | None) -> Record:
        attributes = _attributes(one.args)
        if one.category:
            attributes.setdefault("cat", str(one.category))
        is_pid = type(one.pid) is int and 0 <= one.pid < _BOUND
        if not is_pid and one.pid:
            attributes.setdefault("pid", str(one.pid))
        return Record(
            one.name,
            trace_id=f"{trace:032x}",
            span_id=f"{span:016x}",
            parent_id=None if parent is None else f"{parent:016x}",
            start=one.start,
            duration_ns=0 if one.end is None else one.end - one.start,
            outcome=None if one.end is None else "ok",
            attributes=attributes or NO_ATTRIBUTES,
            checkpoints=sorted(one.checkpoints, key=lambda checkpoint: checkpoint[2]),
            pid=one.pid if is_pid else 0,
            thread=self._names.get((one.pid, one.thread)) or str(one.thread),
        )


def _end_of(one: _OpenSlice) -> int:
    return _BOUND if one.end is None else one.end


def _pair(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what an asynchronous event belongs to: an id, within its category and, if it is local, its process."""
    own = event.get("id2")
    if isinstance(own, dict):
        local, shared = own.get("local"), own.get("global")
        key = ("local", event.get("pid"), local) if local is not None else ("global", None, shared)
    else:
        key = ("id", None, event["id"])
    pair = (event.get("cat"), event.get("scope"), *key)
    hash(pair)
    return pair


def _time(event: Mapping[str, Any]) -> int:
    time = round(_number(event["ts"]) * 1000)
    if not -_BOUND < time < _BOUND:
        raise ValueError("no time")
    return time


def _number(value: Any) -> float:
    """Read a number, which some tools write as text."""
    if isinstance(value, str):
        value = float(value)
    if not is_number(value) or not abs(value) < _BOUND:
        raise TypeError("no number")
    return value


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("no text")


def _attributes(args: Any) -> dict[str, Any]:
    """Read arguments as attributes; lists and objects become JSON text."""
    if not isinstance(args, dict):
        raise TypeError("args is no object")
    return {
        name: scalar(value) if isinstance(value, str | int | float | None) else json.dumps(value, ensure_ascii=False)
        for name, value in args.items()
    }
