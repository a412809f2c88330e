"""OTLP receivers that others run in production: a collector that hands on what it got, and a backend that keeps it."""

import asyncio
import datetime
import gzip
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import perftrace
from perftrace.pipeline.background import Background
from perftrace.sinks.otlp import OtlpSink
from tests.integrations.test_oteltap import check, work
from tests.peers.conftest import free_port, until_it_listens

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(180)


def in_venv(venv, place):
    """Find a file of a virtual environment that `make test-peers` has made."""
    found = sorted((ROOT / venv).glob(place))
    assert found, f"{venv} is not there: make test-peers"
    return str(found[0])


def send(url, form):
    """Trace a bit of everything to a receiver; give the records by name."""
    perftrace.configure(sinks=["memory", Background(OtlpSink(url, checkpoints=form))])
    asyncio.run(work())
    assert perftrace.flush(20)
    records = {record.name: record for record in perftrace.records()}
    perftrace.configure(sinks=[])
    return records


@pytest.fixture(scope="module")
def rotel():
    """Run the collector; give its URL and the port that it forwards to."""
    port, target = free_port(), free_port()
    command = [
        in_venv(".venv-rotel", "lib/python3*/site-packages/rotel/rotel-agent"), "start",
        "--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}",
        "--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-compression", "none",
        "--otlp-exporter-endpoint", f"http://127.0.0.1:{target}", "--disable-batching",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        until_it_listens(port, process)
        yield f"http://127.0.0.1:{port}", target
        process.terminate()


class Received(http.server.BaseHTTPRequestHandler):
    """Keeps the messages that the collector hands on."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path == "/v1/traces":
            self.server.spans += [
                span
                for one in ExportTraceServiceRequest.FromString(body).resource_spans
                for scope in one.scope_spans
                for span in scope.spans
            ]
        else:
            self.server.logs += [
                log
                for one in ExportLogsServiceRequest.FromString(body).resource_logs
                for scope in one.scope_logs
                for log in scope.log_records
            ]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.parametrize("form", ["span", "both"])
def test_rotel_hands_on_what_we_sent(rotel, form):
    """Packed by gzip, through the collector, held against the records field by field."""
    url, target = rotel
    with http.server.HTTPServer(("127.0.0.1", target), Received) as server:
        server.spans, server.logs = [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        records = send(url, form)
        count = sum(len(record.checkpoints) for record in records.values()) if form == "both" else 0
        end = time.monotonic() + 60
        while len(server.spans) < len(records) or len(server.logs) < count:
            assert time.monotonic() < end
            time.sleep(0.05)
        server.shutdown()
    assert len(server.spans) == len(records)
    for span in server.spans:
        check(span, records[span.name], with_events=True)
    assert len(server.logs) == count
    for log in server.logs:
        [record] = [record for record in records.values() if record.span_id == log.span_id.hex()]
        [mark] = [mark for mark in record.checkpoints if mark.name == log.event_name]
        assert log.time_unix_nano == record.start + mark.elapsed_ns


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory):
    """Run the backend; give its URL."""
    port = free_port()
    environment = {
        "PHOENIX_WORKING_DIR": str(tmp_path_factory.mktemp("phoenix")), "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(free_port()), "PHOENIX_TELEMETRY_ENABLED": "false",
    }  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [in_venv(".venv-phoenix", "bin/phoenix"), "serve"]
    with subprocess.Popen(command, env={**os.environ, **environment}, **quiet) as process:
        until_it_listens(port, process, 120)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def test_phoenix_keeps_what_we_sent(phoenix):
    """Asked by its own interface; its times are microseconds, rounded."""
    records = send(phoenix, "span")
    end = time.monotonic() + 60
    spans = {}
    while len(spans) < len(records):
        assert time.monotonic() < end
        time.sleep(0.5)
        answer = urllib.request.urlopen(f"{phoenix}/v1/projects/default/spans", timeout=30)
        spans = {span["name"]: span for span in json.load(answer)["data"]}
    for name, record in records.items():
        span = spans[name]
        assert span["context"] == {"trace_id": record.trace_id, "span_id": record.span_id}
        assert span["parent_id"] == record.parent_id
        for field, time_ns in (("start_time", record.start), ("end_time", record.start + record.duration_ns)):
            moment = datetime.datetime.fromisoformat(span[field]).timestamp()
            assert abs(moment - time_ns / 1e9) < 3e-6
        assert span["status_code"] == ("ERROR" if record.outcome == "error" else "UNSET")
        assert span["status_message"] == (record.error or "" if record.outcome == "error" else "")
        assert span["attributes"].get("error.type") == record.error_type
        assert [event["name"] for event in span["events"]] == [mark.name for mark in record.checkpoints]
        for attribute, value in record.attributes.items():
            assert span["attributes"].get(attribute) == value
