"""What the names of heavier sinks stand for in `configure`: the sink behind a queue."""

from perftrace.pipeline.background import Background
from perftrace.sinks.otlp import OtlpSink


def otlp(url: str | None = None) -> Background:
    """Make what `otlp:URL` stands for."""
    return Background(OtlpSink(url))
