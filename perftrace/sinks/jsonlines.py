"""Appends each record to a file as a JSON line."""

import bisect
import itertools
import os
import threading
from collections.abc import Sequence
from io import FileIO

from perftrace.core.record import Record
from perftrace.core.sink import Sink
from perftrace.formats.jsonl import encode, get_ready


class JsonLinesSink(Sink):
    """Appends records to a file, one line each: what was written survives a kill.

    What comes at once is written with one system call. The file is created for its owner alone (0600) if it
    is not there, and again when it was removed or renamed; processes may share it, each line stays whole.
    A write that fails is counted, and the next line begins afresh.

    path: of the file. Raises OSError where it cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        get_ready()
        self._path = os.path.abspath(path)  # whatever directory the process changes to
        self._is_closed = False
        self._file: FileIO | None = None
        # Threads take turns, so that none writes to a descriptor that another has just closed; a signal
        # handler that interrupts a write goes on in its own thread.
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._begin(self._create())

    def _encode(self, record: Record) -> bytes:
        """Write a record as a line with its LF."""
        return encode(record)

    def open(self) -> None:
        """In a forked child, let go of the parent's file; the first record opens another."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = threading.RLock()
            if self._file is not None:
                self._file.close()
                self._file = None

    def _create(self) -> int:
        """Open the file; give its descriptor."""
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)

    def _begin(self, descriptor: int) -> FileIO:
        file = self._file = FileIO(descriptor, "ab")
        info = os.fstat(descriptor)
        self._identity = (info.st_dev, info.st_ino)
        self._size = info.st_size
        # A former process may have been killed inside its last line.
        self._is_torn = info.st_size > 0 and os.pread(descriptor, 1, info.st_size - 1) != b"\n"
        return file

    def _is_full(self) -> bool:
        """Report whether it is time for another file."""
        return False

    def _current(self) -> FileIO:
        """Return the file to write to: another one if this one is gone or full."""
        if self._is_closed:
            raise ValueError("the sink is closed")
        former = self._file
        is_there = former is not None and self._is_there()
        if former is not None and is_there and not self._is_full():
            return former
        try:
            descriptor = self._create()
        except OSError:
            if former is not None and is_there:  # no room for another: this one will do
                return former
            raise
        if former is not None:
            former.close()
        return self._begin(descriptor)

    def _is_there(self) -> bool:
        try:
            info = os.stat(self._path)
        except OSError:
            return False
        return (info.st_dev, info.st_ino) == self._identity

    def finished(self, record: Record) -> None:
        """Write a record."""
        if not self.batch((record,)):
            raise OSError(f"{self._path}: only a part of a line was written")

    def batch(self, records: Sequence[Record]) -> int:
        """Write records with one system call; tell how many are whole in the file."""
        lines = [self._encode(record) for record in records]
        ends = list(itertools.accumulate(map(len, lines)))
        with self._lock:
            file = self._current()
            start = b"\n" if self._is_torn else b""
            written = (file.write(start + b"".join(lines)) or 0) - len(start)
            self._size += written
            ended = bisect.bisect_right(ends, written)
            if written >= 0:
                self._is_torn = written > (ends[ended - 1] if ended else 0)
            # A line that lacks but its LF is whole: the next write begins with one.
            return bisect.bisect_right(ends, written + 1)

    def close(self, timeout: float) -> bool:
        """Close the file."""
        with self._lock:
            self._is_closed = True
            if self._file is not None:
                self._file.close()
                self._file = None
        return True

    def __del__(self) -> None:
        file = self.__dict__.get("_file")
        if file is not None:
            file.close()
