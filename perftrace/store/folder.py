"""The folder of a store: what lies in it, which files are in use, and who may change it now."""

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perftrace.exceptions import StoreBusyError
from perftrace.messages import Message

try:
    import fcntl
except ImportError:  # Windows: no locks, so all files count as in use
    _HAS_LOCKS = False
else:
    _HAS_LOCKS = True

LINES, PARQUET = ".jsonl", ".parquet"
"""Suffixes of the two kinds of files."""
LONGEST_LINE = 1 << 24
"""Bytes of a line that are read at once; what is longer is no record."""
_OWN = re.compile(r"[0-9]{16,20}-[0-9]+-[0-9a-f]{8}(\.kept)*(\.jsonl|\.parquet)")
_WAIT_SECONDS = 0.01
_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True)
class TraceFile:
    """A file that holds records."""

    path: Path
    size: int
    """In bytes."""
    changed_ns: int
    """When the newest record was written: Unix nanoseconds."""

    @property
    def is_lines(self) -> bool:
        """JSON lines, not Parquet."""
        return self.path.suffix == LINES

    @property
    def is_own(self) -> bool:
        """Named by a store's writer; others are read and never changed."""
        return _OWN.fullmatch(self.path.name) is not None

    @property
    def parquet(self) -> Path:
        """Where its records stand once they are compacted."""
        return self.path.with_suffix(PARQUET)


@dataclass(frozen=True)
class Contents:
    """What was in a folder at one moment."""

    files: tuple[TraceFile, ...]
    """Each record of the store is in one of them; oldest first."""
    replaced: tuple[TraceFile, ...]
    """JSON lines whose Parquet is there: an interrupted compaction left them; no reader looks at them."""
    other_files: tuple[str, ...]
    """Names of what holds no records: files of other programs, folders, pipes."""


def create(folder: str | os.PathLike[str]) -> tuple[Path, int]:
    """Make a new file for its owner alone (0600) and take it; return its path and a descriptor that appends.

    Its name holds time, process and chance, and nothing of what is traced. Raises OSError.
    """
    for is_last in (False, False, True):
        path = Path(folder, f"{time.time_ns()}-{os.getpid()}-{os.urandom(4).hex()}{LINES}")
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _CLOSE_ON_EXEC, 0o600)
        # Between the two calls another process may take it for a file that nobody uses. Where nothing can be
        # locked at all, nobody touches it.
        if (claim(descriptor) and _is(descriptor, path)) or is_last:
            break
        os.close(descriptor)
        path.unlink(missing_ok=True)
    return path, descriptor


def contents(folder: str | os.PathLike[str]) -> Contents:
    """Look into a folder at a moment when no compaction swaps files.

    Raises OSError where it cannot be read.
    """
    with locked(folder, exclusive=False, timeout=10.0):
        found, other_files = [], []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):  # a compaction's work, among others
                    continue
                try:
                    info = entry.stat()
                except OSError:  # removed meanwhile, or a link to nowhere
                    continue
                if stat.S_ISREG(info.st_mode) and entry.name.endswith((LINES, PARQUET)):
                    found.append(TraceFile(Path(folder, entry.name), info.st_size, info.st_mtime_ns))
                else:
                    other_files.append(entry.name)
    found.sort(key=lambda file: file.path.name)
    compacted = {file.path for file in found if not file.is_lines}
    replaced = tuple(file for file in found if file.is_lines and file.parquet in compacted)
    return Contents(tuple(file for file in found if file not in replaced), replaced, tuple(sorted(other_files)))


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str], *, exclusive: bool, timeout: float) -> Iterator[None]:
    """Keep other processes from swapping files (exclusive: from looking, too) meanwhile.

    Raises StoreBusyError after `timeout` seconds.
    """
    if not _HAS_LOCKS:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | _CLOSE_ON_EXEC)
    try:
        end = time.monotonic() + timeout
        while not _try_lock(descriptor, exclusive=exclusive):
            if time.monotonic() > end:
                raise StoreBusyError(Message("in_place", place=os.fspath(folder), error=Message("store_busy")))
            time.sleep(_WAIT_SECONDS)
        yield
    finally:
        os.close(descriptor)


def claim(descriptor: int) -> bool:
    """Mark a file as in use for as long as the descriptor is open; return whether nobody else uses it.

    A process that dies lets go of it, however it dies.
    """
    return _HAS_LOCKS and _try_lock(descriptor, exclusive=True)


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Claim a file meanwhile; yield whether it was there and not in use."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _CLOSE_ON_EXEC | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        yield False
        return
    try:
        # It may have been removed between the two calls, by the process that had claimed it before.
        yield claim(descriptor) and _is(descriptor, path)
    finally:
        os.close(descriptor)


def _is(descriptor: int, path: Path) -> bool:
    """Report whether an open file still stands at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _try_lock(descriptor: int, *, exclusive: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody can tell, so it counts as in use
        return not exclusive
    return True


def is_in_use(file: TraceFile) -> bool:
    """Report whether a living process writes to a file."""
    with claimed(file.path) as is_free:
        return not is_free and file.path.exists()
