"""Appends each record to a file as a line of OTLP JSON."""

import os
from collections.abc import Mapping

from perftrace.core.record import Record
from perftrace.core.values import Scalar, attributes_of
from perftrace.formats.otlp import resource_of
from perftrace.formats.otlp_json import encode
from perftrace.sinks.jsonlines import JsonLinesSink


class OtlpJsonSink(JsonLinesSink):
    """Appends records to a file that OpenTelemetry's Collector reads (`otlpjsonfile`), and every command here.

    As `jsonl:PATH` does: one system call for what comes at once, what was written survives a kill, processes may
    share the file.

    path: of the file. resource: attributes of the process, beside `OTEL_SERVICE_NAME` and
    `OTEL_RESOURCE_ATTRIBUTES`. Raises OSError where it cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str], *, resource: Mapping[str, Scalar] | None = None) -> None:
        self._resource = resource_of(os.environ, attributes_of(resource or {}))
        super().__init__(path)

    def _encode(self, record: Record) -> bytes:
        return encode((record,), self._resource)
