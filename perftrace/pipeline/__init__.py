"""Sinks that wrap a sink: queueing, sampling, limiting, cleaning."""

from perftrace.pipeline.background import Background
from perftrace.pipeline.cardinality import Cardinality
from perftrace.pipeline.ratelimit import RateLimit
from perftrace.pipeline.redact import Redact
from perftrace.pipeline.sampling import Sampling
from perftrace.pipeline.wrapper import Wrapper

__all__ = ["Background", "Cardinality", "RateLimit", "Redact", "Sampling", "Wrapper"]
