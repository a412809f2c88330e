"""Records <-> OpenTelemetry's spans: what becomes what; the wire forms are in `otlp_json` and `otlp_proto`.

A checkpoint is a span event, a link a span link, a failure the status ERROR with `error.type`. What OpenTelemetry
has no field for is an attribute that begins with `perftrace.`; an attribute of the user's that would be taken for
one of these is written behind `perftrace.attribute.`.
"""

import hashlib
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast, get_args

from perftrace.core.events import Link
from perftrace.core.record import Record, ids_of
from perftrace.core.run import CheckpointFields
from perftrace.core.values import MAX_WEIGHT, NO_ATTRIBUTES, Attributes, Outcome, Scalar

SCOPE = "perftrace"
"""Names the instrumentation scope of spans made here."""
UNSET, ERROR = 0, 2
"""Codes of a span's status."""
INTERNAL = 1
KINDS = {2: "server", 3: "client", 4: "producer", 5: "consumer"}
"""Kinds of spans other than internal, as the attribute `span.kind` names them."""
_KIND_OF = {text: kind for kind, text in KINDS.items()}
_OUTCOMES = frozenset(get_args(Outcome))
_OURS = "perftrace."
_ESCAPE = "perftrace.attribute."
_TAKEN = frozenset({"", "error.type", "thread.name"})
"""Names that a user's attribute cannot have beside ours; OpenTelemetry allows no empty one."""
_MAX_TIME = (1 << 64) - 1
_MAX_WHOLE = (1 << 63) - 1


class SpanEvent(NamedTuple):
    """A named moment of a span."""

    time: int
    """Unix nanoseconds."""
    name: str
    attributes: Mapping[str, Scalar]


class Span(NamedTuple):
    """A span as OTLP has it, whatever the wire form."""

    trace: int
    span: int
    parent: int
    """0 for the root of a trace."""
    name: str
    kind: int
    start: int
    """Unix nanoseconds."""
    end: int
    """Unix nanoseconds; 0 for a span that has not ended."""
    attributes: Mapping[str, Scalar]
    events: Sequence[SpanEvent]
    links: Sequence[tuple[int, int]]
    """Trace and span of each."""
    status: int
    message: str
    """Of the status."""
    resource: Mapping[str, Scalar]
    """Attributes of what made the span: service, host, process."""
    scope: str
    """The library that made it."""


def span_of(record: Record) -> Span:
    """Make the span of a record; ids that the record has not are made of what it has, the same each time."""
    start = min(max(record.start, 0), _MAX_TIME)
    outcome = record.outcome
    link = record.link
    trace, span, parent = ids_of(record)
    if not (trace and span):
        trace, span = _made_ids(record, trace, span)
    attributes, kind = _attributes_of(record)
    return Span(
        trace,
        span,
        parent or 0,
        record.name,
        kind,
        start,
        0 if outcome is None else min(start + record.duration_ns, _MAX_TIME),
        attributes,
        [_event_of(start, checkpoint) for checkpoint in record.checkpoints],
        () if link is None else ((int(link.trace_id, 16), int(link.span_id, 16)),),
        ERROR if outcome == "error" else UNSET,
        record.error or "" if outcome == "error" else "",
        {"process.pid": record.pid} if record.pid else NO_ATTRIBUTES,
        SCOPE,
    )


def _made_ids(record: Record, trace: int, span: int) -> tuple[int, int]:
    what = (record.operation_id, record.name, record.start, record.duration_ns, record.pid, record.sequence)
    digest = hashlib.blake2b(repr(what).encode("utf-8", "backslashreplace"), digest_size=24).digest()
    made_trace, made_span = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big")
    return trace or made_trace or 1, span or made_span or 1


def _attributes_of(record: Record) -> tuple[dict[str, Scalar], int]:
    """Return a span's attributes and its kind."""
    attributes: dict[str, Scalar] = {}
    kind = INTERNAL
    key, label = record.key, record.key_name
    lone = label if key is None else None
    for name, value in record.attributes.items():
        if name in _TAKEN or name.startswith(_OURS) or name == lone:
            attributes[_ESCAPE + name] = value
        elif name == "span.kind" and value in _KIND_OF:
            kind = _KIND_OF[value]
        else:
            attributes[name] = value
    if key is not None:
        # Under its own label, so that one can look for it; otherwise under ours.
        attributes[label if label and _is_free(label) and label not in attributes else "perftrace.key"] = key
    _add_rest(record, attributes)
    return attributes, kind


def _is_free(label: str) -> bool:
    """Report whether a key may stand under its own label."""
    return label not in _TAKEN and label != "span.kind" and not label.startswith(_OURS)


