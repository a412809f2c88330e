"""Which records count: by operation, time, and what they carry."""

import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from perftrace.core.patterns import pattern
from perftrace.core.record import Record, ids_of
from perftrace.messages import Message
from perftrace.sources.base import Reading

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGO = pattern(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_UNIX = pattern(r"[0-9]{9,}(?:\.[0-9]+)?")
_OWN: dict[str, Callable[[Record], object]] = {
    "key": lambda record: record.key,
    "operation": lambda record: record.name,
    "outcome": lambda record: record.outcome,
    "error_type": lambda record: record.error_type,
    "pid": lambda record: record.pid,
}
"""What is asked for by name and is no attribute; an attribute of that name comes first."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Records that fulfil all conditions."""

    operation: str | None = None
    """The only name that matches; None for any."""
    since: float | None = None
    """Unix seconds; a run counts by its start."""
    until: float | None = None
    """The same; a run that starts then does not count."""
    where: tuple[tuple[str, str], ...] = ()
    """Names and values that a record must have, see `value_of`."""

    def filter(self, records: Iterable[Record]) -> Iterator[Record]:
        """Return those that count."""
        return filter(self.matches, records) if self != RecordFilter() else iter(records)

    def within(self, since: float | None, until: float | None) -> "RecordFilter":
        """Return a filter for those of them that start in a period, too."""
        starts = [limit for limit in (self.since, since) if limit is not None]
        ends = [limit for limit in (self.until, until) if limit is not None]
        return replace(self, since=max(starts, default=None), until=min(ends, default=None))

    def matches(self, record: Record) -> bool:
        """Report whether a record counts."""
        return (
            (self.operation is None or record.name == self.operation)
            and (self.since is None or record.start >= self.since * 1e9)
            # A run without a time was at none.
            and (self.until is None or 0 < record.start < self.until * 1e9)
            and all(value_of(record, name) == value for name, value in self.where)
        )


EVERY_RECORD = RecordFilter()


class Period:
    """Runs that start in a period, and how many of them it cuts off from their callers.

    since, until: Unix seconds, None for no bound; a run that starts at the second does not count.
    """

    def __init__(self, since: float | None = None, until: float | None = None) -> None:
        self._filter = RecordFilter(since=since, until=until)
        self._outside: set[int] = set()
        self._callers: array[int] = array("q")

    def filter(self, records: Iterable[Record]) -> Iterator[Record]:
        """Return those that count."""
        return self._watched(records) if self._filter != EVERY_RECORD else iter(records)

    def filter_reading(self, reading: Reading[Iterable[Record]]) -> Reading[Iterable[Record]]:
        """Return a reading with those that count, finished or not; its aggregates, which have no records, stay."""
        unfinished = self._filter.filter(reading.unfinished)
        return Reading(self.filter(reading.records), unfinished, reading.counters, reading.aggregates)

    @property
    def cut_off(self) -> int:
        """How many of those that were given have a caller in the source that was not."""
        return sum(caller in self._outside for caller in self._callers)

    def _watched(self, records: Iterable[Record]) -> Iterator[Record]:
        matches = self._filter.matches
        for record in records:
            trace, span, parent = ids_of(record)
            if matches(record):
                if trace and parent is not None:
                    self._callers.append(hash((trace, parent)))
                yield record
            elif trace:
                self._outside.add(hash((trace, span)))


def value_of(record: Record, name: str) -> str | None:
    """Return what a record carries under a name, as text; None where it carries nothing.

    That is an attribute of it, or of its last checkpoint that has one; its key, by the key's name or as `key`; or one
    of `operation`, `outcome`, `error_type` and `pid`.
    """
    value: object = None
    if name in record.attributes:
        value = record.attributes[name]
    elif name == record.key_name and record.key is not None:
        value = record.key
    else:
        for _, _, _, attributes in reversed(record.checkpoints):
            if attributes and name in attributes:
                value = attributes[name]
                break
        else:
            value = _OWN[name](record) if name in _OWN else None
    return None if value is None else text_of(value)


def text_of(value: object) -> str:
    """Write a value as conditions name it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_time(text: str, now: float | None = None) -> float:
    """Read a point in time.

    Unix seconds (milliseconds and finer are told by their size), ISO 8601 (local time where it names no zone), or
    `90s`, `2h`, `7d` ago.

    now: unix seconds. Gives unix seconds; raises ValueError with what is accepted.
    """
    if ago := _AGO.fullmatch(text):
        return (time.time() if now is None else now) - float(ago[1]) * _UNITS[ago[2]]
    if _UNIX.fullmatch(text):
        # Of the same moment seconds have ten digits, milliseconds thirteen, and so on.
        digits = len(text.partition(".")[0])
        return float(text) / 1000.0 ** ((digits - 9) // 3 if digits > 11 else 0)
    from datetime import datetime  # few ask for a period

    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(Message("not_a_time", text=text)) from None


def parse_condition(text: str) -> tuple[str, str]:
    """Read `name=value`; raises ValueError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(Message("not_a_condition", text=text))
    return name, value


def parse_group(text: str, now: float | None = None) -> RecordFilter:
    """Read what one side of a comparison within a source is: `name=value`, or `START..END`, one end of it left out.

    Raises ValueError.
    """
    if "=" in text:
        return RecordFilter(where=(parse_condition(text),))
    start, dots, end = text.partition("..")
    if not dots or not (start or end):
        raise ValueError(Message("not_a_group", text=text))
    since, until = (parse_time(side, now) if side else None for side in (start, end))
    if since is not None and until is not None and since >= until:
        raise ValueError(Message("range_reversed", text=text))
    return RecordFilter(since=since, until=until)
