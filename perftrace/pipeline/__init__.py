"""Sinks that wrap a sink: queueing, sampling, limiting, cleaning."""

from perftrace.pipeline.background import Background
from perftrace.pipeline.cardinality import Cardinality
from perftrace.pipeline.flightrecorder import FlightRecorder
from perftrace.pipeline.ratelimit import RateLimit
from perftrace.pipeline.redact import Redact
from perftrace.pipeline.sampling import Sampling
from perftrace.pipeline.wrapper import SinkWrapper

__all__ = ["Background", "Cardinality", "FlightRecorder", "RateLimit", "Redact", "Sampling", "SinkWrapper"]
