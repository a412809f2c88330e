"""One record, one JSON line: the written form of records, version 1."""

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

from perftrace.core.checks import is_number
from perftrace.core.events import Link
from perftrace.core.ids import make_operation_id
from perftrace.core.patterns import pattern
from perftrace.core.record import Record, ids_of
from perftrace.core.run import CheckpointFields
from perftrace.core.values import MAX_WEIGHT, NO_ATTRIBUTES, Attributes, Outcome
from perftrace.exceptions import NewerVersionError
from perftrace.messages import Message

VERSION = 1
_BOUND = 1 << 63
_HEX = pattern("[0-9a-f]*")
_OUTCOMES = frozenset(get_args(Outcome))


def encode(record: Record) -> bytes:
    """Write a record as one line with its LF; what is empty is left out.

    A lone surrogate, which no other reader of JSON takes, becomes its backslash escape.
    """
    return dump(fields_of(record)) + b"\n"


def dump(value: object) -> bytes:
    """Write plain data as JSON that every reader takes, by the fastest encoder that is installed."""
    try:
        return _dump()(value)
    except (ValueError, TypeError, OverflowError):  # no Unicode; or values that only a hand-made record holds
        return _dump_plainly(escaped(value))


def get_ready() -> None:
    """Import the encoder now: a child that is forked while another thread imports it would wait for ever."""
    _dump()


def _dump_plainly(fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


@functools.cache
def _dump() -> Callable[[object], bytes]:
    """Find the fastest encoder that is installed; not before it is needed, as its import takes a while."""
    try:
        import msgspec
    except ImportError:
        return _dump_plainly
    return msgspec.json.Encoder().encode


def fields_of(record: Record) -> dict[str, Any]:  # noqa: PLR0912  # a table of all costs four times as much
    """Name what is to be written, in its order; what is empty is left out."""
    fields: dict[str, Any] = {"v": VERSION}
    trace, span, _ = ids_of(record)
    if trace:
        fields["trace_id"] = f"{trace:032x}"
    if span:
        fields["span_id"] = f"{span:016x}"
    fields["parent_id"] = record.parent_id
    fields["operation_id"] = record.operation_id
    fields["name"] = record.name
    key, description, attributes = record.key, record.description, record.attributes
    if key:
        fields["key"] = key
    if record.key_name:
        fields["key_name"] = record.key_name
    if description:
        fields["description"] = description
    if record.start:
        fields["start"] = record.start
    if record.start_mono:
        fields["start_mono"] = record.start_mono
    fields["duration_ns"] = record.duration_ns
    fields["outcome"] = record.outcome
    if marks := record.checkpoints:
        fields["checkpoints"] = [_checkpoint(mark) for mark in marks]
    if attributes:
        fields["attributes"] = _finite(attributes)
    if record.running_ns is not None:
        fields["running_ns"] = record.running_ns
        fields["inner_ns"] = record.inner_ns
        fields["steps"] = record.steps
        fields["longest_step_ns"] = record.longest_step_ns
    if record.process:
        fields["process"] = record.process
    if record.pid:
        fields["pid"] = record.pid
    if record.thread:
        fields["thread"] = record.thread
    if record.task:
        fields["task"] = record.task
    if record.sequence:
        fields["sequence"] = record.sequence
    if not record.start_seen:
        fields["start_seen"] = False
    fields.update({name: value for name, value in _rare(record) if value})
    return fields


def _rare(record: Record) -> tuple[tuple[str, Any], ...]:
    """Name what most records have not; a false value is left out."""
    return (
        ("done", record.done),
        ("error_type", record.error_type),
        ("error", record.error),
        ("slow", record.slow),
        ("link", record.link and record.link._asdict()),
        ("weight", record.weight != 1 and record.weight),
    )


def _checkpoint(mark: CheckpointFields) -> dict[str, Any]:
    name, description, elapsed, attributes = mark
    checkpoint: dict[str, Any] = {"name": name}
    if description:
        checkpoint["description"] = description
    checkpoint["elapsed_ns"] = elapsed
    if attributes:
        checkpoint["attributes"] = _finite(attributes)
    return checkpoint


def _finite(attributes: Attributes) -> dict[str, Any]:
    """Write as text what JSON has no number for."""
    return {n: str(v) if isinstance(v, float) and not math.isfinite(v) else v for n, v in attributes.items()}


def escaped(value: Any) -> Any:
    """Return a copy whose texts are Unicode."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {escaped(name): escaped(inner) for name, inner in value.items()}
    return [escaped(inner) for inner in value] if isinstance(value, list) else value


def decode(line: bytes | str) -> Record:
    """Read a line; keys that are not known are ignored, missing ones have their defaults.

    Raises NewerVersionError, a ValueError, for a version to come, and ValueError for what is no record.
    """
    try:
        fields = _load(line)
    except RecursionError:
        raise ValueError("nested too deep for a record") from None
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    version = fields.get("v")
    if type(version) is int and version > VERSION:
        raise NewerVersionError(Message("newer_records", version=version, known=VERSION))
    if version != VERSION or type(version) is not int:
        raise ValueError("no record: it has no version")
    return record_of(fields)


def _load(line: bytes | str) -> Any:
    try:
        return _loader()(line)
    except ValueError:  # whatever Python's own takes, such as NaN and half surrogate pairs, is taken
        return json.loads(line)


@functools.cache
def _loader() -> Callable[[bytes | str], Any]:
    """Find the fastest parser that is installed."""
    try:
        import msgspec
    except ImportError:
        return json.loads
    return msgspec.json.Decoder().decode


def record_of(fields: Mapping[str, Any]) -> Record:
    """Make the record of a line's fields; raises ValueError for what is damaged."""
    try:
        return _record(fields)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"a damaged record: {error}") from None


