"""Records."""

import pickle

import pytest

import perftrace
from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES
from tests.ids import span_id, trace_id


def test_a_record_with_checkpoints_can_be_pickled():
    """As other processes need it; checkpoints without attributes share an empty mapping, which cannot be."""
    marks = [("x", "", 1, NO_ATTRIBUTES), ("y", "", 2, {"n": 1})]
    record = Record("a", checkpoints=marks, attributes={"k": "v"}, trace_id=trace_id(3), span_id=span_id(4))
    assert pickle.loads(pickle.dumps(record)) == record


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trace_id", "-1"), ("trace_id", "f" * 40), ("trace_id", "0x" + "1" * 30), ("trace_id", "1" * 31 + "_"),
        ("span_id", "1" * 15), ("span_id", "xyz"), ("parent_id", "１" * 16), ("parent_id", " " * 16),
    ],
)  # fmt: skip
def test_an_id_that_is_none_is_named(field, value):
    """With what it should be."""
    with pytest.raises(ValueError, match=rf"{field} must be \d+ hexadecimal digits, not "):
        Record("a", **{field: value})


def test_an_id_of_zeros_is_no_id():
    """As W3C Trace Context has it."""
    record = Record("a", trace_id="0" * 32, span_id="0" * 16, parent_id="0" * 16)
    assert (record.trace_id, record.span_id, record.parent_id) == ("", "", None)


def test_a_changed_copy_stays_where_its_trace_entered_the_process(records):
    """Else wrappers that wait for that one would wait for ever."""
    with perftrace.operation("a", parent=perftrace.Link("1" * 32, "2" * 16)):
        pass
    (record,) = records
    assert record.is_local_root
    assert record.replace().is_local_root
    assert record.replace(done="x", attributes={"a": 1}).is_local_root
    assert not record.replace(parent_id="3" * 16).is_local_root
    assert record.replace(parent_id=None).is_local_root


def test_a_record_keeps_attributes_of_its_own():
    """Not those of whoever made it."""
    attributes = {"a": 1}
    record = Record("x", attributes=attributes)
    attributes["a"] = 2
    assert record.attributes == {"a": 1}
