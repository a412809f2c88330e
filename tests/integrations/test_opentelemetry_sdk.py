"""Spans of OpenTelemetry's own SDK, as its exporters write them, read by ours; held against what the SDK says."""

import json

import pytest
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from perftrace import sources
from perftrace.cli import main


@pytest.fixture
def traced(tmp_path):
    """Make spans of all kinds; give them and the two files that hold them."""
    memory, lines = InMemorySpanExporter(), tmp_path / "spans.jsonl"
    file = FileSpanExporter(str(lines))
    provider = TracerProvider(resource=Resource({"service.name": "shop", "host.name": "h1"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.add_span_processor(SimpleSpanProcessor(file))
    tracer = provider.get_tracer("my.lib", "1.2")
    far = SpanContext(5, 6, True, TraceFlags(1))
    with tracer.start_as_current_span(
        "request", kind=SpanKind.SERVER, attributes={"path": "/", "sizes": [1, 2]}
    ) as root:
        root.add_event("parsed", {"bytes": 10, "ratio": 0.5, "ok": True})
        with tracer.start_as_current_span("query", kind=SpanKind.CLIENT, links=[Link(far), Link(root.context)]):
            pass
        try:
            with tracer.start_as_current_span("payment"):
                raise ValueError("no ⚡ funds")
        except ValueError:
            pass
        with tracer.start_as_current_span("checked") as checked:
            checked.set_status(Status(StatusCode.OK))
        with tracer.start_as_current_span("failed") as failed:
            failed.set_status(Status(StatusCode.ERROR, "told"))
    provider.shutdown()
    spans = memory.get_finished_spans()
    message = tmp_path / "spans.pb"
    message.write_bytes(encode_spans(spans).SerializeToString())
    return spans, lines, message


def test_both_forms_are_read_field_by_field(traced):
    """Names, ids, times, attributes, events, the first link, outcome."""
    spans, *files = traced
    for file in files:
        records = {record.name: record for record in sources.open(str(file)).records}
        assert len(records) == len(spans)
        for span in spans:
            record = records[span.name]
            assert (int(record.trace_id, 16), int(record.span_id, 16)) == (span.context.trace_id, span.context.span_id)
            assert record.parent_id == (f"{span.parent.span_id:016x}" if span.parent else None)
            assert (record.start, record.duration_ns) == (span.start_time, span.end_time - span.start_time)
            for name, value in span.attributes.items():
                expected = json.dumps(list(value)) if isinstance(value, tuple) else value
                assert record.attributes[name] == expected
            assert [(m.name, record.start + m.elapsed_ns) for m in record.checkpoints] == [
                (event.name, event.timestamp) for event in span.events
            ]
            assert [dict(m.attributes) for m in record.checkpoints] == [dict(event.attributes) for event in span.events]
            assert record.attributes["service.name"] == "shop"
            assert record.attributes["host.name"] == "h1"
            assert record.attributes["otel.scope.name"] == "my.lib"
        assert {name: record.outcome for name, record in records.items()} == {
            "request": "ok", "query": "ok", "payment": "error", "checked": "ok", "failed": "error",
        }  # fmt: skip
        payment, failed = records["payment"], records["failed"]
        assert (payment.error_type, payment.error) == ("ValueError", "no ⚡ funds")
        assert (failed.error_type, failed.error) == (None, "told")
        assert records["query"].link == (f"{5:032x}", f"{6:016x}")
        assert (records["request"].attributes["span.kind"], records["query"].attributes["span.kind"]) == (
            "server",
            "client",
        )


def test_the_analysis_works_on_them(traced, capsys):
    """Report, slowest and the tree of another tool's trace."""
    _, lines, message = traced
    for file in (lines, message):
        assert main(["report", str(file), "--json", "--by", "span.kind"]) == 0
        found = {(o["name"], o.get("group")) for o in json.loads(capsys.readouterr().out)["operations"]}
        assert ("request", "server") in found
        assert main(["advise", str(file), "--language", "en"]) in (0, 1)
        assert main(["show", f"{traced[0][0].context.trace_id:032x}", str(file), "--language", "en"]) == 0
        out = capsys.readouterr().out
        assert "request" in out
        assert "query" in out
