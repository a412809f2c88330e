"""What all wrappers share: whatever they do not do themselves is the wrapped sink's."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from perftrace.core.events import Reached, Started
from perftrace.core.record import Event, Record, level_of
from perftrace.core.sink import CallableSink, Sink
from perftrace.core.sink_guard import overrides
from perftrace.sinks.warnings import LocalizedSink

K = TypeVar("K")
"""Of a dict that stands for an ordered set."""
KINDS: Mapping[str, type] = {"started": Started, "reached": Reached, "finished": Record}
"""The hooks of a sink and what they take."""


class SinkWrapper(LocalizedSink):
    """A sink around another one; a subclass sets `started`, `reached` and `finished` where the other has them.

    sink: a sink or a callable that takes records. Raises TypeError for anything else.
    """

    def __init__(self, sink: Sink | Callable[..., Any]) -> None:
        if isinstance(sink, type) or not (isinstance(sink, Sink) or callable(sink)):
            raise TypeError(
                f"{type(self).__name__}: takes a sink object or a callable that takes records, not {sink!r}"
            )
        self.wrapped: Sink = sink if isinstance(sink, Sink) else CallableSink(sink)
        self.hooks: Mapping[type, Callable[[Any], object]] = {
            kind: getattr(self.wrapped, name) for name, kind in KINDS.items() if overrides(self.wrapped, name)
        }
        """What the wrapped sink takes, by the type of event."""

    def replay(self, records: Iterable[Record]) -> None:
        """Pass records on, with the events that came before each, in the order of time."""
        events = [timed for record in records for timed in _events(record)]
        for _, event in sorted(events, key=lambda timed: timed[0]):
            if type(event) in self.hooks:
                self.hooks[type(event)](event)

    def open(self) -> None:
        """Open the wrapped sink."""
        self.wrapped.open()

    def is_enabled(self) -> bool:
        """Return whether the wrapped sink would currently write an event."""
        return self.wrapped.is_enabled()

    def flush(self, timeout: float) -> bool | None:
        """Flush the wrapped sink."""
        return self.wrapped.flush(timeout)

    def close(self, timeout: float) -> bool | None:
        """Close the wrapped sink."""
        return self.wrapped.close(timeout)

    def abort_retries(self) -> None:
        """Stop the wrapped sink's waiting and retrying."""
        self.wrapped.abort_retries()

    def dropped(self) -> Mapping[str, int]:
        """Count the wrapped sink's losses."""
        return self.wrapped.dropped()

    def pending(self) -> int:
        """Count what waits in the wrapped sink."""
        return self.wrapped.pending()

    def caught(self) -> int:
        """Count the exceptions that were caught inside the wrapped sink."""
        return self.wrapped.caught()

    def innermost(self) -> Sink:
        """Return the sink inside all wrappers."""
        sink = self.wrapped
        while isinstance(sink, SinkWrapper):
            sink = sink.wrapped
        return sink


class TransformingSink(SinkWrapper):
    """A wrapper that passes each event on, changed: a subclass defines `change_started` and so on."""

    def __init__(self, sink: Sink | Callable[..., Any]) -> None:
        super().__init__(sink)
        for name, kind in KINDS.items():
            if kind in self.hooks:
                setattr(self, name, _composed(getattr(self, f"change_{name}"), self.hooks[kind]))
        if overrides(self.wrapped, "batch"):
            self.__dict__["batch"] = self._batch

    def change_started(self, event: Started) -> Started:
        """Change the start of an operation."""
        return event

    def change_reached(self, event: Reached) -> Reached:
        """Change a checkpoint."""
        return event

    def change_finished(self, record: Record) -> Record:
        """Change a finished operation."""
        return record

    def _batch(self, records: Sequence[Record]) -> int:
        return self.wrapped.batch([self.change_finished(record) for record in records])


def _composed(change: Callable[[Any], Any], hand_on: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda event: hand_on(change(event))


def _events(record: Record) -> list[tuple[int, Event]]:
    """Return a record's events with their times; sorting keeps the order of those at one instant."""
    operation_id, start = record.operation_id, record.start
    ids, level = (record.trace_id, record.span_id, record.parent_id), level_of(record)
    first = Started(operation_id, record.name, record.description, record.key, *ids, start, level)
    checkpoints = [
        (start + elapsed, Reached(operation_id, name, description, elapsed, start, attributes, level))
        for name, description, elapsed, attributes in record.checkpoints
    ]
    return [(start, first), *checkpoints, (start + record.duration_ns, record)]


def first_of(keys: OrderedDict[K, Any]) -> K | None:
    """Return the oldest key."""
    while keys:
        with suppress(RuntimeError, StopIteration):  # another thread's record came in between
            return next(iter(keys))
    return None


def forget_oldest(keys: OrderedDict[K, Any], capacity: int) -> None:
    """Forget the oldest keys."""
    while len(keys) > capacity:
        with suppress(KeyError):  # another thread was faster
            keys.popitem(last=False)
