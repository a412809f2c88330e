"""The trace directory, written and read."""

import json
import os
import shutil
import stat
import subprocess
import sys
import warnings

import duckdb
import msgspec
import pytest

import perftrace
from perftrace import sources
from perftrace.cli import main
from perftrace.exceptions import SourceError, StoreBusyError
from perftrace.store.compaction import compact
from perftrace.store.directory import DirectorySink
from perftrace.store.folder import claimed, contents, locked
from tests.conftest import TIMEOUT


def run(*names):
    for name in names:
        with perftrace.operation(name):
            pass


def test_what_a_bot_wrote_is_read_while_it_runs(tmp_path, capsys):
    """By the report, from the folder."""
    folder = tmp_path / "traces [1]*"
    perftrace.configure(sinks=[f"store:{folder}"])
    run("a", "b", "a")
    assert perftrace.flush(5)
    assert main(["report", "--json", str(folder)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {o["name"]: o["count"] for o in found["operations"]} == {"a": 2, "b": 1}
    run("c")
    assert perftrace.flush(5)
    assert [r.name for r in sources.open(str(folder)).records] == ["a", "b", "a", "c"]


def test_files_are_for_their_owner_and_named_by_nothing_traced(tmp_path):
    """Whatever the umask."""
    before = os.umask(0)
    try:
        perftrace.configure(sinks=[f"store:{tmp_path / 'new'}"])
        run("../evil\n")
        assert perftrace.flush(5)
    finally:
        os.umask(before)
    (file,) = (tmp_path / "new").iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    assert "evil" not in file.name


def test_each_process_has_a_file_of_its_own(tmp_path):
    """Forked ones too; nothing is written twice."""
    code = """
import os, perftrace, sys
perftrace.configure(sinks=["store:" + sys.argv[1]])
with perftrace.operation("before"):
    pass
children = []
for n in range(3):
    child = os.fork()
    if child == 0:
        with perftrace.operation(f"child{n}"):
            pass
        assert perftrace.shutdown(10)
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=TIMEOUT)
    records = sources.open(str(tmp_path)).records
    assert sorted(r.name for r in records) == ["before", "child0", "child1", "child2"]
    assert len({r.pid for r in records}) == 4


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_children_of_multiprocessing_write_all_before_they_end(tmp_path, method):
    """Though they run no `atexit`."""
    script = tmp_path / "script.py"
    script.write_text("""
import multiprocessing, perftrace, sys
perftrace.configure(sinks=["store:" + sys.argv[1]])
def work(n):
    with perftrace.operation("child"):
        pass
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    children = [context.Process(target=work, args=(n,)) for n in range(3)]
    for child in children: child.start()
    for child in children: child.join()
    with perftrace.operation("parent"):
        pass
""")
    folder = tmp_path / "traces"
    subprocess.run([sys.executable, script, folder, method], check=True, timeout=TIMEOUT)
    assert sorted(r.name for r in sources.open(str(folder)).records) == ["child"] * 3 + ["parent"]


@pytest.mark.skipif(not hasattr(os, "kill"), reason="needs POSIX signals")
def test_what_a_flush_acknowledged_survives_a_kill(tmp_path):
    """Every record is there."""
    code = """
import os, perftrace, signal, sys
perftrace.configure(sinks=["store:" + sys.argv[1]])
for n in range(500):
    with perftrace.operation("a"):
        pass
assert perftrace.flush(10)
os.write(1, b"flushed")
os.kill(os.getpid(), signal.SIGKILL)
"""
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, timeout=TIMEOUT, check=False)
    assert result.stdout == b"flushed"
    assert len(sources.open(str(tmp_path)).records) == 500


@pytest.mark.usefixtures("english")
def test_torn_damaged_newer_and_foreign_content_is_counted_and_the_rest_read(tmp_path, capsys):
    """Foreign files are not looked at."""
    perftrace.configure(sinks=[f"store:{tmp_path}"])
    run("a", "b")
    assert perftrace.flush(5)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    (tmp_path / "0-torn.jsonl").write_bytes(content[:-20])
    (tmp_path / "1-newer.jsonl").write_bytes(content.replace(b'{"v":1', b'{"v":2') + b"\xff\xfe\n")
    (tmp_path / "notes.txt").write_text("foreign")
    assert main(["report", "--json", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (sum(o["count"] for o in found["operations"]), found["duplicates"]) == (2, 1)
    assert (found["source"]["newer"], found["source"]["skipped"]) == (2, [str(tmp_path / "notes.txt")])
    assert err == (
        "perftrace: 2 lines were written by a newer perftrace; upgrade to read them\n"
        f"perftrace: passed over, as they hold no records: {tmp_path / 'notes.txt'}\n"
    )
    assert (found["source"]["used"], found["source"]["not_understood"]) == (3, 4)
    assert found["source"]["first_not_understood"][0] == {"file": str(tmp_path / "0-torn.jsonl"), "line": 2}


def test_a_folder_gives_what_can_be_read_with_the_errors_beside(tmp_path):
    """As the commands do; where nothing can be, it is an error."""
    perftrace.configure(sinks=[f"store:{tmp_path}"])
    run("a", "b")
    assert perftrace.flush(5)
    (tmp_path / "0-cut.parquet").write_bytes(b"PAR1 and no more")
    reading = sources.open(str(tmp_path))
    assert [record.name for record in reading.records] == ["a", "b"]
    (error,) = reading.errors
    assert error.startswith(f"{tmp_path / '0-cut.parquet'}: no Parquet file, or a damaged one")
    for path in tmp_path.glob("*.jsonl"):
        path.unlink()
    with pytest.raises(SourceError, match="no Parquet file, or a damaged one"):
        sources.open(str(tmp_path))


@pytest.mark.parametrize("kind", ["jsonl", "perfetto", "otlp-json", "store"])
def test_a_relative_path_is_where_the_process_was_at_configure(kind, tmp_path, monkeypatch):
    """Whatever directory it changes to, and a forked child after it."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    perftrace.configure(sinks=[f"{kind}:traces"])
    monkeypatch.chdir("elsewhere")
    run("a")
    if hasattr(os, "fork"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork where there are threads
            child = os.fork()
        if not child:
            run("b")
            perftrace.shutdown(5)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert perftrace.shutdown(5)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "traces").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX limits")
def test_a_full_disk_loses_what_does_not_fit_and_counts_it_to_the_record(tmp_path):
    """Batches are cut inside a line; when there is room again, lines stand on their own."""
    code = """
import glob, os, perftrace, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
perftrace.configure(sinks=["store:" + sys.argv[1]])
def run(count):
    for n in range(count):
        with perftrace.operation("a"):
            pass
    return perftrace.flush(10)
assert run(10)
(path,) = glob.glob(sys.argv[1] + "/*")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.stat(path).st_size * 3.55), hard))
assert not run(100)
assert not run(10)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert run(10)
counters = perftrace.stats()["sinks"][0]
assert counters["accepted"] == 130 and counters["pending"] == 0, counters
print(counters["written"], counters["dropped"]["error"])
"""
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, timeout=TIMEOUT, check=True)
    written, lost = map(int, result.stdout.split())
    reading = sources.open(str(tmp_path))
    assert (len(reading.records), reading.counters.not_understood) == (written, 1)
    assert written + lost == 130
    assert 20 < written < 60


def test_a_path_that_cannot_be_a_store_is_refused_at_once(tmp_path):
    """And the former sinks stay."""
    file = tmp_path / "file"
    file.write_text("x")
    perftrace.configure(sinks=["memory"])
    with pytest.raises(NotADirectoryError, match="is a file; name a folder"):
        perftrace.configure(sinks=[f"store:{file}"])
    with pytest.raises(ValueError, match="store:DIR"):
        perftrace.configure(sinks=["store"])
    run("a")
    assert len(perftrace.records()) == 1
    with pytest.raises(NotADirectoryError):
        DirectorySink(file / "below")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that even root cannot write to")
def test_a_folder_that_cannot_be_written_to_is_refused_at_once():
    """Not at the first record."""
    with pytest.raises(OSError, match="/proc/self"):
        perftrace.configure(sinks=["store:/proc/self/store"])


def test_hostile_values_are_valid_json_clipped_and_marked(tmp_path):
    """For every parser, in lines and in Parquet."""
    cyclic: list[object] = []
    cyclic.append(cyclic)
    perftrace.configure(sinks=[f"store:{tmp_path}"])
    with perftrace.operation("a", key="k" * 10_000_000):
        perftrace.annotate(
            nan=float("nan"), cyclic=cyclic, raw=b"\xff\x00", half="\ud800", big="x" * 10_000_000, huge=10**5000
        )
        perftrace.checkpoint("x" * 10_000_000, "\u2028\r\n\0", inf=-float("inf"))
    assert perftrace.shutdown(10)
    (file,) = contents(tmp_path).files
    line = file.path.read_bytes()
    assert line.count(b"\n") == 1
    fields = msgspec.json.decode(line)
    assert fields["attributes"]["nan"] == "nan"
    assert fields["attributes"]["cyclic"] == "[[...]]"
    assert fields["attributes"]["half"] == "\\ud800"
    assert fields["attributes"]["big"].endswith("…[+9995904]")
    assert len(line) < 30_000
    with duckdb.connect() as db:
        rows = db.execute("SELECT attributes.nan FROM read_json($1)", [str(file.path)]).fetchall()
        assert rows == [("nan",)]
    before = sources.open(str(tmp_path)).records
    assert compact(tmp_path).records == 1
    assert sources.open(str(tmp_path)).records == before


def test_an_empty_folder_is_no_source(tmp_path):
    """It says what it looked for."""
    with pytest.raises(ValueError, match=r"directory without trace files \(\*\.jsonl, \*\.parquet\)"):
        sources.open(str(tmp_path))


def test_a_process_begins_another_file_when_its_own_is_large_or_old(tmp_path, monkeypatch):
    """And lets go of the former, so that it can be compacted."""
    now = [100.0]
    monkeypatch.setattr("perftrace.store.directory.time.monotonic", lambda: now[0])
    perftrace.configure(sinks=[DirectorySink(tmp_path, file_bytes=1000, file_seconds=60)])
    run("a")
    now[0] += 61
    run("b", "c", "d", "e")
    files = contents(tmp_path).files
    assert [[r.name for r in sources.open(str(f.path)).records] for f in files] == [["a"], ["b", "c", "d", "e"]]
    run("f")
    *former, own = contents(tmp_path).files
    assert len(former) == 2
    for file in former:
        with claimed(file.path) as is_free:
            assert is_free
    with claimed(own.path) as is_free:
        assert not is_free


def test_where_no_other_file_can_be_made_the_former_goes_on(tmp_path, monkeypatch):
    """Nothing is lost for the sake of tidiness."""
    perftrace.configure(sinks=[DirectorySink(tmp_path, file_bytes=1)])
    run("a")

    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("perftrace.store.directory.create", refuse)
    run("b")
    assert perftrace.flush(5)
    monkeypatch.undo()
    assert [r.name for r in sources.open(str(tmp_path)).records] == ["a", "b"]


def test_a_folder_that_was_removed_is_made_again(tmp_path):
    """What was in it is gone; what comes is not."""
    folder = tmp_path / "store"
    perftrace.configure(sinks=[DirectorySink(folder)])
    run("a")
    shutil.rmtree(folder)
    run("b")
    assert [r.name for r in sources.open(str(folder)).records] == ["b"]


def test_a_file_that_nothing_was_written_to_goes_at_the_end(tmp_path):
    """As of a process that traced nothing; forked children make none before their first record."""
    code = """
import os, perftrace, sys
perftrace.configure(sinks=["store:" + sys.argv[1]])
assert len(os.listdir(sys.argv[1])) == 1
child = os.fork()
if child == 0:
    assert len(os.listdir(sys.argv[1])) == 1
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=TIMEOUT)
    assert os.listdir(tmp_path) == []


def test_a_pipe_or_a_folder_with_the_name_of_a_file_is_foreign(tmp_path):
    """Nobody waits for what a pipe never says."""
    perftrace.configure(sinks=[DirectorySink(tmp_path)])
    run("a")
    os.mkfifo(tmp_path / "1.jsonl")
    (tmp_path / "2.jsonl").mkdir()
    (tmp_path / "3.jsonl").symlink_to(tmp_path / "nowhere")
    assert contents(tmp_path).other_files == ("1.jsonl", "2.jsonl")
    assert [r.name for r in sources.open(str(tmp_path)).records] == ["a"]


def test_while_files_are_swapped_nobody_looks(tmp_path):
    """And nobody waits for ever."""
    with (
        locked(tmp_path, exclusive=True, timeout=1),
        pytest.raises(StoreBusyError, match="another process is at work"),
        locked(tmp_path, exclusive=False, timeout=0),
    ):
        pass
    with locked(tmp_path, exclusive=False, timeout=0), locked(tmp_path, exclusive=False, timeout=0):
        assert contents(tmp_path).files == ()
