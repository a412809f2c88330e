"""Tells why a bot or async service is slow, and which step to fix first."""

from typing import Final

from perftrace.core.block import Block
from perftrace.core.clock import Clock
from perftrace.core.events import Checkpoint, Link, Reached, Started
from perftrace.core.ids import Ids
from perftrace.core.record import Event, Operation, Record
from perftrace.core.sink import Sink, SinkLike
from perftrace.core.values import Attributes, Outcome, Scalar
from perftrace.exceptions import MarkerError, NewerVersionError, PerftraceError, SourceError, StoreBusyError
from perftrace.integrations import instrument, uninstrument
from perftrace.tracing.blocks import operation
from perftrace.tracing.configuration import SinkStats, Stats, configure, flush, records, shutdown, stats, tracer
from perftrace.tracing.decorators import Decorator, checkpointed, timed
from perftrace.tracing.monitor import OperationSummary, PerformanceMonitor, Timer, get_performance_monitor
from perftrace.tracing.propagation import bind, extract, inject

__version__ = "0.1.0.dev0"

checkpoint: Final = tracer.checkpoint
annotate: Final = tracer.annotate
current_operation: Final = tracer.current_operation

__all__ = [
    "Attributes",
    "Block",
    "Checkpoint",
    "Clock",
    "Decorator",
    "Event",
    "Ids",
    "Link",
    "MarkerError",
    "NewerVersionError",
    "Operation",
    "OperationSummary",
    "Outcome",
    "PerformanceMonitor",
    "PerftraceError",
    "Reached",
    "Record",
    "Scalar",
    "Sink",
    "SinkLike",
    "SinkStats",
    "SourceError",
    "Started",
    "Stats",
    "StoreBusyError",
    "Timer",
    "annotate",
    "bind",
    "checkpoint",
    "checkpointed",
    "configure",
    "current_operation",
    "extract",
    "flush",
    "get_performance_monitor",
    "inject",
    "instrument",
    "operation",
    "records",
    "shutdown",
    "stats",
    "timed",
    "uninstrument",
]