def _add_rest(record: Record, attributes: dict[str, Scalar]) -> None:  # noqa: PLR0912  # a table costs twice as much
    """Add what has no field in a span and is not empty."""
    running = record.running_ns
    if running is not None:
        attributes["perftrace.running_ns"] = running
        attributes["perftrace.inner_ns"] = record.inner_ns
        attributes["perftrace.steps"] = record.steps
        attributes["perftrace.longest_step_ns"] = record.longest_step_ns
    if record.description:
        attributes["perftrace.description"] = record.description
    if record.thread:
        attributes["thread.name"] = record.thread
    if record.sequence:
        attributes["perftrace.sequence"] = record.sequence
    if record.start_mono:
        attributes["perftrace.start_mono"] = record.start_mono
    if record.slow:
        attributes["perftrace.slow"] = True
    if not record.start_seen:
        attributes["perftrace.start_seen"] = False
    if record.weight != 1:
        attributes["perftrace.weight"] = record.weight
    if record.key_name is not None:
        attributes["perftrace.key_name"] = record.key_name
    if record.given_id is not None:
        attributes["perftrace.operation_id"] = record.given_id
    if record.done is not None:
        attributes["perftrace.done"] = record.done
    if record.task is not None:
        attributes["perftrace.task"] = record.task
    if record.process:
        attributes["perftrace.process"] = record.process
    if record.outcome != "ok" or record.error_type is not None or record.error is not None:
        _add_failure(record, record.outcome, attributes)


def _add_failure(record: Record, outcome: Outcome | None, attributes: dict[str, Scalar]) -> None:
    if outcome not in ("ok", "error", None):
        attributes["perftrace.outcome"] = outcome
    if record.error_type is not None:
        attributes["error.type"] = record.error_type
    # The status holds an error's text; where the outcome is none, or the text is empty, it cannot.
    if record.error is not None and not (outcome == "error" and record.error):
        attributes["perftrace.error"] = record.error


def _event_of(start: int, checkpoint: CheckpointFields) -> SpanEvent:
    name, description, elapsed, attributes = checkpoint
    if attributes or description:
        attributes = {
            _ESCAPE + name if not name or name.startswith(_OURS) else name: value for name, value in attributes.items()
        }
        if description:
            attributes["perftrace.description"] = description
    time = start + elapsed
    return SpanEvent(time if 0 <= time <= _MAX_TIME else min(max(time, 0), _MAX_TIME), name, attributes)


def escaped(span: Span) -> Span:
    """Return a copy that every wire form can hold.

    A lone surrogate becomes its backslash escape, a number beyond 64 bits text.
    """
    texts = ("name", "attributes", "events", "message", "resource")
    return span._replace(**{name: _escaped(getattr(span, name)) for name in texts})


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_escaped(name): _escaped(inner) for name, inner in value.items()}
    if isinstance(value, SpanEvent):
        return SpanEvent(value.time, _escaped(value.name), _escaped(value.attributes))
    if type(value) is int and not -_MAX_WHOLE <= value <= _MAX_WHOLE:
        return str(value)
    return [_escaped(inner) for inner in value] if isinstance(value, list) else value


class _Taker:
    """Hands out a span's attributes, each once; what is left is the user's."""

    def __init__(self, attributes: Mapping[str, Scalar]) -> None:
        self.left = dict(attributes)

    def text(self, name: str) -> str | None:
        """Remove and return a text; None, and nothing removed, where there is none."""
        value = self.left.get(name)
        if isinstance(value, str):
            del self.left[name]
            return value
        return None

    def whole(self, name: str) -> int | None:
        """Remove and return a whole number."""
        value = self.left.get(name)
        if type(value) is int:
            del self.left[name]
            return value
        return None


