"""A trace directory -> records."""

import os
from collections.abc import Callable, Iterator

from perftrace.core.record import Record
from perftrace.sources.reading import Source
from perftrace.store import parquet
from perftrace.store.folder import LINES, PARQUET, contents


def read_directory(folder: str, source: Source, read_lines: Callable[[str], Iterator[Record]]) -> Iterator[Record]:
    """Give the records of all files, while bots write and others compact or prune: each once.

    What cannot be read is added to the source's errors, what holds no records is noted in its books.
    read_lines: gives the records of a file of JSON lines.
    """
    try:
        found = contents(folder)
    except OSError as error:
        source.errors.append(f"{folder}: {error.strerror or error}")
        return
    source.books.skipped += (os.path.join(folder, name) for name in found.foreign)
    if not found.files:
        source.errors.append(f"{folder}: a directory without trace files (*{LINES}, *{PARQUET})")
    for file in found.files:
        path = file.path
        if path.suffix == LINES:
            try:
                yield from read_lines(os.fspath(path))
                continue
            except FileNotFoundError:  # compacted since it was listed, or pruned
                path = file.parquet
        try:
            yield from read_parquet(path, source)
        except FileNotFoundError:  # pruned
            continue
        except (OSError, ValueError, ImportError) as error:
            source.errors.append(f"{path}: {error}")


def read_parquet(path: str | os.PathLike[str], source: Source) -> Iterator[Record]:
    """Give the records of a Parquet file and keep the source's books: a row counts as a line."""
    for record in parquet.read(path):
        source.books.lines += 1
        source.books.used += 1
        if record.outcome is None:
            source.unfinished.append(record)
        else:
            yield record