def _record(fields: Mapping[str, Any]) -> Record:
    name = _text(fields["name"])
    key = _optional_text(fields.get("key"))
    span_id = _identity(fields.get("span_id"), 16)
    operation_id = _text(fields.get("operation_id", ""))
    outcome = fields.get("outcome")
    if outcome is not None and outcome not in _OUTCOMES:
        raise ValueError(f"an unknown outcome: {outcome!r}")
    link = fields.get("link")
    # The fields first, and sealed when all are there: a record asks at each whether it may still be set.
    return Record(
        name,
        trace_id=_identity(fields.get("trace_id"), 32),
        span_id=span_id,
        parent_id=_identity(fields.get("parent_id"), 16) or None,
        given_id=None if operation_id in ("", make_operation_id(name, key, int(span_id or "0", 16))) else operation_id,
        description=_text(fields.get("description", "")),
        done=_optional_text(fields.get("done")),
        key=key,
        key_name=_optional_text(fields.get("key_name")),
        start=_whole(fields.get("start", 0)),
        start_mono=_whole(fields.get("start_mono", 0)),
        duration_ns=max(0, _whole(fields["duration_ns"])),
        outcome=outcome,
        error_type=_optional_text(fields.get("error_type")),
        error=_optional_text(fields.get("error")),
        attributes=_attributes(fields.get("attributes")),
        slow=fields.get("slow") is True,
        checkpoints=[_mark(checkpoint) for checkpoint in fields.get("checkpoints", ())],
        running_ns=_optional_whole(fields.get("running_ns")),
        inner_ns=_optional_whole(fields.get("inner_ns")),
        steps=_whole(fields.get("steps", 0)),
        longest_step_ns=_optional_whole(fields.get("longest_step_ns")),
        link=None if link is None else Link(_identity(link["trace_id"], 32), _identity(link["span_id"], 16)),
        process=_text(fields.get("process", "")),
        pid=_whole(fields.get("pid", 0)),
        thread=_text(fields.get("thread", "")),
        task=_optional_text(fields.get("task")),
        sequence=_whole(fields.get("sequence", 0)),
        start_seen=fields.get("start_seen", True) is not False,
        weight=_weight(fields.get("weight", 1.0)),
    )


def _weight(value: object) -> float:
    if not is_number(value) or not 1 <= value <= MAX_WEIGHT:
        raise TypeError(f"no weight: {value!r}")
    return float(value)


def _mark(checkpoint: Mapping[str, Any]) -> CheckpointFields:
    return (
        _text(checkpoint["name"]),
        _text(checkpoint.get("description", "")),
        _whole(checkpoint["elapsed_ns"]),
        _attributes(checkpoint.get("attributes")),
    )


def _identity(value: object, digits: int) -> str:
    """Check an id of so many hexadecimal digits; empty for one that is not there."""
    if value is None or value == "":
        return ""
    text = _text(value)
    if len(text) != digits or not _HEX.fullmatch(text):
        raise TypeError(f"no id of {digits} hexadecimal digits: {text[:40]!r}")
    return text


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"no text: {type(value).__name__}")
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"no whole number: {type(value).__name__}")
    if not -_BOUND <= value < _BOUND:
        raise TypeError("a number beyond 64 bits")
    return value


def _optional_whole(value: object) -> int | None:
    return None if value is None else _whole(value)


def _attributes(value: object) -> Attributes:
    if value is None:
        return NO_ATTRIBUTES
    if not isinstance(value, dict):
        raise TypeError(f"no attributes: {type(value).__name__}")
    return {n: v if type(v) in _SCALARS else json.dumps(v, ensure_ascii=False) for n, v in value.items()}


_SCALARS = {str, int, float, bool, type(None)}
