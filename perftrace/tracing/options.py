"""Checks the options that `timed`, `checkpointed` and `operation` share."""

from collections.abc import Callable, Mapping

from perftrace.core.checks import check_number, is_number
from perftrace.core.values import Scalar, attributes_of, plain

_MAX_SECONDS = 9_000_000_000


def operation_name(name: object) -> str:
    """Return the name of an operation, clipped; TypeError for what is no text or empty."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"the operation's name must be text and not empty, not {name!r}")
    return plain(name)


def slow_ns(slow: float | None) -> int | None:
    """Return the threshold of `slow`, in seconds, as nanoseconds; TypeError or ValueError for what is none."""
    if slow is None:
        return None
    return _nanoseconds(check_number("slow", slow, least=0, unit="seconds", wrong_type=TypeError))


def queued_ns(seconds: object) -> int:
    """Return the seconds of `queued` as nanoseconds, at least 0; TypeError for what is no number."""
    if not is_number(seconds):
        raise TypeError(f"operation: queued must be a number of seconds, not {seconds!r}")
    return _nanoseconds(seconds)


def _nanoseconds(seconds: float) -> int:
    """Return whole nanoseconds, from 0 to what 64 bits hold."""
    return int(max(0, min(seconds, _MAX_SECONDS)) * 1e9)


def fixed_attributes(attributes: Mapping[str, object] | None) -> dict[str, Scalar] | None:
    """Return attributes as plain data, None for none; TypeError for what is no mapping."""
    if attributes is None:
        return None
    if not isinstance(attributes, Mapping):
        raise TypeError(f"attributes must be a mapping, not {type(attributes).__name__}")
    return attributes_of(attributes) or None


def is_true(asked: Callable[[], object]) -> bool:
    """Ask whether a call is to be timed; a question that raises is a no."""
    try:
        return bool(asked())
    except KeyboardInterrupt:  # a real Ctrl-C
        raise
    except BaseException:
        return False
