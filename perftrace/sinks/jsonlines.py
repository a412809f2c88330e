"""Appends each record to a file as a JSON line."""

import bisect
import itertools
import os
from collections.abc import Sequence

from perftrace.core.record import Record
from perftrace.core.sink import Sink
from perftrace.formats.jsonl import encode


class JsonLinesSink(Sink):
    """Appends records to a file, one line each: what was written survives a kill.

    What comes at once is written with one system call. The file is created for its owner alone (0600) if it
    is not there; processes may share it, each line stays whole. A write that fails is counted, and the next
    line begins afresh.

    path: of the file. Raises OSError where it cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        self._process = os.getpid()
        size = os.fstat(self._file).st_size
        # A former process may have been killed inside its last line.
        self._is_torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"

    def finished(self, record: Record) -> None:
        """Write a record."""
        if not self.batch((record,)):
            raise OSError(f"{self._path}: only a part of a line was written")

    def batch(self, records: Sequence[Record]) -> int:
        """Write records with one system call; tell how many are whole in the file."""
        if self._file < 0:
            raise ValueError("the sink is closed")
        if self._process != os.getpid():  # forked: a descriptor of its own
            os.close(self._file)
            self._open()
        lines = [encode(record) for record in records]
        if self._is_torn:
            lines[0] = b"\n" + lines[0]
        written = os.write(self._file, b"".join(lines))
        ends = list(itertools.accumulate(map(len, lines)))
        whole = bisect.bisect_right(ends, written)
        if written:
            self._is_torn = written > (ends[whole - 1] if whole else 0)
        return whole

    def close(self, timeout: float) -> bool:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        return True
