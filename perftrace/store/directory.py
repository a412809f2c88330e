"""The trace directory: each process appends to a file of its own."""

import os
import secrets
import time
from pathlib import Path

from perftrace.pipeline.background import Background
from perftrace.sinks.jsonlines import JsonLinesSink

SUFFIX = ".jsonl"
"""Of the files in a trace directory; all others are foreign."""


class DirectorySink(JsonLinesSink):
    """Appends records to a file of this process's own in a folder, which is made if it is not there.

    File names hold the time of creation, the process and chance, and nothing of what is traced. Files are for
    their owner alone (0600), the folder too if it is made here (0700). A forked child begins another file.

    folder: where. Raises NotADirectoryError where it is something else, OSError where it cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(f"store: {self._folder} is a file; name a folder") from None
        super().__init__(self._folder)

    def _open(self) -> None:
        self._path = os.fspath(self._folder / f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}")
        super()._open()


def store(folder: str) -> Background:
    """Make what `store:DIR` stands for: the directory behind a queue."""
    return Background(DirectorySink(folder))
