"""Where ids come from."""

import os
import random

import pytest

from perftrace.core.ids import RandomIds


def test_ids_have_the_sizes_that_traceparent_needs():
    """A span id fits in 64 bits, a trace id in 128, and neither is the invalid zero."""
    ids = RandomIds()
    for _ in range(1000):
        assert 0 < ids.span_id() < 2**64
        assert 0 < ids.trace_id() < 2**128


def test_seeding_the_random_module_does_not_repeat_ids():
    """A program that seeds `random` for its own ends still gets unique ids."""
    ids = RandomIds()
    random.seed(1)
    first = ids.span_id()
    random.seed(1)
    assert ids.span_id() != first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_makes_other_ids():
    """After `reseed` in a child, parent and child go different ways."""
    ids = RandomIds()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        ids.reseed()
        os.write(writer, ids.span_id().to_bytes(8, "big"))
        os._exit(0)
    os.waitpid(child, 0)
    assert int.from_bytes(os.read(reader, 8), "big") != ids.span_id()
    os.close(reader)
    os.close(writer)
