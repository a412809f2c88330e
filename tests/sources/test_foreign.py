"""Other tools' files as sources: OTLP and Chrome traces, whole, cut, swollen and false."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace import sources
from perftrace.analysis.reports import report
from perftrace.cli import main
from perftrace.core.record import Record
from perftrace.exceptions import SourceError
from perftrace.formats import chrome, otlp_json, otlp_proto
from perftrace.sources import limits
from perftrace.sources.files import FileSource
from tests.ids import span_id, trace_id

RECORDS = [
    Record(f"op{i}", trace_id=trace_id(1), span_id=span_id(i + 1), start=10**18 + i, duration_ns=5,
           parent_id=span_id(i or None),
           checkpoints=[("m", "", 2, {})])
    for i in range(3)
]  # fmt: skip


def as_lines():
    return b"".join(otlp_json.encode([record], {}) for record in RECORDS)


def as_document():
    return json.dumps(json.loads(otlp_json.encode(RECORDS, {})), indent=2).encode()


def as_message():
    return otlp_proto.encode(RECORDS, {})


def as_framed():
    messages = [otlp_proto.encode([record], {}) for record in RECORDS]
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


def as_chrome():
    return b"".join(chrome.encode(RECORDS))


def as_chrome_array():
    return json.dumps(json.loads(as_chrome())["traceEvents"]).encode()


FORMS = [as_lines, as_document, as_message, as_framed, as_chrome, as_chrome_array]


@pytest.fixture
def file(tmp_path):
    def write(data):
        path = tmp_path / "file"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_it_is_told_by_its_content(form, pack, file):
    """Plain and gzipped."""
    reading = sources.open(file(pack(form())))
    assert [record.as_dict() for record in reading.records] == [record.as_dict() for record in RECORDS]
    assert (reading.counters.lines, reading.counters.used, reading.counters.not_understood) == (3, 3, 0)


@given(st.sampled_from(FORMS), st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_what_is_damaged_is_read_as_far_as_it_goes(tmp_path_factory, form, place, change):
    """Wherever: an error or a count, never a traceback."""
    data = form()
    place %= len(data)
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data[:place] + change + data[place + len(change) :])
    source = FileSource([str(path)])
    assert all(isinstance(record, Record) for record in source)


@pytest.mark.parametrize("form", [as_lines, as_document])
def test_a_byte_order_mark_is_passed_over(form, file):
    """As Windows writes it."""
    assert len(sources.open(file(b"\xef\xbb\xbf" + form())).records) == 3


@pytest.mark.parametrize("form", FORMS)
def test_what_is_cut_is_told_and_the_rest_read(form, file):
    """At any byte: never a traceback, and never silence."""
    data = form()
    whole = {record.name for record in RECORDS}
    for end in range(1, len(data) - 3, 7):
        source = FileSource([file(data[:end])])
        names = {record.name for record in source}
        assert names <= whole
        is_told = source.errors or source.counters.not_understood or not source.counters.used
        assert names == whole or is_told or ends_well(form, data[:end])


def ends_well(form, data):
    """Tell whether nothing in what is left of a file shows that there was more."""
    if form is as_framed:
        while len(data) >= 4:
            data = data[4 + int.from_bytes(data[:4], "big") :]
        return data == b""
    if form is as_lines:
        documents = data.splitlines()
    else:
        documents = [data.rstrip(b", \n") + (b"]" if form is as_chrome_array else b"]}")]
    try:
        return bool([json.loads(document) for document in documents])
    except ValueError:
        return False


def test_an_array_without_its_end_is_whole(file):
    """Its writer was killed; the format allows that."""
    text = as_chrome_array()[:-1]
    for end in (b"", b",", b",\n"):
        assert len(sources.open(file(text + end)).records) == 3


def test_a_damaged_first_line_costs_itself_alone(file):
    """It is no reason to take the file for one document."""
    lines = as_lines().splitlines(keepends=True)
    source = FileSource([file(lines[0][:-40] + b"\n" + b"".join(lines[1:]))])
    assert [record.name for record in source] == ["op1", "op2"]
    assert source.counters.first_not_understood == [(source._paths[0], 1)]  # noqa: SLF001


def test_lines_of_other_signals_are_passed_over(file):
    """A collector writes all signals to one file."""
    source = FileSource(
        [file(b'{"resourceLogs":[]}\n' + as_lines() + b'{"resourceMetrics":[]}\n{"x":1}\n[]\nnonsense\n')]
    )
    assert len(list(source)) == 3
    assert (source.counters.not_understood, source.counters.first_not_understood[0][1]) == (3, 6)


@pytest.mark.parametrize(
    "data",
    [
        b'{"resourceSpans": 5}', b'{"resourceSpans": [5]}', b'{"traceEvents": 5}', b'{"traceEvents": {}}',
        b'[{"ph": "' + b"[" * 100_000, b'{"resourceSpans":' + b"[" * 100_000, b'{"traceEvents":[' + b'{"a":' * 100_000,
        b"\x0a\x05\x0a\x00\x00\x00\x00\xff\xff", b"\x00\x00\x00\xff\x0a\x05\x0a\x03",
        b"\x0a\xff\xff\xff\xff\x0f\x0a\x00",
    ],
)  # fmt: skip
def test_what_it_is_not_is_told(data, file):
    """One line that says why, or a count; no record."""
    source = FileSource([file(data)])
    assert list(source) == []
    assert source.errors or source.counters.not_understood


def test_a_span_without_ids_is_counted(file):
    """The others are read."""
    message = otlp_proto.messages().Request.FromString(as_message())
    message.resource_spans[0].scope_spans[0].spans[1].span_id = b""
    source = FileSource([file(message.SerializeToString())])
    assert [record.name for record in source] == ["op0", "op2"]
    assert source.counters.not_understood == 1


@pytest.mark.parametrize("beginning", [b'{"resourceSpans":[], "x": "', b'[{"ph":"X","name":"', as_message()])
def test_a_bomb_is_refused(beginning, file):
    """A gzipped file that inflates a thousandfold, before it fills the memory."""
    data = gzip.compress(beginning + b"a" * (64 << 20))
    with pytest.raises(SourceError, match="inflates to more than 200 times its size: refused"):
        sources.open(file(data))


@pytest.mark.parametrize("form", FORMS)
def test_what_would_have_to_be_held_whole_is_bounded(form, file, monkeypatch):
    """Of a plain file, too."""
    monkeypatch.setattr(limits, "MAX_DOCUMENT", 200)
    with pytest.raises(SourceError, match="held whole: refused"):
        sources.open(file(form()))


def test_what_has_not_ended_is_unfinished(file):
    """A beginning without an end, in each tool's way."""
    open_event = {"ph": "B", "name": "open", "ts": 1, "pid": 1, "tid": 1}
    reading = sources.open(file(json.dumps([open_event]).encode()))
    assert [record.name for record in reading.unfinished] == ["open"]
    reading = sources.open(
        file(otlp_json.encode([Record("open", trace_id=trace_id(1), span_id=span_id(1), start=5, outcome=None)], {}))
    )
    assert [record.name for record in reading.unfinished] == ["open"]
    assert reading.records == []


