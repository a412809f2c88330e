"""Checks the options that `timed`, `checkpointed` and `operation` share."""

import math
from collections.abc import Callable

from perftrace.core.values import plain


def operation_name(name: object) -> str:
    """Return the name of an operation, clipped; TypeError for what is no text or empty."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"the operation's name must be text and not empty, not {name!r}")
    return plain(name)


def slow_ns(slow: float | None) -> int | None:
    """Return the threshold of `slow`, in seconds, as nanoseconds; TypeError or ValueError for what is none."""
    if slow is None:
        return None
    if isinstance(slow, bool) or not isinstance(slow, int | float):
        raise TypeError(f"slow must be a number of seconds, not {slow!r}")
    if not 0 <= slow < float("inf"):
        raise ValueError(f"slow must be a number of seconds from 0 on, not {slow!r}")
    return int(slow * 1e9)


def queued_ns(seconds: object) -> int:
    """Return the seconds of `queued` as nanoseconds, at least 0; TypeError for what is no number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise TypeError(f"operation: queued must be a number of seconds, not {seconds!r}")
    return int(max(0.0, seconds) * 1e9)


def is_true(asked: Callable[[], object]) -> bool:
    """Ask whether a call is to be timed; a question that raises is a no."""
    try:
        return bool(asked())
    except Exception:
        return False
