"""Records as JSON lines."""

import contextlib
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace.core.events import Link
from perftrace.core.record import Record
from perftrace.exceptions import NewerVersionError
from perftrace.formats import jsonl
from perftrace.formats.jsonl import decode, encode
from tests.ids import span_id, trace_id

EXAMPLE = (
    '{"v":1,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","parent_id":null,'
    '"operation_id":"button_click_12345_00f067aa0ba902b7","name":"button_click","key":"12345",'
    '"description":"用户 12345 点击按钮","start":1757421666864000000,"start_mono":81234000000,"duration_ns":115000000,'
    '"outcome":"ok","checkpoints":[{"name":"get_user","description":"获取用户信息","elapsed_ns":51000000}],'
    '"attributes":{"size":"large"},"running_ns":9000000,"inner_ns":0,"steps":5,"longest_step_ns":4000000,'
    '"pid":4242,"thread":"MainThread","task":"Task-7","sequence":17}'
)


def test_the_written_form_of_the_design():
    """Read and written again it is the same, but for a zero that the reader supplies."""
    record = decode(EXAMPLE)
    assert (record.operation_id, record.given_id, record.key) == ("button_click_12345_00f067aa0ba902b7", None, "12345")
    assert (record.running_ns, record.longest_step_ns, record.task) == (9000000, 4000000, "Task-7")
    assert encode(record).decode() == EXAMPLE + "\n"


def test_what_is_empty_is_left_out_and_comes_back_as_default():
    """Only the version, name, id, parent, duration and outcome are always there."""
    record = Record("a", span_id=span_id(1))
    assert set(json.loads(encode(record))) == {
        "v", "span_id", "parent_id", "operation_id", "name", "duration_ns", "outcome",
    }  # fmt: skip
    assert decode(encode(record)) == record


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
whole = st.integers(0, 2**63 - 1)


optional = st.none() | texts.filter(bool)
marks = st.tuples(texts, texts, whole, st.dictionaries(texts, scalars, max_size=2))
records = st.builds(
    Record,
    texts.filter(bool),
    trace_id=st.integers(1, 2**128 - 1).map(trace_id) | st.just(""),
    span_id=st.integers(1, 2**64 - 1).map(span_id) | st.just(""),
    parent_id=st.none() | st.integers(1, 2**64 - 1).map(span_id),
    given_id=optional,
    description=texts,
    key=optional,
    key_name=optional,
    done=optional,
    start=whole,
    start_mono=whole,
    duration_ns=whole,
    outcome=st.sampled_from(["ok", "error", "cancelled", "closed", "abandoned", None]),
    error_type=optional,
    error=optional,
    attributes=st.dictionaries(texts, scalars, max_size=3),
    slow=st.booleans(),
    checkpoints=st.lists(marks, max_size=3),
    running_ns=whole,
    inner_ns=whole,
    steps=whole,
    longest_step_ns=whole,
    link=st.none() | st.just(Link("0" * 31 + "1", "0" * 15 + "2")),
    process=st.sampled_from(["", "00000000000000aa"]),
    pid=whole,
    thread=texts,
    task=optional,
    sequence=whole,
    start_seen=st.booleans(),
    weight=st.sampled_from([1.0, 20.0, 1 / 0.3]),
)


@given(records)
def test_every_record_comes_back_from_one_line(record):
    """Whatever its texts hold."""
    line = encode(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line).as_dict() == record.as_dict()


@given(records)
def test_without_msgspec_the_same_is_written(record):
    """Only slower; numbers may be spelt in another way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_dump", lambda: jsonl._dump_plainly)  # noqa: SLF001
        line = encode(record)
        patch.setattr(jsonl, "_loader", lambda: json.loads)
        assert decode(line).as_dict() == record.as_dict()
    assert json.loads(line) == json.loads(encode(record))
    assert list(json.loads(line)) == list(json.loads(encode(record)))


class Text(str):
    """A text of one's own."""

    __slots__ = ()


def test_what_is_no_unicode_or_no_plain_data_is_written_as_what_every_reader_takes():
    """No JSON parser but Python's takes half a surrogate pair; DuckDB and pandas refuse the whole file."""
    record = Record("a\ud800", key="\udfff", attributes={"\udc00": "\\", "big": 2**70, "own": Text("t")})
    line = encode(record)
    assert msgspec.json.decode(line)["name"] == "a\\ud800"
    again = decode(line)
    assert (again.name, again.key, again.given_id) == ("a\\ud800", "\\udfff", None)
    assert again.attributes == {"\\udc00": "\\", "big": 2**70, "own": "t"}


def test_numbers_that_json_has_not_are_text():
    """The line stays valid JSON."""
    record = Record("a", attributes={"n": math.nan, "i": -math.inf}, checkpoints=[("x", "", 1, {"n": math.inf})])
    again = decode(encode(record))
    assert again.attributes == {"n": "nan", "i": "-inf"}
    assert again.checkpoints[0].attributes == {"n": "inf"}


def test_unknown_keys_are_ignored_and_nested_attributes_are_text():
    """Writers to come, and other tools."""
    record = decode('{"v":1,"name":"a","duration_ns":5,"weight":3,"attributes":{"x":[1,{"y":2}]}}')
    assert record.attributes == {"x": '[1, {"y": 2}]'}


def test_a_version_to_come_is_told_apart():
    """From what is damaged."""
    with pytest.raises(NewerVersionError, match="version 2"):
        decode('{"v":2,"name":"a"}')


def record_with(**fields):
    return json.dumps({"v": 1, "name": "a", "duration_ns": 1, **fields})


@pytest.mark.parametrize(
    "line",
    [
        *("", "{", "5", "null", "[]", "{}", '{"v":1}', "[" * 100_000, EXAMPLE[:-9], b"\xff\xfe"),
        *(record_with(v=v) for v in ("1", True, None, 0, 1.0)),
        *(record_with(duration_ns=d) for d in ("x", 1.5, None, True, 2**63)),
        *(record_with(start=s) for s in (2**63, -(2**63) - 1)),
        *(record_with(span_id=s) for s in ("xyz", "0" * 15, "0" * 17, "G" * 16, "A" * 16, 5)),
        *(record_with(checkpoints=c) for c in (5, [5], [{}], [{"name": "x", "elapsed_ns": "1"}])),
        *(record_with(**{name: value}) for name, value in [("name", 5), ("outcome", "great"), ("outcome", [])]),
        *(record_with(**{name: value}) for name, value in [("attributes", []), ("link", {}), ("link", 5)]),
    ],
)
def test_what_is_no_record_is_a_value_error(line):
    """And no other exception."""
    with pytest.raises(ValueError):  # noqa: PT011  # the texts are json's own
        decode(line)


@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=10), st.text())
def test_a_damaged_line_never_raises_anything_else(value, key):
    """Any value at any key."""
    fields = {**json.loads(EXAMPLE), key: value, "name": value}
    with contextlib.suppress(ValueError):
        decode(json.dumps(fields))
