"""Keeps everything that happened lately, and writes it out when something goes wrong."""

import contextvars
import signal
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

from perftrace.core.checks import check_number
from perftrace.core.events import Reached, Started
from perftrace.core.record import Event, Record
from perftrace.core.sink import Sink
from perftrace.core.values import Attributes, Outcome
from perftrace.pipeline.keep_policy import FAILED_OUTCOMES, KeepPolicy
from perftrace.pipeline.wrapper import SinkWrapper


class FlightRecorder(SinkWrapper):
    """Holds a ring of the events of all operations; trouble hands the whole ring to the wrapped sink.

    The culprit of a slow operation is usually its neighbour: so what comes out is everything, healthy or not, of
    the last `seconds`, starts and checkpoints of what still runs among it, as far as the wrapped sink takes them.
    Trouble is a slow or failed operation, a signal (`dump_on`) or a call (`dump`). Further trouble belongs to the
    same incident until `seconds` have passed without any: one incident, one dump. What leaves the ring unread is
    counted as `expired`.

    seconds: how far back it goes. megabytes: the most memory that the ring takes, by estimate. slow, keep: what
    trouble is, as in `Sampling`.
    """

    def __init__(
        self,
        sink: Sink | Callable[..., Any],
        *,
        seconds: float = 30.0,
        megabytes: float = 16.0,
        slow: float | Mapping[str, float] | None = None,
        keep: Collection[Outcome] = FAILED_OUTCOMES,
    ) -> None:
        super().__init__(sink)
        for option, number in (("seconds", seconds), ("megabytes", megabytes)):
            check_number(f"FlightRecorder: {option}", number, above=0)
        self._span_ns, self._most = int(seconds * 1e9), int(megabytes * 1e6)
        self._keep_policy = KeepPolicy("FlightRecorder", slow, keep)
        for kind, name, hook in ((Started, "started", self._started), (Reached, "reached", self._reached)):
            if kind in self.hooks:
                setattr(self, name, hook)
        self._context = contextvars.copy_context()
        self._begin()

    def _begin(self) -> None:
        # A deque and its atomic methods, no lock: a signal handler or finalizer may trace, too.
        self._ring: deque[tuple[int, int, Event]] = deque()
        """Time in Unix nanoseconds, estimated bytes, event."""
        self._bytes = 0
        self._expired = 0
        self._last_match: int | None = None

    def open(self) -> None:
        """Open the wrapped sink, with an empty ring."""
        self._begin()
        self._context = contextvars.copy_context()  # where nothing is traced: for dumps by call and by signal
        self.wrapped.open()

    def _started(self, event: Started) -> None:
        self._put(event.start, 600 + 2 * len(event.description), event)

    def _reached(self, event: Reached) -> None:
        size = 400 + 2 * len(event.description) + _size_of(event.attributes)
        self._put(event.start + event.elapsed_ns, size, event)

    def finished(self, record: Record) -> None:
        """Put a record into the ring; if it is in trouble, hand the ring on, once an incident."""
        now = record.start + record.duration_ns
        size = 900 + 2 * len(record.description) + _size_of(record.attributes)
        for name, description, _, attributes in record.checkpoints:
            size += 200 + 2 * (len(name) + len(description))
            if attributes:
                size += _size_of(attributes)
        self._put(now, size, record)
        if self._keep_policy.matches(record):
            before, self._last_match = self._last_match, now
            if before is None or now - before > self._span_ns:
                self._hand_on()

    def _put(self, now: int, size: int, event: Event) -> None:
        ring = self._ring
        ring.append((now, size, event))
        self._bytes += size
        horizon = now - self._span_ns
        while ring and (ring[0][0] < horizon or self._bytes > self._most):
            try:
                _, left, _ = ring.popleft()
            except IndexError:  # another thread has emptied it
                return
            self._bytes -= left
            self._expired += 1

    def _hand_on(self) -> None:
        """Deliver all that is in the ring to the wrapped sink, in the order of time."""
        found = []
        while self._ring:
            try:
                item = self._ring.popleft()
            except IndexError:  # another thread is at it, too
                break
            self._bytes -= item[1]
            found.append(item)
        for _, _, event in sorted(found, key=lambda item: item[0]):
            if type(event) in self.hooks:
                self.hooks[type(event)](event)

    def dump(self) -> None:
        """Deliver the ring now, whether anything went wrong or not; raises what the wrapped sink raises."""
        self._context.copy().run(self._hand_on)

    def dump_on(self, signal_number: int) -> None:
        """Deliver the ring whenever this signal comes; call it in the main thread."""
        signal.signal(signal_number, lambda *_: self.dump())

    def dropped(self) -> Mapping[str, int]:
        """Count what left the ring unread, and the wrapped sink's losses."""
        found = dict(self.wrapped.dropped())
        found["expired"] = found.get("expired", 0) + self._expired
        return found

    def pending(self) -> int:
        """Count what is in the ring, and what waits in the wrapped sink."""
        return len(self._ring) + self.wrapped.pending()


def _size_of(attributes: Attributes) -> int:
    """Estimate the bytes of attributes."""
    size = 0
    for name, value in attributes.items():
        size += 150 + 2 * len(name) + (2 * len(value) if isinstance(value, str) else 0)
    return size
