"""Files of JSON lines turned into Parquet."""

import json
import os
import stat
import subprocess
import sys

import pytest

import perftrace
from perftrace import sources
from perftrace.store import compaction, parquet
from perftrace.store.compaction import compact
from perftrace.store.directory import DirectorySink
from perftrace.store.folder import contents
from tests.conftest import TIMEOUT


def write(folder, *names):
    """Let a sink of its own write a file and let go of it."""
    perftrace.configure(sinks=[DirectorySink(folder)])
    for name in names:
        with perftrace.operation(name, key=1):
            perftrace.checkpoint("x", size=3)
    perftrace.configure(sinks=[])
    return contents(folder).files[-1].path


def names_in(folder):
    return sorted(record.name for record in sources.open(str(folder)).records)


def test_what_nobody_writes_to_becomes_parquet_and_reads_the_same(tmp_path):
    """What is in use stays as it is; files that others brought stay, too."""
    write(tmp_path, "a", "b")
    write(tmp_path, "c")
    (tmp_path / "brought.jsonl").write_text('{"v":1,"name":"d","duration_ns":1}\n')
    perftrace.configure(sinks=["memory", DirectorySink(tmp_path)])
    with perftrace.operation("e"):
        pass
    before = sources.open(str(tmp_path)).records
    done = compact(tmp_path)
    assert (done.files, done.records, done.in_use, done.kept_lines, done.errors) == (2, 3, 1, 0, [])
    assert [f.path.suffix for f in contents(tmp_path).files] == [".parquet", ".parquet", ".jsonl", ".jsonl"]
    after = sources.open(str(tmp_path)).records
    assert sorted(after, key=lambda r: r.name) == sorted(before, key=lambda r: r.name)
    assert all(stat.S_IMODE(f.path.stat().st_mode) == 0o600 for f in contents(tmp_path).files if f.is_own)
    assert compact(tmp_path).files == 0


def test_what_is_no_record_stays_beside_it(tmp_path):
    """Lines of versions to come above all: a newer perftrace will read them."""
    path = write(tmp_path, "a", "b")
    newer = b'{"v":2,"name":"of tomorrow"}\n'
    path.write_bytes(path.read_bytes() + newer + b'\n\xff\xfe\n{"v":1,"name":"torn')
    done = compact(tmp_path)
    assert (done.files, done.records, done.kept_lines) == (1, 2, 3)
    kept = path.with_name(f"{path.stem}.kept.jsonl")
    assert kept.read_bytes() == newer + b'\xff\xfe\n{"v":1,"name":"torn\n'
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    reading = sources.open(str(tmp_path))
    assert (len(reading.records), reading.counters.not_understood) == (2, 3)
    assert compact(tmp_path) == compaction.Compacted()
    assert kept.exists()


def test_what_never_ended_is_no_finished_run_after_it_either(tmp_path):
    """As in the lines."""
    path = write(tmp_path, "u")
    path.write_bytes(path.read_bytes().replace(b'"outcome":"ok"', b'"outcome":null'))
    assert compact(tmp_path).records == 1
    reading = sources.open(str(tmp_path))
    assert ([r.name for r in reading.unfinished], reading.records) == (["u"], [])


def test_an_empty_file_goes(tmp_path):
    """As of a process that was killed before its first record."""
    path = write(tmp_path, "a")
    path.write_bytes(b"")
    assert compact(tmp_path).files == 1
    assert list(tmp_path.iterdir()) == []


STEPS = ("replace", "unlink", "chmod", "touch")


@pytest.mark.parametrize("stop_at", range(1, 12))
def test_killed_at_any_step_each_record_is_readable_once_and_the_next_goes_on(tmp_path, stop_at):
    """At each change of the folder."""
    path = write(tmp_path, "a", "b")
    path.write_bytes(path.read_bytes() + b"no record\n")
    code = f"""
import os, pathlib, sys
from perftrace.store.compaction import compact
left = {stop_at}
def counted(name):
    original = getattr(pathlib.Path, name)
    def method(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
        return original(*arguments, **options)
    setattr(pathlib.Path, name, method)
for name in {STEPS!r}:
    counted(name)
compact(sys.argv[1])
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], timeout=TIMEOUT, check=False)
    assert names_in(tmp_path) == ["a", "b"]
    compact(tmp_path)
    assert names_in(tmp_path) == ["a", "b"]
    assert sources.open(str(tmp_path)).counters.not_understood == 1
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".jsonl", ".parquet"]


def test_a_file_that_cannot_be_turned_stays_and_is_named(tmp_path, monkeypatch):
    """The others are turned."""
    one, _ = write(tmp_path, "a"), write(tmp_path, "b")
    write_whole = parquet.write

    def write_some(lines, made):
        if one.stem in lines.name:
            raise OSError(28, "No space left on device")
        return write_whole(lines, made)

    monkeypatch.setattr(parquet, "write", write_some)
    done = compact(tmp_path)
    assert done.files == 1
    assert done.errors == [f"{one}: No space left on device"]
    assert names_in(tmp_path) == ["a", "b"]
    assert len(list(tmp_path.iterdir())) == 2


def test_without_duckdb_it_says_what_to_install(tmp_path, monkeypatch):
    """Before it touches anything."""
    write(tmp_path, "a")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'perftrace-toolkit\[store\]'"):
        compact(tmp_path)
    assert names_in(tmp_path) == ["a"]


def test_hostile_lines_do_not_stop_it(tmp_path):
    """What Python's parser takes and DuckDB's does not is written so that both do."""
    path = write(tmp_path, "a")
    fields = json.loads(path.read_bytes())
    hostile = [
        {**fields, "name": "\ud800"},
        {**fields, "attributes": {"a": {"b": ["\udfff", 1e400]}}},
        {**fields, "name": "\0\u2028", "unknown": {"x": 1}},
        {**fields, "name": "last", "description": "x" * 1_000_000},
    ]
    path.write_bytes(b"".join(json.dumps(f).encode() + b"\n" for f in hostile) + b'{"v":1,"name":"a","name":"b"}\n')
    before = [record.name.encode("utf-8", "backslashreplace").decode() for record in sources.open(str(path)).records]
    done = compact(tmp_path)
    assert (done.records, done.kept_lines, done.errors) == (4, 1, [])
    assert names_in(tmp_path) == sorted(before)
    assert os.path.exists(path.with_suffix(".parquet"))
