"""What lies in a store, counted without reading it through."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from perftrace.messages import Message
from perftrace.store import parquet
from perftrace.store.folder import contents, is_in_use

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


def inventory(folder: str | os.PathLike[str]) -> Inventory:
    """Count files, bytes and records without reading them through; raises OSError where the folder cannot be read."""
    found = contents(folder)
    counted = Inventory(other_files=list(found.other_files))
    for file in found.files:
        counted.files += 1
        counted.in_use += file.is_lines and file.is_own and is_in_use(file)
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
            counted.records, counted.errors = None, [Message("in_place", place=os.fspath(folder), error=error)]
        except (OSError, ValueError) as error:
            counted.errors.append(Message("in_place", place=file.path, error=error))
    changes = [file.changed_ns for file in found.files]
    counted.oldest_ns, counted.newest_ns = min(changes, default=None), max(changes, default=None)
    return counted


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