def record_of(span: Span) -> Record:
    """Make the record of a span, of ours or of any other library; outcome None where it has not ended.

    Events are checkpoints, by time; the first link is the link. An event `exception` tells of an error's type and
    text where the span does not. Attributes of the resource are the record's, unless the span has such ones or
    perftrace made it.
    """
    is_ours = span.scope == SCOPE
    taker = _Taker(span.attributes)
    outcome = taker.text("perftrace.outcome")
    label, key = taker.text("perftrace.key_name"), taker.text("perftrace.key")
    if key is None and label and _is_free(label):
        key = taker.text(label)
    error_type, error = taker.text("error.type"), taker.text("perftrace.error")
    if span.status == ERROR:
        error = error if error is not None else span.message or None
        error_type, error = _failure_of(span, error_type, error)
    running = taker.whole("perftrace.running_ns")
    inner, longest = taker.whole("perftrace.inner_ns"), taker.whole("perftrace.longest_step_ns")
    is_slow, is_start_seen = taker.left.pop("perftrace.slow", False), taker.left.pop("perftrace.start_seen", True)
    weight = taker.left.pop("perftrace.weight", 1.0)
    pid = span.resource.get("process.pid")
    duration = min(max(0, span.end - span.start), _MAX_WHOLE)
    return Record(
        span.name,
        trace_id=f"{span.trace:032x}",
        span_id=f"{span.span:016x}",
        parent_id=f"{span.parent:016x}" if span.parent else None,
        given_id=taker.text("perftrace.operation_id"),
        description=taker.text("perftrace.description") or "",
        done=taker.text("perftrace.done"),
        key=key,
        key_name=label,
        start=min(span.start, _MAX_WHOLE),
        start_mono=taker.whole("perftrace.start_mono") or 0,
        duration_ns=duration if span.end else 0,
        outcome=_outcome_of(span, outcome),
        error_type=error_type,
        error=error,
        slow=is_slow is True,
        checkpoints=_checkpoints_of(span, is_ours),
        running_ns=running,
        inner_ns=inner,
        steps=taker.whole("perftrace.steps") or 0,
        longest_step_ns=longest,
        link=Link(f"{span.links[0][0]:032x}", f"{span.links[0][1]:016x}") if span.links else None,
        process=taker.text("perftrace.process") or "",
        pid=pid if type(pid) is int else 0,
        thread=taker.text("thread.name") or "",
        task=taker.text("perftrace.task"),
        sequence=taker.whole("perftrace.sequence") or 0,
        start_seen=is_start_seen is not False,
        weight=float(weight) if isinstance(weight, int | float) and 1 <= weight <= MAX_WEIGHT else 1.0,
        attributes=_left_of(span, taker.left, is_ours),
    )


def _outcome_of(span: Span, outcome: str | None) -> Outcome | None:
    if span.start and not span.end:
        return None
    if outcome in _OUTCOMES:
        return cast("Outcome", outcome)
    return "error" if span.status == ERROR else "ok"


def _failure_of(span: Span, error_type: str | None, error: str | None) -> tuple[str | None, str | None]:
    """Look for the type and text of an error where OpenTelemetry's SDKs write them down."""
    if span.scope == SCOPE:
        return error_type, error
    for event in reversed(span.events):
        if event.name == "exception":
            kind, text = event.attributes.get("exception.type"), event.attributes.get("exception.message")
            error_type = error_type or (str(kind) if kind else None)
            error = error or (str(text) if text else None)
            break
    # The SDK's status repeats the type before the text.
    return error_type, error.removeprefix(f"{error_type}: ") if error else error


def _checkpoints_of(span: Span, is_ours: bool) -> list[CheckpointFields]:
    checkpoints = [_checkpoint_of(span.start, event) for event in span.events]
    if not is_ours:
        # What others add to a span that has ended is at its end.
        last = max(0, span.end - span.start) if span.end else _MAX_WHOLE
        placed = ((name, text, min(max(0, elapsed), last), found) for name, text, elapsed, found in checkpoints)
        checkpoints = sorted(placed, key=lambda checkpoint: checkpoint[2])
    return checkpoints


def _checkpoint_of(start: int, event: SpanEvent) -> CheckpointFields:
    if not event.attributes:
        return (event.name, "", event.time - start, NO_ATTRIBUTES)
    taker = _Taker(event.attributes)
    description = taker.text("perftrace.description") or ""
    return (event.name, description, event.time - start, _unescaped(taker.left) or NO_ATTRIBUTES)


def _left_of(span: Span, attributes: dict[str, Scalar], is_ours: bool) -> Attributes:
    found = _unescaped(attributes)
    if span.kind in KINDS:
        found.setdefault("span.kind", KINDS[span.kind])
    if not is_ours:
        for name, value in span.resource.items():
            if name != "process.pid" and not name.startswith("telemetry.sdk."):
                found.setdefault(name, value)
        if span.scope:
            found.setdefault("otel.scope.name", span.scope)
    return found or NO_ATTRIBUTES


def _unescaped(attributes: dict[str, Scalar]) -> dict[str, Scalar]:
    return {name.removeprefix(_ESCAPE): value for name, value in attributes.items()}


def resource_of(environment: Mapping[str, str], more: Attributes = NO_ATTRIBUTES) -> dict[str, Scalar]:
    """Read a resource from the variables `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`, as OpenTelemetry does.

    Entries that are no `name=value` are left out; where there is no service, it is `unknown_service`. more: other
    attributes, which go first.
    """
    found: dict[str, Scalar] = {"service.name": "unknown_service"}
    for entry in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, equals, value = entry.partition("=")
        if equals and name.strip():
            found[name.strip()] = urllib.parse.unquote(value.strip())
    if service := environment.get("OTEL_SERVICE_NAME", ""):
        found["service.name"] = service
    resource: dict[str, Scalar] = _escaped({**found, **more})
    return resource
