"""What happens to a store's files while they are written."""

import os
import random
import subprocess
import sys
import time

import pytest

import perftrace
from perftrace import sources
from perftrace.formats.jsonl import encode
from perftrace.store import DirectorySink, compact
from perftrace.store.folder import contents
from tests.conftest import TIMEOUT
from tests.faults.helpers import run

WRITER = """
import perftrace, sys
perftrace.configure(sinks=["store:" + sys.argv[1]])
for n in range(100_000):
    with perftrace.operation("a", key=n):
        pass
    if n % 500 == 499:
        assert perftrace.flush(30)
        sys.stdout.write(f"{n + 1}\\n")
        sys.stdout.flush()
"""


@pytest.fixture
def records(tmp_path):
    """Make records; they are gone from the sinks."""
    perftrace.configure(sinks=["memory"])
    for n in range(20):
        with perftrace.operation("用户", key=n):
            perftrace.checkpoint("x", note="é" * n)
    made = perftrace.records()
    perftrace.configure(sinks=[])
    return made


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_a_random_moment_all_that_was_acknowledged_is_there(tmp_path, seed):
    """And at most one line is torn; compacting changes nothing of that."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
    acknowledged = [process.stdout.readline()]  # from here on it writes
    time.sleep(random.Random(seed).uniform(0, 0.6))  # the moment is the test
    process.kill()
    acknowledged += process.communicate(timeout=TIMEOUT)[0].splitlines()
    promised = int([line for line in acknowledged if line.strip()][-1])
    for _ in range(2):
        reading = sources.open(str(tmp_path))
        keys = sorted(int(record.key) for record in reading.records)
        assert keys == list(range(len(keys)))
        assert len(keys) >= promised
        assert reading.counters.not_understood <= 1
        compact(tmp_path)


def test_cut_at_each_byte_of_the_last_records_the_others_are_whole(tmp_path, records):
    """What comes after the cut stands on a line of its own."""
    lines = [encode(record) for record in records[:4]]
    path = tmp_path / "perf.jsonl"
    head = b"".join(lines[:2])
    whole = head + lines[2] + lines[3]
    for end in range(len(head), len(whole) + 1):
        path.write_bytes(whole[:end])
        perftrace.configure(sinks=[f"jsonl:{path}"])
        with perftrace.operation("next"):
            pass
        perftrace.configure(sinks=[])
        reading = sources.open(str(path))
        # A line that lacks but its LF is whole: it is read as the others are.
        done = 2 + (end >= len(head + lines[2]) - 1) + (end >= len(whole) - 1)
        assert [r.name for r in reading.records] == ["用户"] * done + ["next"]
        assert reading.counters.lines == reading.counters.used + reading.counters.not_understood


def test_flipped_bits_cost_the_lines_they_are_in_and_no_others(tmp_path, records):
    """Read, compacted and read again: no exception, and every line is accounted for."""
    chance = random.Random(7)
    for round_ in range(60):
        folder = tmp_path / str(round_)
        sink = DirectorySink(folder)
        sink.batch(records)
        sink.close(1)
        (file,) = contents(folder).files
        content = bytearray(file.path.read_bytes())
        for _ in range(3):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.path.write_bytes(content)
        before = sources.open(str(folder))
        assert len(before.records) + len(before.unfinished) >= len(records) - 6
        done = compact(folder)
        assert done.errors == []
        after = sources.open(str(folder))
        assert sorted(map(encode, after.records)) == sorted(map(encode, before.records))
        assert after.counters.not_understood == before.counters.not_understood


def test_a_file_made_read_only_is_written_on(tmp_path):
    """The descriptor is open; and a folder made read-only stops only what needs another file."""
    sink = DirectorySink(tmp_path, file_bytes=1)
    perftrace.configure(sinks=[sink])
    try:
        for name in ("a", "b"):
            with perftrace.operation(name):
                pass
            for file in contents(tmp_path).files:
                os.chmod(file.path, 0o400)
        assert perftrace.flush(5)
    finally:
        perftrace.configure(sinks=[])
    assert [r.name for r in sources.open(str(tmp_path)).records] == ["a", "b"]


def test_a_bot_writes_while_others_read_prune_and_compact(tmp_path):
    """No record is lost and none is there twice, at any moment."""
    writer = """
from perftrace.pipeline import Background
from perftrace.store import DirectorySink
perftrace.configure(sinks=[Background(DirectorySink(sys.argv[1], file_bytes=20_000))])
for n in range(8_000):
    with perftrace.operation("a", key=n):
        pass
    if n % 100 == 0:
        time.sleep(0.01)
assert perftrace.shutdown(30)
"""
    compactor = """
from perftrace.store import compact, prune
stop = sys.argv[2]
while not os.path.exists(stop):
    done = compact(sys.argv[1])
    assert done.errors == [], done
    prune(sys.argv[1], max_age=3600.0)
compact(sys.argv[1])
"""
    folder, stop = tmp_path / "store", tmp_path / "stop"
    DirectorySink(folder).close(1)
    head = "import perftrace, os, sys, time\n"
    writers = [subprocess.Popen([sys.executable, "-c", head + writer, folder]) for _ in range(2)]
    compactors = [subprocess.Popen([sys.executable, "-c", head + compactor, folder, stop]) for _ in range(2)]
    try:
        least, rounds = 0, 0
        while any(process.poll() is None for process in writers):
            if not contents(folder).files:
                continue
            rounds += 1
            reading = sources.open(str(folder))
            spans = [record.span_id for record in reading.records]
            assert len(spans) == len(set(spans))
            assert len(spans) >= least
            least = len(spans)
    finally:
        stop.touch()
        for process in (*writers, *compactors):
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
    assert [process.returncode for process in (*writers, *compactors)] == [0] * 4
    assert rounds > 3
    assert len({r.span_id for r in sources.open(str(folder)).records}) == 16_000
    assert all(not file.is_lines for file in contents(folder).files)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX limits")
def test_a_disk_that_is_full_again_and_again_merges_no_lines(tmp_path):
    """Each time what does not fit is counted, and writing goes on when there is room."""
    out = run(
        """
import glob, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
perftrace.configure(sinks=["store:" + sys.argv[1]])
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
(path,) = glob.glob(sys.argv[1] + "/*")
for round_ in range(20):
    size = os.stat(path).st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 700 + 37 * round_, hard))
    for n in range(10):
        with perftrace.operation("a"):
            pass
    perftrace.flush(10)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
with perftrace.operation("last"):
    pass
assert perftrace.flush(10)
print(check_counters()["written"])
""",
        tmp_path,
    )
    reading = sources.open(str(tmp_path))
    assert len(reading.records) == int(out)
    assert reading.records[-1].name == "last"
    assert reading.counters.not_understood <= 20
