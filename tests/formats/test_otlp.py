"""Records as spans and back: both wire forms, other libraries' spans, hostile texts."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from perftrace.core.events import Link
from perftrace.core.record import Record
from perftrace.formats import otlp_json, otlp_proto
from perftrace.formats.otlp import record_of, resource_of, span_of
from tests.ids import span_id, trace_id

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
OURS = ("perftrace.key", "perftrace.outcome", "perftrace.attribute.a")
NAMES = TEXTS | st.sampled_from(["", "error.type", "thread.name", "span.kind", "user_id", *OURS])
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | NAMES
WHOLE = st.integers(0, 2**62)
OPTIONAL = st.none() | NAMES
RECORDS = st.builds(
    Record,
    TEXTS,
    trace_id=st.integers(1, 2**128 - 1).map(trace_id),
    span_id=st.integers(1, 2**64 - 1).map(span_id),
    parent_id=st.none() | st.integers(1, 2**64 - 1).map(span_id),
    given_id=OPTIONAL,
    description=TEXTS,
    key=OPTIONAL,
    key_name=OPTIONAL,
    done=OPTIONAL,
    start=WHOLE,
    start_mono=WHOLE,
    duration_ns=st.integers(0, 2**62),
    outcome=st.sampled_from(["ok", "error", "cancelled", "closed", "abandoned"]),
    error_type=OPTIONAL,
    error=OPTIONAL,
    attributes=st.dictionaries(NAMES, SCALARS, max_size=4),
    slow=st.booleans(),
    checkpoints=st.lists(st.tuples(NAMES, TEXTS, WHOLE, st.dictionaries(NAMES, SCALARS, max_size=2)), max_size=3),
    running_ns=st.none() | WHOLE,
    inner_ns=WHOLE,
    steps=WHOLE,
    longest_step_ns=WHOLE,
    link=st.none() | st.just(Link("0" * 31 + "1", "0" * 15 + "2")),
    process=st.sampled_from(["", "00000000000000aa"]),
    pid=st.integers(0, 2**31),
    thread=TEXTS,
    task=OPTIONAL,
    sequence=WHOLE,
    start_seen=st.booleans(),
    weight=st.sampled_from([1.0, 20.0, 1 / 0.3]),
)


def through_json(records, resource=None):
    missed = []
    spans = otlp_json.decode(json.loads(otlp_json.encode(records, resource or {})), lambda: missed.append(1))
    found = [record_of(span) for span in spans]
    assert not missed
    return found


def through_protobuf(records, resource=None):
    return [record_of(span) for span in otlp_proto.decode(otlp_proto.encode(records, resource or {}))]


@pytest.mark.parametrize("through", [through_json, through_protobuf])
def test_every_record_comes_back(through):
    """Whatever its texts hold and its attributes are called; only a block's steps, which it has not, are not sent."""

    @given(st.lists(RECORDS, max_size=3))
    def check(records):
        again = through(records, {"service.name": "bot", "a": 1})
        pids = [record.pid for record in records]
        expected = sorted(records, key=lambda record: pids.index(record.pid))  # those of a process stand together
        assert list(map(whole_of, again)) == list(map(whole_of, expected))

    check()


def whole_of(record):
    fields = record.as_dict()
    if record.running_ns is None:
        fields.update(inner_ns=None, longest_step_ns=None, steps=0)
    return fields


def test_what_a_backend_sees():
    """The fields that OpenTelemetry has are used; ours are attributes of our own."""
    record = Record(
        "button_click", trace_id=trace_id(1), span_id=span_id(2), parent_id=span_id(3), key="7",
        key_name="user_id", description="Click", start=10**18,
        duration_ns=5_000_000, outcome="error", error_type="ValueError", error="bad", attributes={"size": "large"},
        checkpoints=[("get_user", "Ask", 1_000_000, {"hit": True})], pid=42, thread="MainThread",
    )  # fmt: skip
    [resource_spans] = json.loads(otlp_json.encode([record], {"service.name": "bot"}))["resourceSpans"]
    assert resource_spans["resource"]["attributes"] == [
        {"key": "service.name", "value": {"stringValue": "bot"}},
        {"key": "process.pid", "value": {"intValue": "42"}},
    ]
    [scope_spans] = resource_spans["scopeSpans"]
    assert scope_spans["scope"] == {"name": "perftrace"}
    [span] = scope_spans["spans"]
    attributes = {one["key"]: next(iter(one["value"].values())) for one in span.pop("attributes")}
    assert attributes == {
        "size": "large", "user_id": "7", "perftrace.key_name": "user_id", "perftrace.description": "Click",
        "error.type": "ValueError", "thread.name": "MainThread",
    }  # fmt: skip
    assert span == {
        "traceId": f"{1:032x}", "spanId": f"{2:016x}", "parentSpanId": f"{3:016x}", "flags": 1, "name": "button_click",
        "kind": 1, "startTimeUnixNano": "1000000000000000000", "endTimeUnixNano": "1000000000005000000",
        "events": [
            {
                "timeUnixNano": "1000000000001000000",
                "name": "get_user",
                "attributes": [
                    {"key": "hit", "value": {"boolValue": True}},
                    {"key": "perftrace.description", "value": {"stringValue": "Ask"}},
                ],
            }
        ],
        "status": {"code": 2, "message": "bad"},
    }  # fmt: skip


