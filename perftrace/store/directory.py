"""The trace directory, written: each process appends to a file of its own."""

import contextlib
import os
import time
from pathlib import Path

from perftrace.pipeline.background import Background
from perftrace.sinks.jsonlines import JsonLinesSink
from perftrace.store.folder import create
from perftrace.store.pruning import parse_age, parse_size, prune


class DirectorySink(JsonLinesSink):
    """Appends records to a file of this process's own in a folder, which is made if it is not there.

    File names hold the time of creation, the process and chance, and nothing of what is traced. Files are for
    their owner alone (0600), the folder too if it is made here (0700). A forked child begins another file; so
    does a process whose file has grown large or old, for only files that nobody writes to can be compacted
    and removed.

    folder: where. file_bytes, file_seconds: how large and how old a file may grow. max_age, max_size: such as
    `30d` and `1GB`; the oldest files that nobody writes to are removed, whenever a file is begun. Raises
    NotADirectoryError where the folder is something else, OSError where it cannot be written to, ValueError for
    limits that are none.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        file_bytes: int = 64 << 20,
        file_seconds: float = 3600.0,
        max_age: str | None = None,
        max_size: str | None = None,
    ) -> None:
        self._folder = Path(os.path.abspath(folder))
        self._max_age = None if max_age is None else parse_age(max_age)
        self._max_bytes = None if max_size is None else parse_size(max_size)
        # A quarter each, so that what has to go is never nearly all.
        self._file_bytes = file_bytes if self._max_bytes is None else min(file_bytes, self._max_bytes // 4)
        self._file_seconds = file_seconds
        super().__init__(self._folder)

    def _create(self) -> int:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(f"store: {self._folder} is a file; name a folder") from None
        path, descriptor = create(self._folder)
        self._path = os.fspath(path)
        self._began = time.monotonic()
        if self._max_age is not None or self._max_bytes is not None:
            with contextlib.suppress(OSError):  # what may not be removed now is looked at again with the next file
                prune(self._folder, max_age=self._max_age, max_bytes=self._max_bytes)
        return descriptor

    def _is_full(self) -> bool:
        return self._size > 0 and (
            self._size >= self._file_bytes or time.monotonic() - self._began >= self._file_seconds
        )

    def close(self, timeout: float) -> bool:
        """Close the file; one that nothing was written to goes."""
        with self._lock:
            if self._file is not None and self._size == 0 and self._is_there():
                os.unlink(self._path)
            return super().close(timeout)


def store(folder: str) -> Background:
    """Make what `store:DIR` stands for: the directory behind a queue."""
    return Background(DirectorySink(folder))
