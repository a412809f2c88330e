"""Spans as OTLP's protobuf, by `opentelemetry-proto` (extra `otlp`): traces both ways, checkpoints as log records."""

import base64
import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from perftrace.core.record import NO_ATTRIBUTES, Record, Scalar
from perftrace.formats.otlp import SCOPE, Event, Span, escaped, span_of

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
        from opentelemetry.proto.common.v1 import common_pb2 as common
        from opentelemetry.proto.logs.v1 import logs_pb2 as logs
        from opentelemetry.proto.resource.v1 import resource_pb2 as resource
        from opentelemetry.proto.trace.v1 import trace_pb2 as trace
    except ImportError:
        raise ModuleNotFoundError(
            "OTLP's protobuf needs opentelemetry-proto: pip install 'perftrace-toolkit[otlp]'", name="opentelemetry"
        ) from None
    return SimpleNamespace(
        Request=trace_service.ExportTraceServiceRequest,
        Response=trace_service.ExportTraceServiceResponse,
        LogsRequest=logs_service.ExportLogsServiceRequest,
        LogsResponse=logs_service.ExportLogsServiceResponse,
        ResourceSpans=trace.ResourceSpans,
        ScopeSpans=trace.ScopeSpans,
        Span=trace.Span,
        Event=trace.Span.Event,
        Link=trace.Span.Link,
        Status=trace.Status,
        ResourceLogs=logs.ResourceLogs,
        ScopeLogs=logs.ScopeLogs,
        LogRecord=logs.LogRecord,
        Resource=resource.Resource,
        Scope=common.InstrumentationScope,
        KeyValue=common.KeyValue,
        AnyValue=common.AnyValue,
    )


def encode(records: Iterable[Record], resource: Mapping[str, Scalar], *, events: bool = True) -> bytes:
    """Write records as an `ExportTraceServiceRequest`, the same bytes as a `TracesData` message.

    resource: attributes of what made the spans; those of one process stand together. events: whether checkpoints
    are events of their spans.
    """
    types = messages()
    spans: dict[int, list[Any]] = {}
    for record in records:
        spans.setdefault(record.pid, []).append(_message(span_of(record), events, types))
    scope = types.Scope(name=SCOPE)
    request = types.Request(
        resource_spans=[
            types.ResourceSpans(
                resource=_resource(resource, pid, types),
                scope_spans=[types.ScopeSpans(scope=scope, spans=found)],
            )
            for pid, found in spans.items()
        ]
    )
    return bytes(request.SerializeToString())


def encode_logs(records: Iterable[Record], resource: Mapping[str, Scalar]) -> bytes:
    """Write the checkpoints of records as an `ExportLogsServiceRequest`: log records with the name of an event.

    Each has its checkpoint's name, time and attributes, its operation's ids, and the description as its body.
    Empty where there are no checkpoints.
    """
    types = messages()
    logs: dict[int, list[Any]] = {}
    for record in records:
        if record.marks:
            found = logs.setdefault(record.pid, [])
            span = span_of(record)
            found += [_log_record(span, event, types) for event in span.events]
    scope = types.Scope(name=SCOPE)
    request = types.LogsRequest(
        resource_logs=[
            types.ResourceLogs(
                resource=_resource(resource, pid, types),
                scope_logs=[types.ScopeLogs(scope=scope, log_records=found)],
            )
            for pid, found in logs.items()
        ]
    )
    return bytes(request.SerializeToString())


def _resource(resource: Mapping[str, Scalar], pid: int, types: SimpleNamespace) -> Any:
    return types.Resource(attributes=_attributes({**resource, "process.pid": pid} if pid else resource, types))


def _message(span: Span, events: bool, types: SimpleNamespace) -> Any:
    try:
        return _span(span, events, types)
    except (ValueError, UnicodeEncodeError):  # protobuf takes no half of a surrogate pair
        return _span(escaped(span), events, types)


def _span(span: Span, events: bool, types: SimpleNamespace) -> Any:
    message = types.Span(
        trace_id=span.trace.to_bytes(16, "big"),
        span_id=span.span.to_bytes(8, "big"),
        name=span.name,
        kind=span.kind,
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        flags=_SAMPLED,
        attributes=_attributes(span.attributes, types),
    )
    if span.parent:
        message.parent_span_id = span.parent.to_bytes(8, "big")
    if events and span.events:
        message.events.extend([_event(event, types) for event in span.events])
    if span.links:
        message.links.extend(
            [
                types.Link(trace_id=trace.to_bytes(16, "big"), span_id=linked.to_bytes(8, "big"))
                for trace, linked in span.links
            ]
        )
    if span.status or span.message:
        message.status.code = span.status
        message.status.message = span.message
    return message


def _event(event: Event, types: SimpleNamespace) -> Any:
    if not event.attributes:
        return types.Event(time_unix_nano=event.time, name=event.name)
    return types.Event(time_unix_nano=event.time, name=event.name, attributes=_attributes(event.attributes, types))


def _log_record(span: Span, event: Event, types: SimpleNamespace) -> Any:
    try:
        return _plain_log_record(span, event, types)
    except (ValueError, UnicodeEncodeError):
        return _plain_log_record(span, escaped(span._replace(events=[event])).events[0], types)


def _plain_log_record(span: Span, event: Event, types: SimpleNamespace) -> Any:
    attributes = dict(event.attributes)
    description = attributes.pop("perftrace.description", event.name)
    return types.LogRecord(
        time_unix_nano=event.time,
        observed_time_unix_nano=event.time,
        severity_number=_INFO,
        severity_text="INFO",
        event_name=event.name,
        body=_value(description, types),
        attributes=_attributes(attributes, types),
        trace_id=span.trace.to_bytes(16, "big"),
        span_id=span.span.to_bytes(8, "big"),
        flags=_SAMPLED,
    )


def _attributes(attributes: Mapping[str, Scalar], types: SimpleNamespace) -> list[Any]:
    pair = types.KeyValue
    return [pair(key=name, value=_value(value, types)) for name, value in attributes.items()]


def _value(value: Scalar, types: SimpleNamespace) -> Any:
    kind = type(value)
    if kind is str:
        return types.AnyValue(string_value=value)
    if kind is int:
        return types.AnyValue(int_value=value)
    if kind is bool:
        return types.AnyValue(bool_value=value)
    if kind is float:
        return types.AnyValue(double_value=value)
    return types.AnyValue() if value is None else types.AnyValue(string_value=str(value))


def decode(data: bytes) -> Iterator[Span]:
    """Read the spans of a `TracesData` message or an export request.

    Raises ValueError where the bytes are no such message, or a span has no ids.
    """
    types = messages()
    from google.protobuf.message import DecodeError

    try:
        request = types.Request.FromString(data)
    except DecodeError as error:
        raise ValueError(f"no OTLP: {error}") from None
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
        [Event(event.time_unix_nano, event.name, _decoded(event.attributes)) for event in message.events],
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
