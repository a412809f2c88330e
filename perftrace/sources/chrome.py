"""Files of Chrome's trace events -> records."""

import json
import re
from collections.abc import Iterator
from typing import Any

from perftrace.core.record import Record
from perftrace.formats.chrome import decode
from perftrace.sources.bounded import Bounded
from perftrace.sources.reading import Books

_EVENTS = re.compile(r'"traceEvents"\s*:\s*\[')
_SPACE = re.compile(r"[\s,]*")


def looks_like(beginning: bytes) -> bool:
    """Tell by its beginning whether a file holds trace events: an array of them, or an object that has one."""
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        return text[1:].lstrip()[:1] in (b"{", b"]") and b'"ph"' in text
    return text.startswith(b"{") and b'"traceEvents"' in text


def read(path: str, file: Bounded, books: Books) -> Iterator[Record]:
    """Read events; an array needs no closing bracket, as its writer may have been killed.

    Raises ValueError where a bound is passed, and where the file is cut inside an event or is no such file, after
    what could be read.
    """
    text = file.rest().decode("utf-8-sig", "replace")
    events, complaint = _events_of(text)

    def miss() -> None:
        books.lines += 1
        books.miss(path, 1)

    for record in decode(events, miss):
        books.lines += 1
        books.used += 1
        yield record
    if complaint:
        raise ValueError(complaint)


def _events_of(text: str) -> tuple[list[Any], str | None]:
    """Give the events of a file, and what is wrong with it."""
    try:
        document = json.loads(text)
    except RecursionError:
        return [], "nested too deep for a trace"
    except ValueError:
        return _torn(text)
    events = document.get("traceEvents") if isinstance(document, dict) else document
    return (events, None) if isinstance(events, list) else ([], "no trace: traceEvents is no array")


def _torn(text: str) -> tuple[list[Any], str | None]:
    """Give the events of a file without its end, one by one."""
    found = _EVENTS.search(text)
    at = found.end() if found is not None else text.find("[") + 1
    decoder = json.JSONDecoder()
    events: list[Any] = []
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space is not None else at
        if text[at : at + 1] in ("", "]"):
            return events, None
        try:
            event, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return events, f"cut or damaged at character {at}, read up to there"
        events.append(event)