def events(*given):
    """Make Chrome's trace events of `phase name microseconds`."""
    found = []
    for text in given:
        phase, name, time = text.split()
        found.append({"ph": phase, "cat": "c", "id": "0x0", "name": name, "ts": int(time), "pid": 1, "tid": 1})
    return found


def taken(records):
    return sorted((record.name, record.outcome, record.duration_ns // 1000) for record in records)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["b load 0", "b inner 10", "e load 30", "e inner 100"], [("inner", "ok", 90), ("load", "ok", 30)]),
        (["B outer 0", "B inner 10", "E outer 50"], [("inner", None, 0), ("outer", "ok", 50)]),
        (["B a 0", "B a 10", "E a 20", "E a 30"], [("a", "ok", 10), ("a", "ok", 30)]),
        (["B a 0", "E b 10", "E a 30"], [("a", "ok", 30)]),
    ],
)
def test_ends_of_chromes_events_are_paired_by_their_names(file, given, wanted):
    """As Perfetto does; one that lost its end has not ended, and an end of nothing is not understood."""
    source = FileSource([file(json.dumps({"traceEvents": events(*given)}).encode())])
    assert taken([*source, *source.unfinished]) == wanted
    assert source.counters.not_understood == (given[1] == "E b 10")


def test_trace_events_may_come_late_in_their_object(file):
    """Behind metadata of any size."""
    text = json.dumps({"metadata": {"note": "x" * 300_000}, "traceEvents": events("B a 0", "E a 30")})
    assert taken(FileSource([file(text.encode())])) == [("a", "ok", 30)]


