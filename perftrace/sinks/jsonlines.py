"""Appends each record to a file as a JSON line."""

import os

from perftrace.core.record import Record
from perftrace.core.sink import Sink
from perftrace.formats.jsonl import encode


class JsonLinesSink(Sink):
    """Appends records to a file, one line and one system call each: what was written survives a kill.

    The file is created for its owner alone (0600) if it is not there; processes may share it, each
    line stays whole. A write that fails is counted, and the next line begins afresh.

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
        if self._file < 0:
            raise ValueError("the sink is closed")
        if self._process != os.getpid():  # forked: a descriptor of its own
            os.close(self._file)
            self._open()
        line = encode(record)
        if self._is_torn:
            line = b"\n" + line
        written = os.write(self._file, line)
        self._is_torn = written < len(line) and written > 0
        if written < len(line):
            raise OSError(f"{self._path}: only {written} of {len(line)} bytes written")

    def close(self, timeout: float) -> bool:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        return True
