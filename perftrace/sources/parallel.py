"""Logs read on all cores: each reads parts of a file, and the parts are joined in order."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from perftrace.core.record import Record
from perftrace.messages import Message
from perftrace.sources.aggregates import RunAggregates
from perftrace.sources.base import ReadCounters
from perftrace.sources.logfile import LogReader, PartState

PART = 1 << 24
"""Bytes of a part; of shorter files no core needs help."""
_BLOCK = 1 << 17
"""Bytes that are read at once; what becomes of more does not stay in the processor's cache: a tenth slower."""
MAX_LINE = 1 << 20
"""Bytes of a line that are looked at; what is longer is no line of ours."""


class ReadPart(NamedTuple):
    """A part that was read: its usual runs counted, the others as records, and what is left."""

    aggregates: RunAggregates
    records: list[Record]
    left: PartState


def read_parts(path: str, size: int, slowest: int) -> Iterator[ReadPart]:
    """Read a file of that many bytes, part by part, on all cores.

    slowest: how many of the slowest runs are kept of each part. Raises ValueError where a process was killed.
    """
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor  # a small file needs none

    starts = range(0, size, PART)
    try:
        pool = ProcessPoolExecutor(min(os.cpu_count() or 1, len(starts)), initializer=_be_quiet)
    except (OSError, ImportError, NotImplementedError):  # where there are no semaphores: some containers
        yield from (_read_part(path, start, slowest) for start in starts)
        return
    try:
        yield from pool.map(_read_part, [path] * len(starts), starts, [slowest] * len(starts))
    except BrokenExecutor:
        raise ValueError(Message("reader_killed")) from None
    finally:
        # Waited for: else, at the interpreter's exit, one report in a hundred printed a traceback of the pool's own,
        # which woke up a thread that had just gone.
        pool.shutdown(cancel_futures=True)


def _be_quiet() -> None:
    """Leave Ctrl-C to the parent; no garbage collection: nothing here goes round in circles, and it costs a sixth."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()


def _read_part(path: str, start: int, slowest: int) -> ReadPart:
    """Read the lines that begin in a part."""
    reader, aggregates = LogReader(ReadCounters(), is_part=True), RunAggregates(slowest)
    with open(path, "rb") as file:
        _skip_to(file, start)
        records = list(reader.count(path, blocks(file, start + PART - file.tell()), aggregates))
    aggregates.finish()
    return ReadPart(aggregates, records, reader.part())


def _skip_to(file: BinaryIO, start: int) -> None:
    """Go to the first line that begins at `start` or later: the one before it belongs to the part before."""
    if start:
        file.seek(start - 1)
        while (line := file.readline(MAX_LINE)) and not line.endswith(b"\n"):
            pass


def blocks(file: BinaryIO, length: int | None = None) -> Iterator[bytes]:
    """Return a file's lines, whole ones, many at once; those that begin in the next `length` bytes.

    Of an endless line only the beginning is given, so that memory is bounded.
    """
    left = sys.maxsize if length is None else length
    rest = b""
    while left > 0 and (data := file.read(min(_BLOCK, left))):
        left -= len(data)
        data = rest + data
        cut = data.rfind(b"\n") + 1
        rest = data[cut:][:MAX_LINE]
        if cut:
            yield data[:cut]
    if rest:
        yield rest + (b"" if length is None else file.readline(MAX_LINE))