def test_a_file_without_spans_says_what_it_holds(file, capsys):
    """Instants, log records; and whose format is not read at all."""
    for text, told in (
        (json.dumps(events("i mark 1", "C memory 2", "C memory 3")), "no spans; it holds 1 instants, 2 counters"),
        ('{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{}]}]}]}', "no spans; it holds 2 log records"),
        ('{"data":[{"traceID":"1","spans":[]}]}', "the JSON of Jaeger is not read: export the traces as OTLP"),
        ('[{"traceId":"1","id":"2","name":"get","timestamp":1,"duration":2}]', "the JSON of Zipkin is not read"),
        ('{"batches":[{"resource":{}}]}', "the JSON of Tempo is not read"),
    ):
        path = file(text.encode())
        assert main(["report", path, "--language", "en"]) == 2
        assert capsys.readouterr().err.startswith(f"perftrace: {path}: {told}")


def test_spans_of_old_scopes_and_late_events_are_read(file):
    """`instrumentationLibrarySpans`; an event after the end of its span is at its end."""
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00000000000000a1", "name": "order",
            "startTimeUnixNano": "1000", "endTimeUnixNano": "2000",
            "events": [{"timeUnixNano": "1500", "name": "read"},
                       {"timeUnixNano": "9000", "name": "logged"}]}  # fmt: skip
    old = {"instrumentationLibrarySpans": [{"instrumentationLibrary": {"name": "l"}, "spans": [span]}]}
    (record,) = FileSource([file(json.dumps({"resourceSpans": [old]}).encode())])
    assert [(mark.name, mark.elapsed_ns) for mark in record.checkpoints] == [("read", 500), ("logged", 1000)]


def test_own_time_of_imported_traces_and_of_shared_spans(file, tmp_path, capsys):
    """By wall time where there is no monotonic one, compacted or not; client and server count both."""

    def span(name, identity, parent, start, end):
        return {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": f"{identity:016x}", "name": name,
                "parentSpanId": f"{parent:016x}" if parent else "", "startTimeUnixNano": str(10**18 + start),
                "endTimeUnixNano": str(10**18 + end)}  # fmt: skip

    spans = [span("order", 1, 0, 0, 100), span("read", 2, 1, 0, 50), span("write", 3, 1, 50, 100),
             span("GET /order", 1, 0, 10, 90)]  # fmt: skip
    path = file(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode())
    found = report(FileSource([path]).reading())
    own = {one.name: round((one.self or 0) * 1e9) for one in found.operations}
    assert (own["read"], own["write"], found.duplicates) == (50, 50, 0)
    assert {one.name: one.count for one in found.operations} == {"order": 1, "read": 1, "write": 1, "GET /order": 1}
    store = str(tmp_path / "traces")
    assert main(["import", path, "--to", f"store:{store}"]) == 0
    assert main(["store", "compact", store]) == 0
    capsys.readouterr()
    assert main(["report", store, "--json"]) == 0
    operations = json.loads(capsys.readouterr().out)["operations"]
    assert {one["name"]: round(one["self"] * 1e9) for one in operations} == own
