"""Checks the options that `timed`, `checkpointed` and `operation` share."""

from collections.abc import Callable

from perftrace.core.checks import check_number
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
    return int(check_number("slow", slow, least=0, unit="seconds", wrong_type=TypeError) * 1e9)


def queued_ns(seconds: object) -> int:
    """Return the seconds of `queued` as nanoseconds, at least 0; TypeError for what is no number."""
    return int(max(0.0, check_number("operation: queued", seconds, unit="seconds", wrong_type=TypeError)) * 1e9)


def is_true(asked: Callable[[], object]) -> bool:
    """Ask whether a call is to be timed; a question that raises is a no."""
    try:
        return bool(asked())
    except Exception:
        return False
