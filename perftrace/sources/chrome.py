"""Files of Chrome's trace events -> records."""

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from perftrace.core.record import Record
from perftrace.formats.chrome import decode
from perftrace.messages import Message
from perftrace.sources.base import ReadCounters
from perftrace.sources.limits import LimitedReader

_LATEST = 1 << 26
"""Bytes within which trace events begin."""
_SPACE = re.compile(r"[\s,]*")


def has_late_events(file: BinaryIO, beginning: bytes) -> bool:
    """Report whether an object that begins with something else has trace events behind it, within some megabytes."""
    if not beginning.startswith((b"{", b"\xef\xbb\xbf{")) or b"\n{" in beginning or not file.seekable():
        return False
    start = file.tell()
    try:
        return b'"traceEvents"' in file.read(_LATEST)
    finally:
        file.seek(start)


def looks_like(beginning: bytes) -> bool:
    """Report whether a file, by its beginning, holds trace events: an array of them, or an object that has one."""
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return text[1:].lstrip()[:1] in (b"{", b"]") and b'"ph"' in text
    return text.startswith(b"{") and b'"traceEvents"' in text


def read(path: str, file: LimitedReader, counters: ReadCounters) -> Iterator[Record]:
    """Read events; an array needs no closing bracket, as its writer may have been killed.

    Raises ValueError where a bound is passed, and where the file is cut inside an event or is no such file, after
    what could be read.
    """
    events = _EventReader(file.rest().decode("utf-8-sig", "replace"))

    def miss() -> None:
        counters.lines += 1
        counters.miss(path, 1)

    def pass_over(kind: str) -> None:
        counters.passed_over[kind] += 1

    for record in decode(events, miss, pass_over):
        counters.lines += 1
        counters.used += 1
        yield record
    if events.complaint:
        raise ValueError(events.complaint)


class _EventReader:
    """Gives events one by one: all at once they would take ten times the room of their text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._decoder = json.JSONDecoder()
        self.complaint = ""
        """What is wrong with the file, once it has been read."""

    def __iter__(self) -> Iterator[Any]:
        at = 0
        try:
            at = self._first_event()
            while self._text[at : at + 1] not in ("", "]"):
                event, at = self._value(at)
                yield event
        except (ValueError, RecursionError):
            self.complaint = Message("damaged_json_at", at=at) if at else Message("damaged_json")

    def _value(self, at: int) -> tuple[Any, int]:
        """Parse a value; give it and where the next one begins."""
        value, end = self._decoder.raw_decode(self._text, at)
        return value, self._skip(end)

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self._text, at)
        return at if space is None else space.end()

    def _first_event(self) -> int:
        """Find the array of events: the file itself, or a value of the object that it is."""
        at = self._skip(0)
        if self._text[at] == "[":
            return self._skip(at + 1)
        at = self._skip(at + 1)
        while True:
            name, at = self._value(at)
            at = self._skip(self._text.index(":", at) + 1)
            if name == "traceEvents":
                if self._text[at : at + 1] != "[":
                    raise ValueError("no array")
                return self._skip(at + 1)
            _, at = self._value(at)
