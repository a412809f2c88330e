"""The trace directory, written: each process appends to a file of its own."""

import os
import time
from pathlib import Path

from perftrace.pipeline.background import Background
from perftrace.sinks.jsonlines import JsonLinesSink
from perftrace.store.folder import create


class DirectorySink(JsonLinesSink):
    """Appends records to a file of this process's own in a folder, which is made if it is not there.

    File names hold the time of creation, the process and chance, and nothing of what is traced. Files are for
    their owner alone (0600), the folder too if it is made here (0700). A forked child begins another file; so
    does a process whose file has grown large or old, for only files that nobody writes to can be compacted
    and removed.

    folder: where. file_bytes, file_seconds: how large and how old a file may grow. Raises NotADirectoryError
    where the folder is something else, OSError where it cannot be written to.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, file_bytes: int = 64 << 20, file_seconds: float = 3600.0
    ) -> None:
        self._folder = Path(folder)
        self._file_bytes, self._file_seconds = file_bytes, file_seconds
        super().__init__(self._folder)

    def _create(self) -> int:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(f"store: {self._folder} is a file; name a folder") from None
        path, descriptor = create(self._folder)
        self._path = os.fspath(path)
        self._began = time.monotonic()
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
