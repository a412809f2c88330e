"""Looks through a store: what is in it, and whether all of it can be read."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from perftrace.formats.jsonl import NewerVersionError, decode
from perftrace.store import parquet
from perftrace.store.folder import LONGEST_LINE, TraceFile, claimed, contents

_BLOCK = 1 << 20


@dataclass
class Inventory:
    """What lies in a store."""

    files: int = 0
    in_use: int = 0
    """Files that a living process writes to."""
    lines_files: int = 0
    lines_bytes: int = 0
    parquet_files: int = 0
    parquet_bytes: int = 0
    records: int | None = 0
    """Rows of Parquet files and lines of the others, sound or not; None where DuckDB is missing to count rows."""
    oldest_ns: int | None = None
    newest_ns: int | None = None
    """When the oldest and the newest file were last written to: Unix nanoseconds."""
    other_files: list[str] = field(default_factory=list)
    """Names of what holds no records."""
    errors: list[str] = field(default_factory=list)
    """A line for each file that could not be counted."""


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


def inventory(folder: str | os.PathLike[str]) -> Inventory:
    """Count files, bytes and records without reading them through; raises OSError where the folder cannot be read."""
    found = contents(folder)
    counted = Inventory(other_files=list(found.other_files))
    for file in found.files:
        counted.files += 1
        counted.in_use += file.is_lines and file.is_own and _is_in_use(file)
        if file.is_lines:
            counted.lines_files += 1
            counted.lines_bytes += file.size
        else:
            counted.parquet_files += 1
            counted.parquet_bytes += file.size
        try:
            rows = _count_lines(file.path) if file.is_lines else parquet.count(file.path)
            counted.records = None if counted.records is None else counted.records + rows
        except FileNotFoundError:
            continue
        except ImportError as error:
            counted.records, counted.errors = None, [str(error)]
        except (OSError, ValueError) as error:
            counted.errors.append(f"{file.path}: {error}")
    changes = [file.changed_ns for file in found.files]
    counted.oldest_ns, counted.newest_ns = min(changes, default=None), max(changes, default=None)
    return counted


def check(folder: str | os.PathLike[str]) -> list[FileCheck]:
    """Read every record of every file.

    Raises OSError where the folder cannot be read and ModuleNotFoundError where Parquet is in it and DuckDB missing.
    """
    return [_check_file(file) for file in contents(folder).files]


def _check_file(file: TraceFile) -> FileCheck:
    found = FileCheck(file.path.name, file.size, file.is_lines and file.is_own and _is_in_use(file))
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


def _is_in_use(file: TraceFile) -> bool:
    with claimed(file.path) as is_free:
        return not is_free and file.path.exists()


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
