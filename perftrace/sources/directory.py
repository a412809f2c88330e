"""A trace directory -> records."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from perftrace.core.record import Record
from perftrace.messages import Message
from perftrace.sources.aggregates import RunAggregates, RunTimes
from perftrace.sources.base import Source
from perftrace.sources.parquet_aggregates import aggregate_runs, read_times
from perftrace.store import parquet
from perftrace.store.folder import LINES, PARQUET, TraceFile, contents


def read_directory(
    folder: str,
    source: Source,
    read_lines: Callable[[str], Iterator[Record]],
    aggregates: RunAggregates | RunTimes | None = None,
    elsewhere: Sequence[str] = (),
) -> Iterator[Record]:
    """Return the records of all files, while bots write and others compact or prune: each once.

    What cannot be read is added to the source's errors, what holds no records is noted in its counters.
    read_lines: gives the records of a file of JSON lines. aggregates: takes what is counted in place of being given.
    elsewhere: other folders that are read, too, where the same records may be.
    """
    try:
        found = contents(folder)
    except OSError as error:
        source.errors.append(Message("in_place", place=folder, error=error.strerror or error))
        return
    source.counters.skipped += (os.path.join(folder, name) for name in found.other_files)
    if not found.files:
        nothing = Message("no_trace_files", lines=LINES, parquet=PARQUET)
        source.errors.append(Message("in_place", place=folder, error=nothing))
    counted = set() if aggregates is None else _count(found.files, source, aggregates, elsewhere)
    for file in found.files:
        if file.path in counted:
            continue
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
            source.errors.append(Message("in_place", place=path, error=error))


def _count(
    files: Sequence[TraceFile], source: Source, aggregates: RunAggregates | RunTimes, elsewhere: Sequence[str]
) -> set[Path]:
    """Count the Parquet files that a store's writer named, in which each record is once; return those counted.

    Where that fails, for a damaged file or without numpy, reading them one by one says more.
    """
    own = [file for file in files if file.is_own and not file.is_lines]
    if not own:
        return set()
    try:
        beside = [file for file in files if file.is_lines]
        others = [file for folder in elsewhere for file in contents(folder).files]
        if isinstance(aggregates, RunTimes):
            rows, finished, untimed = read_times(own, aggregates, beside, others)
        else:
            counts = aggregate_runs(own, aggregates, beside, others)
            aggregates.counts.append(counts)
            source.unfinished += counts.unfinished
            rows, finished, untimed = counts.rows, counts.finished, counts.untimed
    except (OSError, ValueError, ImportError):
        return set()
    source.counters.lines += rows
    source.counters.used += rows
    source.given += finished
    source.untimed += untimed
    return {file.path for file in own}


def read_parquet(path: str | os.PathLike[str], source: Source) -> Iterator[Record]:
    """Return the records of a Parquet file and keep the source's counters: a row counts as a line."""
    for record in parquet.read(path):
        source.counters.lines += 1
        source.counters.used += 1
        if record.outcome is None:
            source.unfinished.append(record)
        else:
            yield record
