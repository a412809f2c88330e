"""Files of OTLP, JSON or protobuf -> records."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from perftrace.core.record import Record
from perftrace.formats import otlp_json, otlp_proto
from perftrace.formats.otlp import record_of
from perftrace.messages import Message
from perftrace.sources.base import ReadCounters
from perftrace.sources.limits import LimitedReader

_SIGNALS = (b'"resourceSpans"', b'"resourceLogs"', b'"resourceMetrics"')
_MESSAGE = re.compile(rb"\x0a[\x80-\xff]{0,4}[\x00-\x7f][\x0a\x12\x1a]").match
"""How a `TracesData` message begins: its first field, of some length, and in that one of its three fields."""
_PREFIX = 4
"""Bytes of the length, big end first, that stands before each message in files of OpenTelemetry's Collector."""


def looks_like_json(beginning: bytes) -> bool:
    """Report whether a file, by its beginning, holds OTLP as JSON."""
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"{") and any(signal in text for signal in _SIGNALS)


def looks_like_protobuf(beginning: bytes) -> bool:
    """Report whether a file, by its beginning, holds OTLP's protobuf messages, bare or each behind its length."""
    # Text may begin with an empty line, but has no control characters; an id's field has one in its tag and length.
    has_controls = any(byte < 9 or 13 < byte < 27 for byte in beginning[:4096])
    return has_controls and bool(_MESSAGE(beginning) or (beginning[:1] < b"\x20" and _MESSAGE(beginning[_PREFIX:])))


def read_json(path: str, file: LimitedReader, counters: ReadCounters) -> Iterator[Record]:
    """Read one document a line, or one that goes over several lines; raises ValueError where a bound is passed."""
    lines = iter(file.line, b"")
    number = 0
    while line := next(lines, b""):
        number += 1
        if not line.strip():
            continue
        try:
            document = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except (ValueError, RecursionError):
            document = None
            if number == 1 and line.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                rest = file.rest()
                document = _whole(line + rest)  # not one a line, then
                lines = iter(io.BytesIO(b"" if document is not None else rest).readline, b"")
        yield from _records(path, number, document, counters)


def _whole(text: bytes) -> object:
    """Parse a document; None for what is none."""
    try:
        return json.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):
        return None


def _records(path: str, number: int, document: object, counters: ReadCounters) -> Iterator[Record]:
    def miss() -> None:
        counters.lines += 1
        counters.miss(path, number)

    if isinstance(document, dict) and "resourceSpans" not in document:
        if not ("resourceLogs" in document or "resourceMetrics" in document):
            miss()
        counters.passed_over["log records"] += _count(document.get("resourceLogs"), "scopeLogs", "logRecords")
        counters.passed_over["metrics"] += _count(document.get("resourceMetrics"), "scopeMetrics", "metrics")
        return  # logs and metrics are other signals
    try:
        for span in otlp_json.decode(document, miss):
            counters.lines += 1
            counters.used += 1
            yield record_of(span)
    except ValueError:
        miss()


def _count(resources: object, scopes: str, items: str) -> int:
    """Count what resources hold of another signal."""
    try:
        found: Any = resources or ()
        return sum([len(scope[items]) for resource in found for scope in resource[scopes]])
    except (TypeError, LookupError):
        return 1


def read_protobuf(path: str, file: LimitedReader, counters: ReadCounters) -> Iterator[Record]:
    """Read messages, bare or each behind its length.

    Raises ValueError where the bytes are no such messages or a bound is passed, after what could be read.
    """
    data = file.rest()
    if _MESSAGE(data):
        yield from _spans(path, data, counters)
        return
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + _PREFIX], "big")
        message = data[at + _PREFIX : at + _PREFIX + size]
        if len(message) < size or at + _PREFIX > len(data):
            raise ValueError(Message("cut_message", at=at, size=size, found=len(message)))
        yield from _spans(path, message, counters)
        at += _PREFIX + size


def _spans(path: str, message: bytes, counters: ReadCounters) -> Iterator[Record]:
    for span in otlp_proto.decode(message):
        counters.lines += 1
        if span.trace and span.span:
            counters.used += 1
            yield record_of(span)
        else:
            counters.miss(path, counters.lines)
