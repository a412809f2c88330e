"""`perftrace store` as a command."""

import json
import sys

import pytest

import perftrace
from perftrace.cli import main
from perftrace.store.directory import DirectorySink
from perftrace.store.folder import contents


@pytest.fixture
def folder(tmp_path):
    """Make a store with a file at rest and one in use."""
    for name in ("a", "b"):
        perftrace.configure(sinks=[DirectorySink(tmp_path)])
        with perftrace.operation(name):
            pass
    yield tmp_path
    perftrace.configure(sinks=[])


def run(capsys, *arguments):
    status = main(["store", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def test_stats_count_what_there_is(folder, capsys):
    """In both languages and as data."""
    (folder / "notes\x1b[31m.txt").touch()
    status, out, _ = run(capsys, "stats", folder, "--language", "en")
    assert status == 0
    assert out.startswith("Files: 2, 1 of them being written to\nJSON lines: 2 files, ")
    assert "Records: 2\n" in out
    assert "\x1b" not in out
    assert run(capsys, "stats", folder)[1].startswith("文件: 2 个，其中 1 个正在写入\n")
    data = json.loads(run(capsys, "stats", folder, "--json")[1])
    assert (data["command"], data["records"], data["other_files"]) == ("store stats", 2, ["notes\x1b[31m.txt"])


def test_compact_then_stats_then_report(folder, capsys):
    """The same records from the files' new form."""
    status, out, _ = run(capsys, "compact", folder, "--language", "en")
    assert status == 0
    assert out.startswith("Compacted 1 file, 1 record: ")
    assert out.endswith("1 file is in use and stays as it is\n")
    data = json.loads(run(capsys, "stats", folder, "--json")[1])
    assert (data["records"], data["lines_files"], data["parquet_files"]) == (2, 1, 1)
    assert main(["report", "--json", str(folder)]) == 0
    assert len(json.loads(capsys.readouterr().out)["operations"]) == 2


@pytest.mark.usefixtures("english")
def test_prune_wants_a_limit_and_keeps_to_it(folder, capsys):
    """A wrong one is told with the right form."""
    status, _, err = run(capsys, "prune", folder)
    assert (status, "--max-age, such as 30d" in err) == (2, True)
    with pytest.raises(SystemExit) as caught:
        run(capsys, "prune", folder, "--max-age", "30")
    assert caught.value.code == 2
    assert "such as 30d, not '30'" in capsys.readouterr().err
    status, out, _ = run(capsys, "prune", folder, "--max-size", "1B", "--language", "en")
    assert status == 0
    assert out.startswith("Removed 1 file, ")
    assert out.endswith("What is left is still too much: it is in use\n")


def test_check_names_what_cannot_be_read(folder, capsys):
    """And sums up; a half-written last line of a living process is no damage."""
    resting, live = (file.path for file in contents(folder).files)
    with live.open("ab") as file:
        file.write(b'{"v":1,"na')
    assert run(capsys, "check", folder, "--language", "en")[:2] == (0, "Sound: 2 files, 2 records\n")
    resting.write_bytes(resting.read_bytes() + b'{"v":2}\nrubbish\n{"torn')
    (folder / "x.parquet").write_bytes(b"PAR1")
    status, out, _ = run(capsys, "check", folder, "--language", "en")
    assert status == 1
    assert f"{resting.name}: 2 damaged lines, the last line is torn, 1 line of a newer perftrace\n" in out
    assert "x.parquet: no Parquet file, or a damaged one" in out
    assert out.endswith("Not sound: 2 of 3 files; 2 records can be read\n")
    data = json.loads(run(capsys, "check", folder, "--json")[1])
    assert [file["is_sound"] for file in data["files"]] == [False, True, False]


def test_without_duckdb_parquet_is_not_called_damaged(folder, capsys, monkeypatch):
    """It says what to install; what needs no DuckDB is still told, and no number that is not known."""
    run(capsys, "compact", folder)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    pip = "pip install 'perftrace-toolkit[store]'"
    status, out, err = run(capsys, "check", folder)
    assert (status, out, pip in err) == (2, "", True)
    status, out, err = run(capsys, "stats", folder, "--language", "en")
    assert (status, "Parquet: 1 file" in out, "Records" in out, err.count(pip)) == (2, True, False, 1)
    assert json.loads(run(capsys, "stats", folder, "--json")[1])["records"] is None


@pytest.mark.parametrize("action", ["stats", "compact", "check", "prune"])
def test_what_is_no_folder_is_told_in_a_line(tmp_path, capsys, action):
    """Exit status 2."""
    file = tmp_path / "file"
    file.touch()
    more = ["--max-age", "1d"] if action == "prune" else []
    for path in (file, tmp_path / "nowhere"):
        status, out, err = run(capsys, action, path, *more)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert str(path) in err
