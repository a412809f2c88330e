"""Keeps the last records in memory, for tests, consoles and health pages."""

from collections import deque

from perftrace.core.record import Record
from perftrace.core.sink import Sink


class MemorySink(Sink):
    """Keeps the last `capacity` records; the oldest leave first."""

    never_traces = True

    def __init__(self, capacity: int = 10_000) -> None:
        self._records: deque[Record] = deque(maxlen=capacity)
        if type(self).finished is MemorySink.finished:
            # The hook itself: the method around it costs as much again.
            self.finished = self._records.append  # type: ignore[method-assign,assignment]

    def finished(self, record: Record) -> None:
        """Keep a finished operation."""
        self._records.append(record)

    def records(self) -> list[Record]:
        """Return what is kept, newest last."""
        return list(self._records)

    def clear(self) -> None:
        """Forget what is kept."""
        self._records.clear()
