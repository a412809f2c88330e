"""Tells why a bot or async service is slow, and which step to fix first."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perftrace import (
        analysis as analysis,
    )
    from perftrace import (
        exceptions as exceptions,
    )
    from perftrace import (
        integrations as integrations,
    )
    from perftrace import (
        pipeline as pipeline,
    )
    from perftrace import (
        sinks as sinks,
    )
    from perftrace import (
        sources as sources,
    )
    from perftrace import (
        store as store,
    )
    from perftrace import (
        testing as testing,
    )
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
    from perftrace.tracing.configuration import (
        SinkStats,
        Stats,
        annotate,
        checkpoint,
        configure,
        current_operation,
        flush,
        records,
        shutdown,
        stats,
    )
    from perftrace.tracing.decorators import Decorator, checkpointed, timed
    from perftrace.tracing.monitor import OperationSummary, PerformanceMonitor, Timer, get_performance_monitor
    from perftrace.tracing.propagation import bind, extract, inject

__version__ = "0.1.0.dev0"

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

_FILES = {
    "Attributes": "core.values",
    "Block": "core.block",
    "Checkpoint": "core.events",
    "Clock": "core.clock",
    "Decorator": "tracing.decorators",
    "Event": "core.record",
    "Ids": "core.ids",
    "Link": "core.events",
    "MarkerError": "exceptions",
    "NewerVersionError": "exceptions",
    "Operation": "core.record",
    "OperationSummary": "tracing.monitor",
    "Outcome": "core.values",
    "PerformanceMonitor": "tracing.monitor",
    "PerftraceError": "exceptions",
    "Reached": "core.events",
    "Record": "core.record",
    "Scalar": "core.values",
    "Sink": "core.sink",
    "SinkLike": "core.sink",
    "SinkStats": "tracing.configuration",
    "SourceError": "exceptions",
    "Started": "core.events",
    "Stats": "tracing.configuration",
    "StoreBusyError": "exceptions",
    "Timer": "tracing.monitor",
    "annotate": "tracing.configuration",
    "bind": "tracing.propagation",
    "checkpoint": "tracing.configuration",
    "checkpointed": "tracing.decorators",
    "configure": "tracing.configuration",
    "current_operation": "tracing.configuration",
    "extract": "tracing.propagation",
    "flush": "tracing.configuration",
    "get_performance_monitor": "tracing.monitor",
    "inject": "tracing.propagation",
    "instrument": "integrations",
    "operation": "tracing.blocks",
    "records": "tracing.configuration",
    "shutdown": "tracing.configuration",
    "stats": "tracing.configuration",
    "timed": "tracing.decorators",
    "uninstrument": "integrations",
}
_PACKAGES = (
    "analysis", "core", "exceptions", "formats", "integrations", "messages", "pipeline", "sinks", "sources", "store",
    "testing", "tracing",
)  # fmt: skip


if not TYPE_CHECKING:  # a checker would take any name for one that is there

    def __getattr__(name: str) -> object:
        """Import what is asked for: commands need nothing of what traces, which takes longer than they do."""
        if name in _PACKAGES:
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _FILES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # All at once: a fork beside a thread that imports would leave the child with its lock.
        for one, file in _FILES.items():
            globals()[one] = getattr(importlib.import_module(f"{__name__}.{file}"), one)
        return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})
