"""What integrations do by themselves never raises into the application: it is counted, and told once."""

from collections.abc import Callable
from typing import TypeVar

from perftrace.core.values import plain
from perftrace.formats.line import escape
from perftrace.sinks.warnings import WarnOnce
from perftrace.tracing.configuration import notes, tracer

T = TypeVar("T")
UNNAMED = "(unnamed)"
"""Stands in the name of what could not be named, in place of what tells it from others."""
_told = WarnOnce()


def guarded(what: str, read: Callable[[], T], otherwise: T) -> T:
    """Return what is read; where that raises, `otherwise`.

    what: the integration and what it reads, such as `asgi: name`.
    """
    try:
        return read()
    except Exception as error:
        report(what, f"{type(error).__name__}: {plain(error)}")
        return otherwise


def report(what: str, why: str) -> None:
    """Count what an integration could not do; tell each kind once."""
    tracer.unread += 1
    _told.warn(what, notes().unread.format(what=what, why=escape(why[:200])))
