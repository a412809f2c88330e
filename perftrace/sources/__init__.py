"""Anything readable -> records, behind one `open(text)`."""

import os

from perftrace.core.record import Record
from perftrace.sources.aggregates import RunAggregates
from perftrace.sources.base import ReadCounters, Reading
from perftrace.sources.files import FileSource

__all__ = ["FileSource", "ReadCounters", "Reading", "RunAggregates", "open"]


def open(text: str) -> Reading[list[Record]]:  # noqa: A001  # sources.open is what one looks for
    """Read a source whole; what it is, its content tells.

    text: the path of a log file, of JSON lines, of OTLP as JSON or protobuf, or of a Chrome trace, each plain or
        gzipped; of a trace directory or one of its Parquet files; or `-` for standard input.

    Of a trace directory it returns what can be read, with the `errors` of the rest. Raises `SourceError`, a ValueError,
    where it cannot be read.
    """
    return FileSource([text]).read(is_lenient=os.path.isdir(text))
