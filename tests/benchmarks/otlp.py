"""What OTLP costs: spans encoded in a second beside OpenTelemetry's SDK, bytes a span, and the traced thread's share.

One operation is a span with four events and three attributes. The traced thread's cost is that of a call with
`Background(OtlpSink(...))`, which sends to a receiver in another process, as a ratio to the memory sink alone.
"""

import gzip
import multiprocessing
import socketserver
import statistics
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import perftrace
from perftrace.formats import otlp_json, otlp_proto
from perftrace.pipeline import Background
from perftrace.sinks.memory import MemorySink
from perftrace.sinks.otlp import OtlpSink

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run as run_with_goals

SPANS = 2000
ROUNDS = 9
CALLS = 400
CHECKPOINTS = ("get_user", "check_points", "set_state", "send_reply")
ATTRIBUTES = {"user_id": "12345", "size": "large", "attempt": 1}
RESOURCE = {"service.name": "bot"}


def our_records():
    sink = MemorySink()
    perftrace.configure(sinks=[sink])
    for _ in range(SPANS):
        with perftrace.operation("button_click"):
            perftrace.annotate(**ATTRIBUTES)
            for name in CHECKPOINTS:
                perftrace.checkpoint(name)
    perftrace.configure(sinks=[])
    return sink.records()


def their_spans():
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource(RESOURCE))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("bench")
    for _ in range(SPANS):
        with tracer.start_as_current_span("button_click", attributes=ATTRIBUTES) as span:
            for name in CHECKPOINTS:
                span.add_event(name)
    return memory.get_finished_spans()


def encoding(goals):
    """Print spans a second and bytes a span, by turns."""
    records, spans = our_records(), their_spans()
    ways = {
        "perftrace, protobuf": lambda: otlp_proto.encode(records, RESOURCE),
        "perftrace, JSON": lambda: otlp_json.encode(records, RESOURCE),
        "OpenTelemetry SDK, protobuf": lambda: encode_spans(spans).SerializeToString(),
    }
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, encode in ways.items():
            before = time.perf_counter()
            data = encode()
            times[name].append(time.perf_counter() - before)
    theirs = statistics.median(times["OpenTelemetry SDK, protobuf"])
    for name, encode in ways.items():
        seconds, data = statistics.median(times[name]), encode()
        print(
            f"{name}: {SPANS / seconds:,.0f} spans/s, {theirs / seconds:.2f} times the SDK's encoder; "
            f"{len(data) / SPANS:.0f} bytes a span, {len(gzip.compress(data, 1)) / SPANS:.0f} packed",
            goals.check(theirs / seconds, least=2 if name == "perftrace, protobuf" else 1),
        )


class Receiver(BaseHTTPRequestHandler):
    """Takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


def serve(port):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Receiver) as server:
        port.put(server.server_address[1])
        server.serve_forever()


@perftrace.timed(operation="button_click")
def function():
    for name in CHECKPOINTS:
        perftrace.checkpoint(name)


def call_cost(goals):
    """Print what a call costs the traced thread, in its own CPU time, by turns; sending goes on meanwhile."""
    spawning = multiprocessing.get_context("spawn")
    port = spawning.Queue()
    receiver = spawning.Process(target=serve, args=(port,), daemon=True)
    receiver.start()
    url = f"http://127.0.0.1:{port.get(timeout=30)}"
    sinks: dict[str, Callable[[], perftrace.Sink]] = {
        "memory": MemorySink,
        "Background(OtlpSink)": lambda: Background(OtlpSink(url), capacity=10**6),
    }
    costs = {name: [] for name in sinks}
    for _ in range(5 * ROUNDS):
        for name, make in sinks.items():
            perftrace.configure(sinks=[make()])
            before = time.thread_time_ns()
            for _ in range(CALLS):
                function()
            costs[name].append((time.thread_time_ns() - before) / CALLS)
            assert perftrace.flush(30)
    receiver.terminate()
    memory = statistics.median(costs["memory"])
    for name, found in costs.items():
        ratio = statistics.median(found) / memory
        print(f"{name}: {ratio:.2f} times the memory sink, a call with four checkpoints", goals.check(ratio, most=1.15))


def main(goals):
    encoding(goals)
    call_cost(goals)


if __name__ == "__main__":
    run_with_goals(main)
