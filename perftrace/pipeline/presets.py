"""What the names of heavier sinks stand for in `configure`: the sink behind a queue."""

from perftrace.pipeline.background import Background
from perftrace.sinks.otlp import OtlpSink
from perftrace.sinks.otlp_json import OtlpJsonSink
from perftrace.sinks.perfetto import PerfettoSink
from perftrace.sinks.prometheus import PrometheusSink


def otlp(url: str | None = None) -> Background:
    """Make what `otlp:URL` stands for."""
    return Background(OtlpSink(url))


def otlp_json(path: str) -> Background:
    """Make what `otlp-json:PATH` stands for."""
    return Background(OtlpJsonSink(path))


def prometheus(place: str) -> Background:
    """Make what `prometheus:PORT` and `prometheus:HOST:PORT` stand for; raises ValueError for another text."""
    host, _, port = place.rpartition(":")
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise ValueError(f"prometheus:{place}: the port must be a number from 0 to 65535: write prometheus:PORT")
    # Room for what comes between two looks of the worker: a lost end would leave its operation in flight.
    return Background(PrometheusSink(int(port), host.strip("[]") or "127.0.0.1"), capacity=100_000)


def perfetto(path: str) -> Background:
    """Make what `perfetto:PATH` stands for."""
    return Background(PerfettoSink(path))