def test_the_two_forms_say_the_same():
    """Read by OpenTelemetry's own classes."""
    record = Record(
        "a",
        trace_id=trace_id(5),
        span_id=span_id(6),
        start=7,
        duration_ns=8,
        attributes={"n": 1.5, "x": None},
        checkpoints=[("m", "", 3, {})],
    )
    message = TracesData.FromString(otlp_proto.encode([record], {"service.name": "s"}))
    [span] = message.resource_spans[0].scope_spans[0].spans
    assert (span.trace_id.hex(), span.span_id.hex()) == (f"{5:032x}", f"{6:016x}")
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (7, 15)
    assert [(event.name, event.time_unix_nano) for event in span.events] == [("m", 10)]
    assert span.attributes[0].value.double_value == 1.5
    assert span.attributes[1].value.WhichOneof("value") is None


def test_half_a_surrogate_pair_becomes_its_escape():
    """No wire form has it; the span is not lost."""
    record = Record(
        "a\ud800",
        trace_id=trace_id(1),
        span_id=span_id(2),
        attributes={"\udc00": "x\udfff"},
        checkpoints=[("m\ud801", "", 1, {})],
    )
    for through in (through_json, through_protobuf):
        [again] = through([record])
        assert (again.name, dict(again.attributes)) == ("a\\ud800", {"\\udc00": "x\\udfff"})
        assert again.checkpoints[0].name == "m\\ud801"
    assert b"m\\ud801" in otlp_proto.encode_logs([record], {})


def test_a_number_beyond_64_bits_becomes_text():
    """As a file of records may hold one; the others of its batch are not lost."""
    record = Record(
        "a",
        trace_id=trace_id(1),
        span_id=span_id(2),
        attributes={"big": 2**70},
        checkpoints=[("m", "", 1, {"low": -(2**64)})],
    )
    for through in (through_json, through_protobuf):
        again, other = through([record, Record("b", trace_id=trace_id(1), span_id=span_id(3))])
        assert again.attributes == {"big": str(2**70)}
        assert again.checkpoints[0].attributes == {"low": str(-(2**64))}
        assert other.name == "b"


def test_a_record_without_ids_gets_the_same_ones_each_time():
    """A log line knows no trace; OTLP takes no span without."""
    record = Record("a", start=5, duration_ns=1, given_id="mine")
    first, second = span_of(record), span_of(record)
    assert (first.trace, first.span) == (second.trace, second.span)
    assert first.trace
    assert first.span
    assert span_of(record.replace(start=6)).span != first.span


def test_numbers_that_json_has_not_come_back():
    """As protobuf's JSON writes them."""
    record = Record("a", trace_id=trace_id(1), span_id=span_id(2), attributes={"n": math.nan, "i": -math.inf})
    for through in (through_json, through_protobuf):
        [again] = through([record])
        assert math.isnan(again.attributes["n"])
        assert again.attributes["i"] == -math.inf


def foreign(**fields):
    span = {
        "traceId": "ab" * 16, "spanId": "cd" * 8, "name": "GET /", "kind": 2,
        "startTimeUnixNano": "1000", "endTimeUnixNano": "3000", **fields,
    }  # fmt: skip
    resource = {
        "attributes": [
            {"key": name, "value": {"stringValue": value}}
            for name, value in (("service.name", "shop"), ("telemetry.sdk.name", "opentelemetry"))
        ]
    }
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "asgi"}, "spans": [span]}]}]}


def read(document):
    missed = []
    return [record_of(span) for span in otlp_json.decode(document, lambda: missed.append(1))], len(missed)


def test_another_librarys_span():
    """Kind, service and scope are attributes to group by; an exception's event tells of the error."""
    exception = {
        "timeUnixNano": "2500", "name": "exception",
        "attributes": [
            {"key": "exception.type", "value": {"stringValue": "KeyError"}},
            {"key": "exception.message", "value": {"stringValue": "'x'"}},
        ],
    }  # fmt: skip
    document = foreign(
        status={"code": 2},
        events=[exception, {"timeUnixNano": 1500, "name": "queried"}],
        attributes=[
            {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "b"}]}}},
            {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}}},
        ],
    )
    [record], missed = read(document)
    assert not missed
    assert (record.name, record.duration_ns, record.outcome) == ("GET /", 2000, "error")
    assert (record.error_type, record.error) == ("KeyError", "'x'")
    assert [(mark.name, mark.elapsed_ns) for mark in record.checkpoints] == [("queried", 500), ("exception", 1500)]
    assert record.attributes == {
        "list": '[1, "b"]', "map": '{"k": true}',
        "span.kind": "server", "service.name": "shop", "otel.scope.name": "asgi",
    }  # fmt: skip


