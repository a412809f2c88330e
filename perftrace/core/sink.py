"""The contract of a sink: subclass, override what you need."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from perftrace.core.events import Reached, Started
from perftrace.core.record import Record


class Sink:
    """Where events go; only the hooks that a subclass overrides are ever called.

    Hooks run on the traced thread, at once: a sink that may be slow belongs into a wrapper that
    queues. Whatever a hook raises is counted and reported once, and never reaches traced code.
    `flush` and `close`, where they are overridden, run in a thread of their own: one that hangs keeps nobody waiting.
    """

    never_traces: ClassVar[bool] = False
    """True promises that no hook runs foreign code, so that nothing can be traced while it is called.

    A hook of such a sink that is a function in C, as a list's or a queue's own, must not raise.
    """

    def open(self) -> None:
        """Get ready: called when it is configured and anew in each forked child, which begins with nothing.

        What it raises comes out of `configure`, which then changes nothing.
        """

    def started(self, event: Started) -> object:
        """Accept the start of an operation."""

    def reached(self, event: Reached) -> object:
        """Accept a checkpoint."""

    def finished(self, record: Record) -> object:
        """Accept a finished operation."""

    def batch(self, records: Sequence[Record]) -> int:
        """Accept several finished operations at once, as a queue delivers them; return how many were written.

        For sinks to which one large write is cheaper than many small ones; those not written are lost.
        """
        for record in records:
            self.finished(record)
        return len(records)

    def is_enabled(self) -> bool:
        """Return whether an event would currently be written. If no sink is enabled, calls are not timed."""
        return True

    def flush(self, timeout: float) -> bool | None:
        """Write what was accepted, waiting at most `timeout` seconds; return whether all was written (None: yes)."""
        return True

    def close(self, timeout: float) -> bool | None:
        """Flush and release files and threads, waiting at most `timeout` seconds; return whether all was written."""
        return self.flush(timeout)

    def abort_retries(self) -> None:
        """Stop waiting and retrying, as `close` follows; called while another thread may be inside a hook."""

    def dropped(self) -> Mapping[str, int]:
        """Count, by reason, the events that were accepted and will never be written."""
        return {}

    def pending(self) -> int:
        """Count the events that were accepted and are not written yet."""
        return 0

    def caught(self) -> int:
        """Count the exceptions that were caught inside, as by a queue around a sink that raises."""
        return 0


class CallableSink(Sink):
    """Hands finished operations to a callable."""

    def __init__(self, receive: Callable[[Record], object]) -> None:
        self.receive = receive

    def finished(self, record: Record) -> None:
        """Pass a finished operation on."""
        self.receive(record)


def name_of(sink: Sink) -> str:
    """Return the name by which a sink is reported: its class, or the callable that it calls."""
    if isinstance(sink, CallableSink):
        return str(getattr(sink.receive, "__qualname__", type(sink.receive).__name__))
    return type(sink).__name__


SinkLike: TypeAlias = Sink | str | Callable[[Record], Any]
"""What `configure(sinks=[...])` takes: a sink, its name as text, or a callable that takes records."""
