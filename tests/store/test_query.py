"""SQL over a store."""

import os
import sys

import duckdb
import pytest

import perftrace
from perftrace.store import DirectorySink, compact, connect, prune
from perftrace.store.folder import contents


def run(*names):
    for name in names:
        with perftrace.operation(name, key="it's"):
            perftrace.checkpoint("x", size=3)


def names(db):
    return [name for (name,) in db.sql("SELECT name FROM records ORDER BY start").fetchall()]


def test_lines_and_parquet_are_one_table_while_a_bot_writes(tmp_path):
    """Whatever characters the folder's name holds; a view sees what was appended since."""
    folder = tmp_path / "it's [1]*?"
    perftrace.configure(sinks=[DirectorySink(folder)])
    run("a")
    perftrace.configure(sinks=[DirectorySink(folder)])
    run("b")
    assert compact(folder).files == 1
    with connect(folder) as db:
        assert names(db) == ["a", "b"]
        run("c")
        assert names(db) == ["a", "b", "c"]
        row = db.sql(
            "SELECT key, checkpoints[1].name, checkpoints[1].attributes->>'size', outcome FROM records LIMIT 1"
        ).fetchall()
    assert row == [("it's", "x", "3", "ok")]


def test_rubbish_and_versions_to_come_are_left_out(tmp_path):
    """As every reader does."""
    perftrace.configure(sinks=[DirectorySink(tmp_path)])
    run("a", "b")
    (file,) = contents(tmp_path).files
    with file.path.open("ab") as raw:
        raw.write(
            b'rubbish\n{"v":2,"name":"c","duration_ns":1}\n\xff\xfe\n[1]\nnull\n{"v":1,"name":"d","duration_ns":"x"}\n'
        )
        raw.write(b'{"v":1,"name":"torn","duration_ns":1')
    with connect(tmp_path) as db:
        assert names(db) == ["a", "b"]


def test_files_that_went_meanwhile_are_an_error_and_not_silence(tmp_path):
    """A new connection sees what is there."""
    perftrace.configure(sinks=[DirectorySink(tmp_path)])
    run("a")
    perftrace.configure(sinks=[DirectorySink(tmp_path)])
    run("b")
    with connect(tmp_path) as db:
        prune(tmp_path, max_bytes=0)
        with pytest.raises(duckdb.IOException):
            names(db)
    with connect(tmp_path) as db:
        assert names(db) == ["b"]


def test_parquet_with_other_columns_is_read_and_a_damaged_one_is_named(tmp_path):
    """As versions to come and other tools write it."""
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"x\.parquet.*perftrace store check"):
        connect(tmp_path)
    with duckdb.connect() as db:
        db.sql("SELECT 1 AS v, 'a' AS name, 5 AS duration_ns, 7 AS more").write_parquet(str(tmp_path / "x.parquet"))
    with connect(tmp_path) as db:
        assert db.sql("SELECT name, key, duration_ns FROM records").fetchall() == [("a", None, 5)]


def test_what_is_no_store_is_told(tmp_path, monkeypatch):
    """An empty folder, none at all; DuckDB missing."""
    with pytest.raises(FileNotFoundError, match="without trace files"):
        connect(tmp_path)
    with pytest.raises(FileNotFoundError):
        connect(tmp_path / "nowhere")
    perftrace.configure(sinks=[DirectorySink(tmp_path)])
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'perftrace-toolkit\[store\]'"):
        connect(tmp_path)
    assert os.listdir(tmp_path)
