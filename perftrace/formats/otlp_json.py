"""Spans as OTLP's JSON, stdlib only: hexadecimal ids, 64-bit numbers as text."""

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES, Scalar
from perftrace.formats.jsonl import dump
from perftrace.formats.otlp import SCOPE, Span, SpanEvent, span_of

_HEX = re.compile("[0-9a-fA-F]+").fullmatch
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MAX_DEPTH = 20


def encode(records: Iterable[Record], resource: Mapping[str, Scalar]) -> bytes:
    """Write records as one line with its LF: a `TracesData` message, as files of OTLP JSON hold.

    resource: attributes of what made the spans; those of one process stand together.
    """
    spans: dict[int, list[Any]] = {}
    for record in records:
        spans.setdefault(record.pid, []).append(_span(span_of(record)))
    document = {"resourceSpans": [_resource_spans(_resource(resource, pid), found) for pid, found in spans.items()]}
    return dump(document) + b"\n"


def _resource(resource: Mapping[str, Scalar], pid: int) -> Mapping[str, Scalar]:
    return {**resource, "process.pid": pid} if pid else resource


def _resource_spans(resource: Mapping[str, Scalar], spans: list[Any]) -> dict[str, Any]:
    return {
        "resource": {"attributes": _attributes(resource)},
        "scopeSpans": [{"scope": {"name": SCOPE}, "spans": spans}],
    }


def _span(span: Span) -> dict[str, Any]:
    fields: dict[str, Any] = {"traceId": f"{span.trace:032x}", "spanId": f"{span.span:016x}"}
    if span.parent:
        fields["parentSpanId"] = f"{span.parent:016x}"
    fields.update(
        flags=1, name=span.name, kind=span.kind, startTimeUnixNano=str(span.start), endTimeUnixNano=str(span.end)
    )
    if span.attributes:
        fields["attributes"] = _attributes(span.attributes)
    if span.events:
        fields["events"] = [_event(event) for event in span.events]
    if span.links:
        fields["links"] = [{"traceId": f"{trace:032x}", "spanId": f"{linked:016x}"} for trace, linked in span.links]
    status: dict[str, Any] = {}
    if span.status:
        status["code"] = span.status
    if span.message:
        status["message"] = span.message
    fields["status"] = status
    return fields


def _event(event: SpanEvent) -> dict[str, Any]:
    fields: dict[str, Any] = {"timeUnixNano": str(event.time), "name": event.name}
    if event.attributes:
        fields["attributes"] = _attributes(event.attributes)
    return fields


def _attributes(attributes: Mapping[str, Scalar]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Scalar) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue" if -(1 << 63) <= value < 1 << 63 else "stringValue": str(value)}
    return {"doubleValue": value if math.isfinite(value) else _name_of(value)}


def _name_of(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def decode(document: object, miss: Callable[[], object]) -> Iterator[Span]:
    """Read the spans of a parsed `TracesData` or export request.

    miss: called for each span that is damaged. Raises ValueError where the document has no `resourceSpans`.
    """
    if not isinstance(document, dict) or not isinstance(document.get("resourceSpans"), list):
        raise ValueError("no OTLP: it has no resourceSpans")
    for resource_spans in document["resourceSpans"]:
        try:
            resource = _decoded((resource_spans.get("resource") or {}).get("attributes"))
            scopes = [
                (str(_scope_of(scope_spans).get("name") or ""), list(scope_spans.get("spans") or ()))
                for name in ("scopeSpans", "instrumentationLibrarySpans")  # as it was called until 2022
                for scope_spans in resource_spans.get(name) or ()
            ]
        except (AttributeError, TypeError, ValueError, KeyError):
            miss()
            continue
        for scope, spans in scopes:
            for fields in spans:
                try:
                    span = _decoded_span(fields, resource, scope)
                except (AttributeError, TypeError, ValueError, KeyError, RecursionError):
                    miss()
                else:
                    yield span


def _scope_of(scope_spans: Any) -> Any:
    return scope_spans.get("scope") or scope_spans.get("instrumentationLibrary") or {}


def _decoded_span(fields: Any, resource: Mapping[str, Scalar], scope: str) -> Span:
    status = fields.get("status") or {}
    trace, span = _identity(fields["traceId"], 16), _identity(fields["spanId"], 8)
    if not trace or not span:
        raise ValueError("an id of zeros")
    return Span(
        trace,
        span,
        _identity(fields.get("parentSpanId"), 8),
        _text(fields.get("name") or ""),  # protobuf's JSON has null for whatever is as by default
        _enumerated(fields.get("kind") or 0, _KINDS),
        _time(fields.get("startTimeUnixNano") or 0),
        _time(fields.get("endTimeUnixNano") or 0),
        _decoded(fields.get("attributes")),
        [
            SpanEvent(
                _time(event.get("timeUnixNano") or 0), _text(event.get("name") or ""), _decoded(event.get("attributes"))
            )
            for event in fields.get("events") or ()
        ],
        [(_identity(link["traceId"], 16), _identity(link["spanId"], 8)) for link in fields.get("links") or ()],
        _enumerated(status.get("code") or 0, _CODES),
        _text(status.get("message") or ""),
        resource,
        scope,
    )


_KINDS = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
}
_CODES = {f"STATUS_CODE_{name}": number for number, name in enumerate(("UNSET", "OK", "ERROR"))}


def _enumerated(value: object, names: Mapping[str, int]) -> int:
    """Read an enumeration, which OTLP writes as a number; some write the name."""
    return names.get(value, 0) if isinstance(value, str) else _whole(value)


def _identity(value: object, size: int) -> int:
    """Read an id of so many bytes; 0 for one that is not there. Files of protobuf's own JSON have base64."""
    if value is None or value == "":
        return 0
    text = _text(value)
    if len(text) == 2 * size and _HEX(text):
        return int(text, 16)
    raw = base64.b64decode(text, validate=True)
    if len(raw) != size:
        raise ValueError("no id")
    return int.from_bytes(raw, "big")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _whole(value: object) -> int:
    """Read a number; 64-bit ones are text in JSON."""
    if isinstance(value, str) and len(value) <= 20:
        return int(value)
    if type(value) is int:
        return value
    raise TypeError("no whole number")


def _time(value: object) -> int:
    time = _whole(value)
    if not 0 <= time < 1 << 64:
        raise ValueError("no time")
    return time


def _decoded(attributes: Any) -> Mapping[str, Scalar]:
    if not attributes:
        return NO_ATTRIBUTES
    return {_text(one["key"]): _scalar(one.get("value")) for one in attributes}


def _scalar(value: Any) -> Scalar:
    """Read an attribute's value; lists, maps and bytes become JSON text."""
    plain = _plain(value, 0)
    return plain if plain is None or isinstance(plain, str | int | float) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any, depth: int) -> Any:  # noqa: PLR0911  # one a kind
    if depth > _MAX_DEPTH:
        return "…"
    if not value:
        return None
    kind, inner = next(iter(value.items()))
    if kind == "stringValue":
        return _text(inner)
    if kind == "boolValue":
        return inner is True
    if kind == "intValue":
        number = _whole(inner)
        return number if -(1 << 63) <= number < 1 << 63 else str(number)
    if kind == "doubleValue":
        return _NOT_FINITE[inner] if isinstance(inner, str) else float(inner)
    if kind == "arrayValue":
        return [_plain(one, depth + 1) for one in inner.get("values") or ()]
    if kind == "kvlistValue":
        return {_text(one["key"]): _plain(one.get("value"), depth + 1) for one in inner.get("values") or ()}
    return _text(inner)
