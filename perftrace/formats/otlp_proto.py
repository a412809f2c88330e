"""Spans as OTLP's protobuf, by `opentelemetry-proto` (extra `otlp`): traces both ways, checkpoints as log records."""

import base64
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES, Scalar
from perftrace.formats.otlp import SCOPE, Span, SpanEvent, escaped, span_of
from perftrace.messages import Message

_SAMPLED = 1
_MAX_DEPTH = 20
_INFO = 9
"""Severity of a log record."""


@functools.cache
def messages() -> SimpleNamespace:
    """Import the classes of OTLP's messages; not before they are needed, as it takes a while.

    Raises ModuleNotFoundError, with the command that helps, where the package is not installed.
    """
    try:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service
    except ImportError:
        raise ModuleNotFoundError(Message("needs_protobuf"), name="opentelemetry") from None
    return SimpleNamespace(
        Request=trace_service.ExportTraceServiceRequest,
        Response=trace_service.ExportTraceServiceResponse,
        LogsRequest=logs_service.ExportLogsServiceRequest,
        LogsResponse=logs_service.ExportLogsServiceResponse,
    )


def encode(records: Sequence[Record], resource: Mapping[str, Scalar], *, events: bool = True) -> bytes:
    """Write records as an `ExportTraceServiceRequest`, the same bytes as a `TracesData` message.

    resource: attributes of what made the spans; those of one process stand together. events: whether checkpoints
    are events of their spans.
    """
    fields = functools.partial(_span, events=events)
    request = messages().Request()
    groups: dict[int, Any] = {}
    for record in records:
        group = groups.get(record.pid)
        if group is None:
            made = request.resource_spans.add(resource=_resource(resource, record.pid))
            group = groups[record.pid] = made.scope_spans.add(scope=_SCOPE).spans
        _add(group, span_of(record), fields)
    return bytes(request.SerializeToString())


def encode_logs(records: Sequence[Record], resource: Mapping[str, Scalar]) -> bytes:
    """Write the checkpoints of records as an `ExportLogsServiceRequest`: log records with the name of an event.

    Each has its checkpoint's name, time and attributes, its operation's ids, and the description as its body.
    Empty where there are no checkpoints.
    """
    request = messages().LogsRequest()
    groups: dict[int, Any] = {}
    for record in records:
        if not record.checkpoints:
            continue
        group = groups.get(record.pid)
        if group is None:
            made = request.resource_logs.add(resource=_resource(resource, record.pid))
            group = groups[record.pid] = made.scope_logs.add(scope=_SCOPE).log_records
        span = span_of(record)
        for event in span.events:
            _add(group, span._replace(events=[event]), _log_record)
    return bytes(request.SerializeToString())


_SCOPE = {"name": SCOPE}


def _add(group: Any, span: Span, fields: Callable[[Span], dict[str, Any]]) -> None:
    """Add a message, made of nested dicts: protobuf's C code takes them twice as fast as message by message.

    One at a time: thousands of dicts alive at once keep the garbage collector busy for as long again.
    """
    before = len(group)
    try:
        group.add(**fields(span))
    except (ValueError, UnicodeEncodeError):  # half a surrogate pair, or a number too large
        del group[before:]
        group.add(**fields(escaped(span)))


def _resource(resource: Mapping[str, Scalar], pid: int) -> dict[str, Any]:
    return {"attributes": _attributes({**resource, "process.pid": pid} if pid else resource)}


