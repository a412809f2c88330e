"""Which process wrote a record: its number may be another's in the next container."""

import json
import os
import subprocess
import sys

import pytest

import perftrace
from perftrace.analysis.reports import report
from perftrace.analysis.trees import Forest
from perftrace.core.record import Record, is_same_process
from perftrace.sources.base import Reading
from tests.conftest import TIMEOUT
from tests.ids import span_id, trace_id

MS = 1_000_000


def test_all_records_of_a_process_name_it(records):
    """In every thread, by the same 16 digits."""
    with perftrace.operation("a"), perftrace.operation("b"):
        pass
    (process,) = {record.process for record in records}
    assert len(process) == 16
    assert int(process, 16) > 0
    assert records[0].replace(name="c").process == process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_is_another(tmp_path):
    """As are two runs of one program."""
    program = f"""
import os, perftrace
perftrace.configure(sinks=["jsonl:{tmp_path}/%d.jsonl" % os.getpid()])
with perftrace.operation("parent"): pass
if os.fork() == 0:
    perftrace.configure(sinks=["jsonl:{tmp_path}/%d.jsonl" % os.getpid()])
    with perftrace.operation("child"): pass
    perftrace.shutdown()
    os._exit(0)
os.wait()
"""
    for _ in range(2):
        subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=TIMEOUT)
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert len({json.loads(line)["process"] for line in lines}) == len(lines) == 4


def run(name, span, start, mono, duration, parent=None, **more):
    ids = {"trace_id": trace_id(1), "span_id": span_id(span), "parent_id": parent and span_id(parent)}
    times = {"start": start * MS, "start_mono": mono * MS, "duration_ns": duration * MS}
    return Record(name, **ids, **times, pid=1, **more)


@pytest.mark.parametrize("how", ["process", "host.name"])
def test_two_containers_whose_process_is_1_are_two(how):
    """By their clocks on the wall: the monotonic ones tell nothing of each other."""
    bot, service = ({"process": "a" * 16}, {"process": "b" * 16}) if how == "process" else (
        {"attributes": {"host.name": "bot"}}, {"attributes": {"host.name": "service"}})  # fmt: skip
    records = [run("handler", 1, 1000, 5, 100, **bot), run("GET", 2, 1010, 8_000_000, 50, 1, **service)]
    assert not is_same_process(*records)
    (root,) = Forest(records).roots
    assert (root.children[0].start, root.children[0].end) == (1010 * MS, 1060 * MS)
    if how == "process":
        assert {one.name: one.self for one in report(Reading(records)).operations} == {"handler": 0.1, "GET": 0.05}


def test_records_without_it_are_told_by_their_number():
    """As older ones are; one with and one without, too."""
    old, new = run("handler", 1, 1000, 5, 100), run("get", 2, 5000, 15, 50, 1, process="a" * 16)
    assert is_same_process(old, new)
    (root,) = Forest([old, new]).roots
    assert root.children[0].start == 1010 * MS
