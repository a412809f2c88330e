"""Draws operations into a file for Perfetto's UI, while they run."""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from perftrace.core.checks import check_whole
from perftrace.core.record import Record, ids_of
from perftrace.formats.chrome import Events, base_event
from perftrace.formats.jsonl import dump
from perftrace.sinks.warnings import LocalizedSink, WarnOnce

try:
    import fcntl
except ImportError:  # Windows: no locks
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True

_BEGIN, _END = b'{"displayTimeUnit":"ns","traceEvents":[\n', b"\n]}\n"
_DAY = 86_400 * 10**9
_MAX_WAITING = 10_000
"""Records that wait for the end of their traces; beyond that the oldest trace is drawn as far as it is known."""


class PerfettoSink(LocalizedSink):
    """Writes a file of Chrome's trace events, for ui.perfetto.dev, chrome://tracing and speedscope.

    A trace is drawn when its root has finished, so that what was called lies inside what called it. The file is whole
    JSON after each write; it begins anew with each process, for its owner alone (0600). A forked child, and a process
    that finds the file in use, writes to one beside it whose name ends in its process id. Meant to stand behind
    `Background`.

    path: of the file. max_bytes: how large it may grow, as no viewer opens any size; what comes after is counted as
    `full`. Raises ValueError for a limit that is none; `open` raises OSError where the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int = 256 << 20) -> None:
        check_whole("PerfettoSink: max_bytes", max_bytes)
        self._path, self._max_bytes = os.path.abspath(path), max_bytes
        self._process = os.getpid()
        self._descriptor: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()
        self._events: Events | None = None
        self._waiting: OrderedDict[int, list[Record]] = OrderedDict()
        """By trace, what has finished while its root runs."""
        self._count = 0
        self._lost = {"full": 0, "error": 0}
        self._lost_before = 0
        self._warnings = WarnOnce()
        self.path: str = self._path
        """Of the file that is written."""

    def open(self) -> None:
        """Begin the file."""
        self._release()
        self._begin()
        if self._process == os.getpid():
            self._create()

    def _create(self) -> int:
        """Make the file, or one beside it where that is another process's."""
        own = _beside(self._path, os.getpid())
        for path in (self._path, own) if self._process == os.getpid() else (own,):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            if _locked(descriptor) or path == own:
                break
            os.close(descriptor)
        self._descriptor = descriptor
        self.path = path
        os.truncate(descriptor, 0)
        _write_all(descriptor, _BEGIN + _END, 0)
        self._at = len(_BEGIN)
        """Where the next event goes."""
        return descriptor

    def finished(self, record: Record) -> None:
        """Accept one record."""
        self.batch((record,))

    def batch(self, records: Sequence[Record]) -> int:
        """Accept records; draw the traces that are whole by now."""
        with self._lock:
            ready: list[list[Record]] = []
            for record in records:
                trace, _, _ = ids_of(record)
                group = self._waiting.setdefault(trace, [])
                group.append(record)
                self._count += 1
                if record.is_local_root:
                    ready.append(self._take(trace))
                elif self._count > _MAX_WAITING:
                    ready.append(self._take(next(iter(self._waiting))))
            self._draw(ready)
        return len(records)

    def _take(self, trace: int) -> list[Record]:
        group = self._waiting.pop(trace)
        self._count -= len(group)
        return group

    def _draw(self, groups: list[list[Record]]) -> None:
        """Write the events of traces at once; what cannot be written is counted."""
        count = sum(map(len, groups))
        if not count:
            return
        try:
            written = self._write(groups)
        except OSError as error:
            self._lost["error"] += count
            note = self._notes().broken_sink
            self._warnings.warn("error", note.format(sink=type(self).__name__, error=error.strerror or error))
            return
        if not written:
            self._lost["full"] += count
            size = self._max_bytes / 1e6
            self._warnings.warn(
                "full", self._notes().file_full.format(path=os.path.basename(self._path), size=f"{size:.0f}")
            )

    def _write(self, groups: list[list[Record]]) -> bool:
        descriptor = self._create() if self._descriptor is None else self._descriptor
        pieces: list[bytes] = []
        events = self._events
        if events is None:
            base = groups[0][0].start - _DAY  # others may have begun before the first that finished
            events = self._events = Events(base)
            pieces.append(dump(base_event(base)))
        for group in groups:
            pieces += [dump(event) for event in events.of(group)]
        separator = b",\n" if self._at > len(_BEGIN) else b""
        data = separator + b",\n".join(pieces)
        if self._at + len(data) > self._max_bytes:
            return False
        try:
            _write_all(descriptor, data + _END, self._at)
        except OSError:
            with contextlib.suppress(OSError):
                _write_all(descriptor, _END, self._at)
                os.truncate(descriptor, self._at + len(_END))
            raise
        self._at += len(data)
        return True

    def flush(self, timeout: float) -> bool:
        """Draw what waits for its root, too; return whether nothing was lost since the last time."""
        with self._lock:
            groups = [self._take(trace) for trace in list(self._waiting)]
            self._draw(groups)
        lost = sum(self._lost.values())
        is_whole, self._lost_before = lost == self._lost_before, lost
        return is_whole

    def close(self, timeout: float) -> bool:
        """Draw what waits, and let go of the file."""
        is_whole = self.flush(timeout)
        self._release()
        return is_whole

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def dropped(self) -> Mapping[str, int]:
        """Count what found the file full, or could not be written."""
        return dict(self._lost)

    def pending(self) -> int:
        """Count what waits for the end of its trace."""
        return self._count


def _beside(path: str, process: int) -> str:
    root, extension = os.path.splitext(path)
    return f"{root}-{process}{extension}"


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    os.lseek(descriptor, at, os.SEEK_SET)
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _locked(descriptor: int) -> bool:
    """Claim a file for this process; return whether no other one has."""
    if not _HAS_LOCKS:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
