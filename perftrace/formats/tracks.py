"""Places records on tracks, as pictures of traces show them: inside what called them, and never across another."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from perftrace.core.record import Record, ids_of
from perftrace.core.values import END

_MAX_TASKS = 200
"""Tasks of one thread that have a track each: a server makes one for each request, and no picture has room for all."""
_OTHER_TASKS = "other tasks"
_Key: TypeAlias = tuple[int, str, str | None]
"""Process, thread and task."""


class Lane(NamedTuple):
    """A line of a picture: a thread's, or a task's; where runs overlap that did not call each other, one of several."""

    pid: int
    lane: int
    """Its number, of all lanes."""
    name: str


class TrackSlice(NamedTuple):
    """A stretch of time on a lane."""

    pid: int
    lane: int
    name: str
    start: int
    """Unix nanoseconds."""
    end: int
    """Unix nanoseconds."""
    record: Record | None
    """Of an operation; None for a segment of the one around it."""


class Moment(NamedTuple):
    """A checkpoint that cannot be drawn as the end of a segment."""

    pid: int
    lane: int
    name: str
    time: int
    """Unix nanoseconds."""


class Arrow(NamedTuple):
    """From the lane of an operation to the lane of one that it called."""

    span: int
    """Of the called one."""
    time: int
    """Unix nanoseconds, of its start."""
    above: Lane
    below: Lane


Drawn: TypeAlias = Lane | TrackSlice | Moment | Arrow


class Tracks:
    """Places records; what it placed before keeps its place."""

    def __init__(self) -> None:
        self._lanes: dict[_Key, list[tuple[Lane, int]]] = {}
        """Of each thread and task: its lanes, and until when each is taken."""
        self._count = 0
        self._tasks: Counter[tuple[int, str]] = Counter()
        """Of each thread: how many tasks have a track of their own."""

    def place(self, records: Iterable[Record]) -> Iterator[Drawn]:
        """Draw records, best those of a whole trace at once; a new lane comes before what is drawn on it.

        A record is drawn inside another one only if that one called it, on the same thread and task. What overlaps
        otherwise gets a lane of its own, and what was called from another track an arrow. Slices that start at one
        instant come from the outside in.
        """
        ordered = sorted(records, key=lambda record: (record.start, -record.duration_ns))
        placed: dict[tuple[int, int | None], tuple[Lane, Record]] = {}
        inside: dict[tuple[int, int | None], list[Record]] = {}
        taken: dict[tuple[int, int | None], int] = {}
        """Until when what is drawn inside a record takes its room."""
        for record in ordered:
            trace, _, parent = ids_of(record)
            inside.setdefault((trace, parent), []).append(record)
        for record in ordered:
            trace, span, parent = ids_of(record)
            caller = (trace, parent)
            above = placed.get(caller) if parent else None
            if above is not None and _fits(record, above[1], taken.get(caller, 0)):
                lane = above[0]
                taken[caller] = _end_of(record)
            else:
                lane, is_new = self._free_lane(record)
                if is_new:
                    yield lane
                if above is not None:
                    yield Arrow(span, record.start, above[0], lane)
            if span:
                placed[trace, span] = (lane, record)
            yield TrackSlice(lane.pid, lane.lane, record.name, record.start, _end_of(record), record)
            if record.checkpoints:
                yield from _checkpoints(record, lane, inside.get((trace, span), ()))

    def _track_of(self, record: Record) -> _Key:
        """Return where a record belongs: its task's track, or that of all tasks for which there was no room."""
        pid, thread, task = key = _key_of(record)
        if task is None or key in self._lanes:
            return key
        if self._tasks[pid, thread] >= _MAX_TASKS:
            return (pid, thread, _OTHER_TASKS)
        self._tasks[pid, thread] += 1
        return key

    def _free_lane(self, record: Record) -> tuple[Lane, bool]:
        """Find the first lane of its track on which nothing is drawn from then on; return whether it was added."""
        pid, thread, task = self._track_of(record)
        lanes = self._lanes.setdefault((pid, thread, task), [])
        for place, (lane, taken) in enumerate(lanes):
            if taken <= record.start:
                lanes[place] = (lane, _end_of(record))
                return lane, False
        self._count += 1
        name = (f"{task} ({thread})" if thread else task) if task else thread or "?"
        lane = Lane(pid, self._count, f"{name} [{len(lanes) + 1}]" if lanes else name)
        lanes.append((lane, _end_of(record)))
        return lane, True


def _key_of(record: Record) -> _Key:
    return (record.pid, record.thread, record.task)


def _end_of(record: Record) -> int:
    return record.start + record.duration_ns


def _fits(record: Record, caller: Record, taken: int) -> bool:
    """Report whether a record can be drawn inside the one that called it."""
    return (
        _key_of(record) == _key_of(caller)
        and max(caller.start, taken) <= record.start
        and _end_of(record) <= _end_of(caller)
    )


def _checkpoints(record: Record, lane: Lane, inside: Sequence[Record]) -> Iterator[Drawn]:
    """Draw segments, or moments where an operation inside lies across one."""
    segments = list(_segments(record))
    is_across = any(
        child.start < end < _end_of(child)
        for child in inside
        if _key_of(child) == _key_of(record)
        for _, _, end in segments
    )
    if is_across or any(end < start for _, start, end in segments):
        for name, _, elapsed, _ in record.checkpoints:
            yield Moment(lane.pid, lane.lane, name, record.start + elapsed)
        return
    for name, start, end in segments:
        if name != END or start != end:
            yield TrackSlice(lane.pid, lane.lane, name, start, end, None)


def _segments(record: Record) -> Iterator[tuple[str, int, int]]:
    """Return the name, start and end of each segment."""
    at = record.start
    for name, _, elapsed, _ in record.checkpoints:
        yield name, at, record.start + elapsed
        at = record.start + elapsed
    yield END, at, _end_of(record)
