"""`perftrace export` and `perftrace import` as commands."""

import json

import pytest

from perftrace import sources
from perftrace.cli import main
from perftrace.core.record import Record
from perftrace.formats.jsonl import encode
from tests.ids import span_id, trace_id
from tests.sinks.servers import OK, answering, server

RECORDS = [
    Record(
        "outer",
        trace_id=trace_id(1),
        span_id=span_id(1),
        start=10**18,
        duration_ns=9_000_000,
        checkpoints=[("half", "", 4_000_000, {})],
        pid=7,
    ),
    Record(
        "inner",
        trace_id=trace_id(1),
        span_id=span_id(2),
        parent_id=span_id(1),
        start=10**18 + 1000,
        duration_ns=2_000_000,
        pid=7,
        attributes={"a": 1},
    ),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"".join(map(encode, RECORDS)))
    return path


def run(capsys, *arguments):
    status = main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("form", ["otlp", "otlp-json", "perfetto", "jsonl", "parquet"])
def test_what_is_written_is_read_again(form, file, tmp_path, capsys):
    """By every command: each form is a source, too."""
    path = tmp_path / "out"
    assert run(capsys, "export", file, "--to", form, "-o", path) == (0, "", "")
    assert {r.name: r.as_dict() for r in sources.open(str(path)).records} == {r.name: r.as_dict() for r in RECORDS}
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    status, out, _ = run(capsys, "report", path, "--json")
    assert (status, [o["name"] for o in json.loads(out)["operations"]]) == (0, ["outer", "inner"])


@pytest.mark.parametrize("form", ["otlp", "otlp-json", "perfetto", "speedscope", "jsonl", "parquet"])
def test_standard_output_gets_the_same(form, file, tmp_path, capsysbinary):
    """In a pipe."""
    path = tmp_path / "out"
    assert main(["export", str(file), "--to", form, "-o", str(path)]) == 0
    assert main(["export", str(file), "--to", form]) == 0
    out = capsysbinary.readouterr().out
    assert out == path.read_bytes() or (form == "parquet" and out[:4] == out[-4:] == b"PAR1")


@pytest.mark.usefixtures("english")
def test_a_selection_is_exported(file, capsys):
    """As everywhere."""
    status, out, _ = run(capsys, "export", file, "--to", "jsonl", "--operation", "inner")
    assert status == 0
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["inner"]
    status, out, err = run(capsys, "export", file, "--to", "jsonl", "--operation", "other")
    assert (status, out) == (1, "")
    assert "no record is left" in err


def test_the_service_comes_from_the_environment(file, capsys, monkeypatch):
    """As with OpenTelemetry's own tools."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    _, out, _ = run(capsys, "export", file, "--to", "otlp-json")
    [resource_spans] = json.loads(out)["resourceSpans"]
    assert {"key": "service.name", "value": {"stringValue": "shop"}} in resource_spans["resource"]["attributes"]


@pytest.mark.usefixtures("english")
def test_runs_that_never_ended_are_told(tmp_path, capsys):
    """Other tools have no place for them."""
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"".join(map(encode, [*RECORDS, Record("open", outcome=None)])))
    status, _, err = run(capsys, "export", path, "--to", "perfetto")
    assert (status, err) == (0, "perftrace: 1 run that never ended is left out\n")


def test_what_cannot_be_written_is_told_in_one_line(file, tmp_path, capsys):
    """And leaves nothing behind, nor harms what was there."""
    old = tmp_path / "old"
    old.write_text("old")
    status, _, err = run(capsys, "export", tmp_path / "missing", "--to", "jsonl", "-o", old)
    assert (status, old.read_text()) == (2, "old")
    assert err.count("\n") == 1
    status, _, err = run(capsys, "export", file, "--to", "jsonl", "-o", tmp_path / "no" / "folder")
    assert status == 2
    assert err.count("\n") == 1
    with pytest.raises(SystemExit):
        run(capsys, "export", file, "--to", "excel")


def test_import_fills_a_store(file, tmp_path, capsys):
    """With another tool's spans, which then read like our own."""
    spans, folder = tmp_path / "spans.json", tmp_path / "perf"
    assert run(capsys, "export", file, "--to", "otlp-json", "-o", spans)[0] == 0
    status, out, err = run(capsys, "import", spans, "--to", f"store:{folder}", "--language", "en")
    assert (status, out, err) == (0, f"2 records → {folder}\n", "")
    assert {r.name: r.as_dict() for r in sources.open(str(folder)).records} == {r.name: r.as_dict() for r in RECORDS}
    status, out, _ = run(capsys, "import", spans, "--to", f"jsonl:{tmp_path}/x.jsonl", "--json")
    assert (status, json.loads(out)["records"]) == (0, 2)
    assert len(sources.open(f"{tmp_path}/x.jsonl").records) == 2


@pytest.mark.usefixtures("english")
def test_import_of_nothing_makes_nothing(tmp_path, capsys):
    """A wrong file or target is told, and no folder appears."""
    path = tmp_path / "spans.json"
    path.write_text('{"resourceSpans": 5}')
    status, _, err = run(capsys, "import", path, "--to", f"store:{tmp_path}/perf")
    assert status == 2
    assert "none of the 1 line" in err
    assert not (tmp_path / "perf").exists()
    with pytest.raises(SystemExit):
        run(capsys, "import", path, "--to", "perf")
    assert "write store:DIR or jsonl:PATH" in capsys.readouterr().err
    path.write_bytes(encode(RECORDS[0]))
    status, _, err = run(capsys, "import", path, "--to", f"store:{path}")
    assert (status, err.count("\n")) == (2, 1)


@pytest.mark.usefixtures("english")
def test_a_receiver_gets_what_was_recorded(file, capsys):
    """In the place of a file; what it refuses is told."""
    with server(answering(OK)) as (url, requests):
        assert run(capsys, "export", file, "--to", "otlp", "-o", url)[:2] == (0, "")
    assert requests[0].startswith(b"POST /v1/traces")
    refusal = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    with server(answering(refusal)) as (url, _):
        status, _, err = run(capsys, "export", file, "--to", "otlp", "-o", url)
    assert (status, err.splitlines()[-1]) == (2, "perftrace: 2 of 2 records refused")
    assert run(capsys, "export", file, "--to", "jsonl", "-o", url)[0] == 2
    status, _, err = run(capsys, "export", file, "--to", "otlp", "-o", "http://me:secret@host:x")
    assert (status, "port" in err, "secret" in err) == (2, True, False)
