"""Records appended to a file as JSON lines."""

import contextlib
import os
import stat
import subprocess
import sys
import threading

import pytest

import perftrace
from perftrace import sources
from perftrace.formats.jsonl import decode
from perftrace.sinks.jsonlines import JsonLinesSink
from tests.conftest import TIMEOUT


def trace(name="a"):
    with perftrace.operation(name):
        perftrace.checkpoint("x")


def test_what_is_traced_is_read_back(tmp_path):
    """The same records as in memory; a second run appends."""
    path = tmp_path / "perf.jsonl"
    for _ in range(2):
        perftrace.configure(sinks=["memory", f"jsonl:{path}"])
        trace()
    reading = sources.open(str(path))
    assert reading.records[1:] == perftrace.records()
    assert (reading.counters.used, len(reading.records)) == (2, 2)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_torn_tail_of_a_killed_process_stays_alone(tmp_path):
    """The next line starts on a line of its own."""
    path = tmp_path / "perf.jsonl"
    path.write_bytes(b'{"v":1,"name":"torn","durat')
    perftrace.configure(sinks=[f"jsonl:{path}"])
    trace()
    trace()
    _, *lines = path.read_bytes().splitlines()
    assert [decode(line).name for line in lines] == ["a", "a"]
    reading = sources.open(str(path))
    assert (len(reading.records), reading.counters.not_understood) == (2, 1)


def test_after_close_records_are_counted_as_lost(tmp_path):
    """Nothing reaches the traced code."""
    sink = JsonLinesSink(tmp_path / "perf.jsonl")
    perftrace.configure(sinks=[sink])
    sink.close(1)
    trace()
    assert perftrace.stats()["sinks"][0]["dropped"] == {"error": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX limits")
def test_a_full_disk_loses_whole_lines_and_no_more(tmp_path):
    """What did not fit is counted; what is written later stands on lines of its own."""
    path = tmp_path / "perf.jsonl"
    code = f"""
import perftrace, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
perftrace.configure(sinks=["jsonl:{path}"])
def trace():
    with perftrace.operation("a"): pass
trace()
import os
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat("{path}").st_size + 20, hard))
for _ in range(3): trace()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
for _ in range(2): trace()
counters = perftrace.stats()["sinks"][0]
assert (counters["accepted"], counters["written"], counters["dropped"]) == (6, 3, {{"error": 3}}), counters
assert perftrace.flush(1) is False
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT, capture_output=True)
    reading = sources.open(str(path))
    assert (len(reading.records), reading.counters.not_understood) == (3, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_writes_whole_lines_through_a_descriptor_of_its_own(tmp_path):
    """Both processes' records are there."""
    path = tmp_path / "perf.jsonl"
    code = f"""
import os, perftrace
perftrace.configure(sinks=["jsonl:{path}"])
child = os.fork()
for _ in range(200):
    with perftrace.operation("a", description="x" * 2000): pass
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT)
    reading = sources.open(str(path))
    assert reading.counters.not_understood == 0
    assert len({record.pid for record in reading.records}) == 2
    assert len({record.span_id for record in reading.records}) == 400


def test_a_file_that_was_removed_or_rotated_is_made_again(tmp_path):
    """As a log's handler does for logrotate; nothing goes to a file that nobody sees."""
    path = tmp_path / "perf.jsonl"
    perftrace.configure(sinks=[f"jsonl:{path}"])
    trace("first")
    path.rename(tmp_path / "perf.jsonl.1")
    trace("second")
    path.unlink()
    trace("third")
    assert [r.name for r in sources.open(str(path)).records] == ["third"]
    assert [r.name for r in sources.open(str(tmp_path / "perf.jsonl.1")).records] == ["first"]
    assert perftrace.stats()["sinks"][0]["written"] == 3
    perftrace.configure(sinks=[])


def test_many_threads_and_a_rotation_lose_nothing(tmp_path):
    """Whoever opens the new file, no line goes astray."""
    path = tmp_path / "perf.jsonl"
    perftrace.configure(sinks=[f"jsonl:{path}"])
    threads = [threading.Thread(target=lambda: [trace() for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(5):
        with contextlib.suppress(FileNotFoundError):
            path.rename(tmp_path / f"{number}.jsonl")
    for thread in threads:
        thread.join()
    assert perftrace.stats()["sinks"][0]["written"] == 1600
    perftrace.configure(sinks=[])
    reading = [sources.open(str(file)) for file in tmp_path.glob("*.jsonl") if file.stat().st_size]
    assert sum(len(r.records) for r in reading) == 1600
    assert sum(r.counters.not_understood for r in reading) == 0
