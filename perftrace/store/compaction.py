"""Turns files of JSON lines that nobody writes to any more into Parquet, a tenth as large."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from perftrace.formats.jsonl import decode, encode
from perftrace.messages import Message
from perftrace.store import parquet
from perftrace.store.folder import LINES, LONGEST_LINE, TraceFile, claimed, contents, locked


@dataclass
class Compacted:
    """What a compaction did."""

    files: int = 0
    """Turned into Parquet."""
    records: int = 0
    """Records that are in Parquet now."""
    kept_lines: int = 0
    """Lines that are no records, or of a version to come: they stay, in files named `*.kept.jsonl`."""
    bytes_before: int = 0
    """The size of these files before."""
    bytes_after: int = 0
    """The size of what came of them."""
    in_use: int = 0
    """Files that a living process writes to, or that another compaction has in hand."""
    errors: list[str] = field(default_factory=list)
    """A line for each file that could not be turned; it is as it was."""


def compact(folder: str | os.PathLike[str]) -> Compacted:
    """Turn each file of JSON lines that its process has let go of into a Parquet file of the same name.

    Bots may write, others read meanwhile: the two files change places at a moment when nobody lists the folder.
    Killed at any moment, it leaves all records readable, each once; the next compaction goes on from there.
    Only files that a store's writer named are touched. Raises OSError where the folder cannot be read and
    ModuleNotFoundError without DuckDB.
    """
    parquet.database().close()
    found = contents(folder)
    done = Compacted()
    for file in (*found.files, *found.replaced):
        if file.is_lines and file.is_own:
            with claimed(file.path) as is_free:
                if not is_free:
                    done.in_use += 1
                    continue
                try:
                    _compact_file(file, done)
                except OSError as error:
                    done.errors.append(Message("in_place", place=file.path, error=error.strerror or error))
    return done


def _compact_file(file: TraceFile, done: Compacted) -> None:
    """Make the Parquet file beside the lines, then let them change places."""
    folder, stem = file.path.parent, file.path.stem
    records, kept, made = (folder / f".{stem}{suffix}" for suffix in (".records", ".kept", ".parquet"))
    try:
        count, bad = _sort_out(file.path, records, kept)
        if not count and bad:
            return
        if count and parquet.write(records, made) != count:
            raise OSError(Message("not_all_taken", count=count))
        records.unlink()
        after = 0
        for path in (made, kept):
            if path.exists():
                after += path.stat().st_size
                os.utime(path, ns=(file.changed_ns, file.changed_ns))
                _sync(path)
        with locked(folder, exclusive=True, timeout=10.0):
            # In this order: from the first step on the lines count as replaced, and until the last one the next
            # compaction can do all of it again.
            if count:
                made.replace(file.parquet)
            if bad:
                kept.replace(folder / f"{stem}.kept{LINES}")
            _sync(folder)
            file.path.unlink()
    finally:
        for path in (records, kept, made):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # DuckDB empties it; it is there only if memory did not do
            os.rmdir(f"{made}.spill")
    done.files += 1
    done.records += count
    done.kept_lines += bad
    done.bytes_before += file.size
    done.bytes_after += after


def _sort_out(lines: Path, records: Path, kept: Path) -> tuple[int, int]:
    """Copy records into one file and all other lines into another; return the number of each."""
    count = bad = 0
    with lines.open("rb") as source, _private(records).open("wb") as good, _private(kept).open("wb") as rest:
        while line := source.readline(LONGEST_LINE):  # LF alone ends a line
            if not line.strip():
                continue
            try:
                # Written anew, so that what this parser takes, DuckDB's takes too.
                good.write(encode(decode(line)))
                count += 1
            except ValueError:
                rest.write(line if line.endswith(b"\n") else line + b"\n")
                bad += 1
    if not bad:
        kept.unlink()
    return count, bad


def _private(path: Path) -> Path:
    path.touch(mode=0o600)
    return path


def _sync(path: Path) -> None:
    """Wait until it is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
