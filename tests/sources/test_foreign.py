"""Other tools' files as sources: OTLP and Chrome traces, whole, cut, swollen and false."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace import sources
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
