"""Drops the oldest files of a store, by age and by size."""

import os
import re
import time
from dataclasses import dataclass

from perftrace.messages import Message
from perftrace.store.folder import TraceFile, claimed, contents, locked

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_BYTES = {f"{prefix}B": 1000**power for power, prefix in enumerate(["", "K", "M", "G", "T"])}
_BYTES |= {f"{prefix}iB": 1024**power for power, prefix in enumerate(["K", "M", "G", "T"], 1)}


@dataclass
class Pruned:
    """What was dropped, and what is left."""

    files: int = 0
    """Files that were removed."""
    bytes: int = 0
    """Their size."""
    left_files: int = 0
    """Files that are left."""
    left_bytes: int = 0
    """Their size."""
    is_over: bool = False
    """More is left than `max_bytes`, in files that are in use."""


def parse_age(text: str) -> float:
    """Read an age such as `30d`, `12h`, `90m`; return seconds. Raises ValueError."""
    return _parse(text, _SECONDS, "not_an_age")


def parse_size(text: str) -> int:
    """Read a size such as `1GB` (10^9 bytes) or `500MiB`; return bytes. Raises ValueError."""
    return int(_parse(text, _BYTES, "not_a_size"))


def _parse(text: str, units: dict[str, int], complaint: str) -> float:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)", text.strip())
    unit = {name.lower(): value for name, value in units.items()}.get(found[2].lower()) if found else None
    if not found or unit is None:
        raise ValueError(Message(complaint, text=text))
    return float(found[1]) * unit


def prune(folder: str | os.PathLike[str], *, max_age: float | None = None, max_bytes: int | None = None) -> Pruned:
    """Remove whole files: those whose newest record is too old, then the oldest until the rest is small enough.

    Files that a process writes to, and those that no store's writer named, stay; the size counts the former.
    max_age: in seconds. Raises OSError where the folder cannot be changed.
    """
    oldest_ns = None if max_age is None else time.time_ns() - int(max_age * 1e9)
    found = contents(folder)
    own = sorted((file for file in found.files if file.is_own), key=lambda file: file.changed_ns)
    shadows = {file.parquet: file for file in found.replaced}
    done = Pruned(left_files=len(own), left_bytes=sum(file.size for file in own))
    for file in own:
        is_old = oldest_ns is not None and file.changed_ns < oldest_ns
        is_too_much = max_bytes is not None and done.left_bytes > max_bytes
        if (is_old or is_too_much) and _remove(file, shadows.get(file.path)):
            done.files += 1
            done.bytes += file.size
            done.left_files -= 1
            done.left_bytes -= file.size
    done.is_over = max_bytes is not None and done.left_bytes > max_bytes
    return done


def _remove(file: TraceFile, shadow: TraceFile | None) -> bool:
    """Remove a file, the lines that it replaced first; return whether it was free."""
    with claimed(file.path) as is_free:
        if not is_free:
            return False
        with locked(file.path.parent, exclusive=True, timeout=10.0):
            if shadow is not None:
                shadow.path.unlink(missing_ok=True)
            file.path.unlink(missing_ok=True)
        return True
