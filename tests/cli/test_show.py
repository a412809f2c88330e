"""`perftrace show` and `perftrace slowest`."""

import json

import pytest

from perftrace.cli import main
from perftrace.formats.jsonl import encode
from tests.analysis.test_critical_path import run
from tests.ids import trace_id


@pytest.fixture
def source(tmp_path):
    """Write a trace of three runs as JSON lines, and one of another trace."""
    records = [
        run("buy", 1, 0, 100, checkpoints=[("a", 40)]),
        run("fetch", 2, 10, 60, 1),
        run("other", 3, 10, 20, 1),
        run("buy", 9, 0, 70).replace(trace_id=trace_id(2)),
    ]
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b"".join(encode(record).rstrip(b"\n") + b"\n" for record in records))
    return path, records


def test_a_trace_is_found_by_any_of_its_ids_and_given_as_data(source, capsys):
    """Spans parents first; the path's own times add up to the root's duration; gaps where no child runs."""
    path, records = source
    answers = []
    for wanted in (records[1].operation_id, f"{1:032x}", f"{2:016x}"):
        assert main(["show", "--json", wanted, str(path)]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    answer = answers[0]
    assert answers == [answer] * 3
    assert (answer["v"], answer["command"], answer["source"]["used"]) == (1, "show", 4)
    assert [(s["operation"], s["span_id"], s["parent_id"], s["duration"]) for s in answer["spans"]] == [
        ("buy", f"{1:016x}", None, 0.1),
        ("other", f"{3:016x}", f"{1:016x}", 0.01),
        ("fetch", f"{2:016x}", f"{1:016x}", 0.05),
    ]  # fmt: skip
    assert answer["spans"][0]["checkpoints"] == [{"name": "a", "elapsed": 0.04}]
    assert [(p["operation"], p["segment"], p["self"]) for p in answer["critical_path"]] == [
        ("buy", "a", 0.01), ("fetch", "(end)", 0.05), ("buy", "(end)", 0.04),
    ]  # fmt: skip
    assert [round(gap["duration"], 6) for gap in answer["gaps"]] == [0.01, 0.04]


def test_the_text_is_a_waterfall_in_either_language(source, capsys):
    """Its details are the view's."""
    path, _ = source
    assert main(["show", f"{1:032x}", str(path), "--language", "en"]) == 0
    assert "Critical path:" in capsys.readouterr().out
    assert main(["show", f"{1:032x}", str(path), "--language", "zh"]) == 0
    assert "关键路径:" in capsys.readouterr().out


@pytest.mark.usefixtures("english")
def test_an_id_that_is_not_there_and_a_source_that_is_not(source, capsys, tmp_path):
    """Status 1 with a line; 2 for the source."""
    path, _ = source
    assert main(["show", "no\x1bsuch", str(path)]) == 1
    assert capsys.readouterr().err == "perftrace: no run and no trace has the id no\\x1bsuch\n"
    assert main(["show", "x", str(tmp_path / "none")]) == 2
    (tmp_path / "empty").touch()
    assert main(["show", "x", str(tmp_path / "empty")]) == 2


def test_the_slowest_runs_of_all_or_of_one_operation(source, capsys):
    """The longest first, as many as wished."""
    path, _ = source
    assert main(["slowest", "--json", str(path), "--count", "2"]) == 0
    found = json.loads(capsys.readouterr().out)["slowest"]
    assert [(run["name"], run["duration"], run["bottleneck"]) for run in found] == [
        ("buy", 0.1, "(end)"), ("buy", 0.07, "(end)"),
    ]  # fmt: skip
    assert main(["slowest", "--operation", "fetch", str(path), "--language", "en"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("fetch_")
    with pytest.raises(SystemExit, match="2"):
        main(["slowest", "--count", "0", str(path)])
    assert "参数 --count" in capsys.readouterr().err
