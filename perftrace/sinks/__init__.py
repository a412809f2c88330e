"""Where events end: one-way out, one thing each."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perftrace.sinks.jsonlines import JsonLinesSink
    from perftrace.sinks.log.sink import LogSink
    from perftrace.sinks.memory import MemorySink
    from perftrace.sinks.otlp import OtlpSink
    from perftrace.sinks.otlp_json import OtlpJsonSink
    from perftrace.sinks.perfetto import PerfettoSink
    from perftrace.sinks.prometheus import PrometheusSink

__all__ = ["JsonLinesSink", "LogSink", "MemorySink", "OtlpJsonSink", "OtlpSink", "PerfettoSink", "PrometheusSink"]

_FILES = {
    "JsonLinesSink": "jsonlines",
    "LogSink": "log.sink",
    "MemorySink": "memory",
    "OtlpJsonSink": "otlp_json",
    "OtlpSink": "otlp",
    "PerfettoSink": "perfetto",
    "PrometheusSink": "prometheus",
}


if not TYPE_CHECKING:  # a checker would take any name for one that is there

    def __getattr__(name: str) -> object:
        """Import a sink when it is asked for: all of them take as long as the rest of perftrace."""
        if name not in _FILES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
