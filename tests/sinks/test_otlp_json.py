"""The sink that writes files of OTLP JSON."""

import json

import perftrace
from perftrace import sources


def test_a_file_is_read_back_and_goes_on(tmp_path, monkeypatch):
    """By its name, a line for each operation; a second process of the same bot appends."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    path = tmp_path / "spans.jsonl"
    made = []
    for name in ("first", "second"):
        perftrace.configure(sinks=[f"otlp-json:{path}", "memory"])
        with perftrace.operation(name, key=7):
            perftrace.checkpoint("half", "Half", share=0.5)
        assert perftrace.flush()
        made += perftrace.records()
    perftrace.configure(sinks=[])
    assert [record.as_dict() for record in sources.open(str(path)).records] == [record.as_dict() for record in made]
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(lines) == 2
    attributes = lines[0]["resourceSpans"][0]["resource"]["attributes"]
    assert {"key": "service.name", "value": {"stringValue": "shop"}} in attributes