def test_a_span_that_has_not_ended_is_unfinished():
    """Some exporters write those, too."""
    [record], _ = read(foreign(endTimeUnixNano="0"))
    assert record.outcome is None


@pytest.mark.parametrize(
    "damage",
    [
        {"traceId": "xyz"}, {"spanId": 5}, {"traceId": "0" * 32}, {"name": 5}, {"startTimeUnixNano": "x"},
        {"startTimeUnixNano": "-1"}, {"startTimeUnixNano": str(2**64)}, {"startTimeUnixNano": "9" * 5000},
        {"events": 5}, {"events": [5]}, {"attributes": {"a": 1}}, {"attributes": [{"key": 5}]}, {"status": 5},
        {"attributes": [{"key": "a", "value": {"intValue": "x"}}]}, {"links": [{}]}, {"kind": [1]},
        {"attributes": [{"key": "a", "value": {"doubleValue": "x"}}]},
    ],
)  # fmt: skip
def test_a_damaged_span_is_counted(damage):
    """And nothing raised."""
    assert read(foreign(**damage)) == ([], 1)


@given(
    st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=10),
    st.integers(0, 12),
)
def test_any_value_anywhere_is_a_span_or_a_miss(value, place):
    """Never another exception."""
    names = ("traceId", "name", "attributes", "events", "links", "status", "kind", "startTimeUnixNano", "parentSpanId")
    if place < len(names):
        records, missed = read(foreign(**{names[place]: value}))
        assert len(records) + missed == 1
    else:
        document = foreign()
        document["resourceSpans"][0][("resource", "scopeSpans", "x", "y")[place - len(names)]] = value
        read(document)


def test_null_is_the_default():
    """As protobuf's JSON has it, at any field."""
    names = ("name", "kind", "endTimeUnixNano", "attributes", "events", "links", "status", "parentSpanId", "flags")
    document = foreign(**dict.fromkeys(names))
    document["resourceSpans"][0]["resource"] = document["resourceSpans"][0]["scopeSpans"][0]["scope"] = None
    [record], missed = read(document)
    assert (record.name, record.outcome, record.parent_id, missed) == ("", None, None, 0)


def test_hostile_attributes_of_our_own_names_are_left_as_they_are():
    """Of the wrong type they are somebody else's."""
    attributes = [
        {"key": f"perftrace.{name}", "value": {"stringValue": "x"}}
        for name in ("running_ns", "steps", "weight", "slow", "outcome")
    ]  # fmt: skip
    [record], _ = read(foreign(attributes=attributes))
    assert (record.running_ns, record.steps, record.weight, record.slow, record.outcome) == (None, 0, 1.0, False, "ok")
    assert record.attributes["perftrace.running_ns"] == "x"


def test_resource_from_the_environment():
    """As OpenTelemetry's specification has it: percent-encoded; the service's own variable wins."""
    assert resource_of({}) == {"service.name": "unknown_service"}
    environment = {"OTEL_RESOURCE_ATTRIBUTES": "a=b%20c, service.name=x,broken,=y", "OTEL_SERVICE_NAME": "shop"}
    assert resource_of(environment) == {"service.name": "shop", "a": "b c"}
    assert resource_of({"OTEL_SERVICE_NAME": "\udcff"}, {"a": 2**70}) == {"service.name": "\\udcff", "a": str(2**70)}


def test_bytes_that_are_no_message_are_a_value_error():
    """Cut or of another kind."""
    whole = otlp_proto.encode([Record("a", trace_id=trace_id(1), span_id=span_id(2))], {})
    for data in (whole[:-1], b"\xff\xff", b"hello"):
        with pytest.raises(ValueError, match="no OTLP"):
            list(otlp_proto.decode(data))


@given(st.binary(max_size=60), st.integers(0, 300), st.binary(max_size=5))
def test_any_bytes_are_spans_or_a_value_error(data, place, change):
    """Random ones, and a message that was changed somewhere."""
    record = Record("a", trace_id=trace_id(1), span_id=span_id(2), attributes={"b": 1}, checkpoints=[("m", "t", 1, {})])
    message = otlp_proto.encode([record], {"s": "x"})
    for one in (data, message[:place] + change + message[place + len(change) :]):
        with contextlib.suppress(ValueError):
            for span in otlp_proto.decode(one):
                record_of(span)
