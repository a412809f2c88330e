"""Records."""

import pickle

from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES
from tests.ids import span_id, trace_id


def test_a_record_with_checkpoints_can_be_pickled():
    """As other processes need it; checkpoints without attributes share an empty mapping, which cannot be."""
    marks = [("x", "", 1, NO_ATTRIBUTES), ("y", "", 2, {"n": 1})]
    record = Record("a", checkpoints=marks, attributes={"k": "v"}, trace_id=trace_id(3), span_id=span_id(4))
    assert pickle.loads(pickle.dumps(record)) == record
