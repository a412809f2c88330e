"""Records."""

import pickle

from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES


def test_a_record_with_checkpoints_can_be_pickled():
    """As other processes need it; checkpoints without attributes share an empty mapping, which cannot be."""
    marks = [("x", "", 1, NO_ATTRIBUTES), ("y", "", 2, {"n": 1})]
    record = Record("a", checkpoints=marks, attributes={"k": "v"}, trace=3, span=4)
    assert pickle.loads(pickle.dumps(record)) == record
