"""Anything readable -> records, behind one `open(text)`."""

from perftrace.sources.logfile import LogSource
from perftrace.sources.reading import Reading


def open(text: str) -> Reading:  # noqa: A001  # sources.open is what one looks for
    """Read a source whole: the path of a log file, or `-` for standard input.

    Raises `SourceError`, a ValueError, where it cannot be read.
    """
    return LogSource([text]).read()
