"""Other tools' files: which they are, and what reads them."""

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from perftrace.core.record import Record
from perftrace.sources import chrome, otlp
from perftrace.sources.base import ReadCounters
from perftrace.sources.limits import LimitedReader


def reader_of(
    beginning: bytes, file: BinaryIO | None
) -> Callable[[str, LimitedReader, ReadCounters], Iterator[Record]] | None:
    """Return what reads another tool's file, told by its beginning; None for a log and for our own.

    file: to look further, if it can be done.
    """
    if beginning.startswith(b'{"v":'):
        return None
    if otlp.looks_like_json(beginning):
        return otlp.read_json
    if chrome.looks_like(beginning):
        return chrome.read
    if otlp.looks_like_protobuf(beginning):
        return otlp.read_protobuf
    return chrome.read if file is not None and chrome.has_late_events(file, beginning) else None


_FOREIGN = (
    ("Jaeger", re.compile(rb'\s*\{\s*"data"\s*:\s*\[\s*(?:\{\s*"traceID"|\])')),
    ("Tempo", re.compile(rb'\s*\{\s*"batches"\s*:')),
    (
        "Zipkin",
        re.compile(rb'\s*\[\s*\{(?=[^}]*"traceId")(?=[^}]*"id")(?=[^}]*"(?:timestamp|duration|localEndpoint)")'),
    ),
)
"""How the JSON of other tracing systems begins, which is not read."""


def unread(beginning: bytes) -> str:
    """Return whose JSON a file is, if it is that of a tool whose files are not read; else nothing."""
    return next((name for name, pattern in _FOREIGN if pattern.match(beginning)), "")