def _span(span: Span, events: bool) -> dict[str, Any]:
    fields = {
        "trace_id": span.trace.to_bytes(16, "big"),
        "span_id": span.span.to_bytes(8, "big"),
        "name": span.name,
        "kind": span.kind,
        "start_time_unix_nano": span.start,
        "end_time_unix_nano": span.end,
        "flags": _SAMPLED,
        "attributes": _attributes(span.attributes),
    }
    if span.parent:
        fields["parent_span_id"] = span.parent.to_bytes(8, "big")
    if events and span.events:
        fields["events"] = [
            {"time_unix_nano": time, "name": name, "attributes": _attributes(attributes)}
            if attributes
            else {"time_unix_nano": time, "name": name}
            for time, name, attributes in span.events
        ]
    if span.links:
        fields["links"] = [
            {"trace_id": trace.to_bytes(16, "big"), "span_id": linked.to_bytes(8, "big")}
            for trace, linked in span.links
        ]
    if span.status or span.message:
        fields["status"] = {"code": span.status, "message": span.message}
    return fields


def _log_record(span: Span) -> dict[str, Any]:
    """Write the one event of a span."""
    [event] = span.events
    attributes = dict(event.attributes)
    description = attributes.pop("perftrace.description", event.name)
    return {
        "time_unix_nano": event.time,
        "observed_time_unix_nano": event.time,
        "severity_number": _INFO,
        "severity_text": "INFO",
        "event_name": event.name,
        "body": _value(description),
        "attributes": _attributes(attributes),
        "trace_id": span.trace.to_bytes(16, "big"),
        "span_id": span.span.to_bytes(8, "big"),
        "flags": _SAMPLED,
    }


def _attributes(attributes: Mapping[str, Scalar]) -> list[dict[str, Any]]:
    return [
        {"key": name, "value": {field: value} if (field := _FIELDS.get(type(value))) is not None else _value(value)}
        for name, value in attributes.items()
    ]


_FIELDS: dict[type, str] = {str: "string_value", int: "int_value", bool: "bool_value", float: "double_value"}


def _value(value: Scalar) -> dict[str, Any]:
    if value is None:
        return {}
    field = _FIELDS.get(type(value))
    return {"string_value": str(value)} if field is None else {field: value}


def decode(data: bytes) -> Iterator[Span]:
    """Read the spans of a `TracesData` message or an export request.

    Raises ValueError where the bytes are no such message, or a span has no ids.
    """
    types = messages()
    from google.protobuf.message import DecodeError

    try:
        request = types.Request.FromString(data)
    except DecodeError as error:
        raise ValueError(Message("no_otlp", error=error)) from None
    for resource_spans in request.resource_spans:
        resource = _decoded(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for message in scope_spans.spans:
                yield _decoded_span(message, resource, scope_spans.scope.name)


def _decoded_span(message: Any, resource: Mapping[str, Scalar], scope: str) -> Span:
    return Span(
        int.from_bytes(message.trace_id, "big"),
        int.from_bytes(message.span_id, "big"),
        int.from_bytes(message.parent_span_id, "big"),
        message.name,
        message.kind,
        message.start_time_unix_nano,
        message.end_time_unix_nano,
        _decoded(message.attributes),
        [SpanEvent(event.time_unix_nano, event.name, _decoded(event.attributes)) for event in message.events],
        [(int.from_bytes(link.trace_id, "big"), int.from_bytes(link.span_id, "big")) for link in message.links],
        message.status.code,
        message.status.message,
        resource,
        scope,
    )


def _decoded(attributes: Sequence[Any]) -> Mapping[str, Scalar]:
    return {one.key: _scalar(one.value) for one in attributes} if attributes else NO_ATTRIBUTES


def _scalar(value: Any) -> Scalar:
    """Read an attribute's value; lists, maps and bytes become JSON text."""
    plain = _plain(value, 0)
    return plain if plain is None or isinstance(plain, str | int | float) else json.dumps(plain, ensure_ascii=False)


def _plain(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    inner = getattr(value, kind)
    if kind == "array_value":
        return "…" if depth > _MAX_DEPTH else [_plain(one, depth + 1) for one in inner.values]
    if kind == "kvlist_value":
        return "…" if depth > _MAX_DEPTH else {one.key: _plain(one.value, depth + 1) for one in inner.values}
    if kind == "bytes_value":
        return base64.b64encode(inner).decode()
    return inner
