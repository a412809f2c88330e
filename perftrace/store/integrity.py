"""Whether every record of a store can be read."""

import os
from dataclasses import dataclass
from pathlib import Path

from perftrace.exceptions import NewerVersionError
from perftrace.formats.jsonl import decode
from perftrace.store import parquet
from perftrace.store.folder import LONGEST_LINE, TraceFile, contents, is_in_use


@dataclass
class FileCheck:
    """What was found in one file."""

    name: str
    bytes: int
    in_use: bool
    records: int = 0
    damaged: int = 0
    """Lines that are no records."""
    is_torn: bool = False
    """Its last line has no end: the process was killed in the middle of it, or writes it now, which is no damage."""
    newer: int = 0
    """Lines of a version to come."""
    error: str | None = None
    """Why it could not be read."""

    @property
    def is_sound(self) -> bool:
        """All of it can be read."""
        return not (self.damaged or self.newer or self.error)


def check(folder: str | os.PathLike[str]) -> list[FileCheck]:
    """Read every record of every file.

    Raises OSError where the folder cannot be read and ModuleNotFoundError where Parquet is in it and DuckDB missing.
    """
    return [_check_file(file) for file in contents(folder).files]


def _check_file(file: TraceFile) -> FileCheck:
    found = FileCheck(file.path.name, file.size, file.is_lines and file.is_own and is_in_use(file))
    try:
        if file.is_lines:
            _check_lines(file.path, found)
        else:
            for _ in parquet.read(file.path):
                found.records += 1
    except (OSError, ValueError) as error:
        found.error = str(error)
    return found


def _check_lines(path: Path, found: FileCheck) -> None:
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            found.is_torn = not line.endswith(b"\n")
            if not line.strip():
                continue
            try:
                decode(line)
            except NewerVersionError:
                found.newer += 1
            except ValueError:
                found.damaged += not (found.is_torn and found.in_use)  # half of what is being written
            else:
                found.records += 1
