"""Old files dropped."""

import os
import time

import pytest

import perftrace
from perftrace import sources
from perftrace.store.compaction import compact
from perftrace.store.directory import DirectorySink
from perftrace.store.folder import contents
from perftrace.store.pruning import Pruned, parse_age, parse_size, prune


def write(folder, name, days_old=0.0):
    perftrace.configure(sinks=[DirectorySink(folder)])
    with perftrace.operation(name):
        pass
    perftrace.configure(sinks=[])
    path = contents(folder).files[-1].path
    then = time.time() - days_old * 86_400
    os.utime(path, (then, then))
    return path


def names_in(folder):
    return [record.name for record in sources.open(str(folder)).records]


def test_files_whose_newest_record_is_too_old_go(tmp_path):
    """JSON lines and Parquet alike, which keeps the age of what it was made from; what others brought stays."""
    write(tmp_path, "old, compacted", 40)
    assert compact(tmp_path).files == 1
    write(tmp_path, "old", 31)
    write(tmp_path, "new", 29)
    brought = tmp_path / "brought.jsonl"
    brought.write_text('{"v":1,"name":"brought","duration_ns":1,"outcome":"ok"}\n')
    os.utime(brought, (0, 0))
    done = prune(tmp_path, max_age=parse_age("30d"))
    assert (done.files, done.left_files, done.is_over) == (2, 1, False)
    assert names_in(tmp_path) == ["new", "brought"]


def test_the_oldest_go_until_the_rest_is_small_enough(tmp_path):
    """And no more; what is in use stays and is told."""
    size = max([write(tmp_path, f"r{n}", 10 - n).stat().st_size for n in range(5)])
    done = prune(tmp_path, max_bytes=int(size * 2.5))
    assert (done.files, done.left_files) == (3, 2)
    assert done.left_bytes == sum(file.size for file in contents(tmp_path).files)
    assert names_in(tmp_path) == ["r3", "r4"]
    perftrace.configure(sinks=[DirectorySink(tmp_path)])
    with perftrace.operation("live"):
        pass
    done = prune(tmp_path, max_bytes=0, max_age=0)
    assert (done.files, done.left_files, done.is_over) == (2, 1, True)
    assert names_in(tmp_path) == ["live"]


def test_without_limits_nothing_goes(tmp_path):
    """It only counts."""
    size = write(tmp_path, "a", 1000).stat().st_size
    assert prune(tmp_path) == Pruned(left_files=1, left_bytes=size)


def test_lines_that_a_killed_compaction_left_go_with_their_parquet(tmp_path):
    """So that no row comes back."""
    path = write(tmp_path, "a", 40)
    content = path.read_bytes()
    compact(tmp_path)
    path.write_bytes(content)
    assert len(contents(tmp_path).replaced) == 1
    assert prune(tmp_path, max_age=86_400).files == 1
    assert list(tmp_path.iterdir()) == []


def test_a_writer_keeps_to_its_limits_whenever_it_begins_a_file(tmp_path):
    """A quarter of the size a file."""
    write(tmp_path, "old", 3)
    perftrace.configure(sinks=[DirectorySink(tmp_path, max_age="2d", max_size="4KB")])
    assert names_in(tmp_path) == []
    for n in range(100):
        with perftrace.operation(f"r{n}"):
            pass
    files = contents(tmp_path).files
    assert 3 <= len(files) <= 5
    assert sum(file.size for file in files) <= 4000 + 1500
    assert names_in(tmp_path)[-1] == "r99"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 30 * 86_400), ("1.5h", 5400), ("90m", 5400), ("10 s", 10), ("2W", 14 * 86_400)]
)
def test_ages(text, seconds):
    """In the units that one writes."""
    assert parse_age(text) == seconds


@pytest.mark.parametrize(("text", "size"), [("1GB", 10**9), ("1.5kb", 1500), ("2MiB", 2 << 20), ("7b", 7)])
def test_sizes(text, size):
    """Decimal and binary."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "1e3d", "１d", "nan d", "inf s"])
def test_what_is_no_age_says_how_one_is_written(text):
    """With an example."""
    with pytest.raises(ValueError, match="such as 30d"):
        parse_age(text)
    with pytest.raises(ValueError, match="such as 1GB"):
        DirectorySink("never made", max_size=text)
