"""Lets so many runs of an operation through in a second, and no more."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from perftrace.core.checks import check_number
from perftrace.core.record import Record
from perftrace.core.sink import Sink
from perftrace.pipeline.wrapper import SinkWrapper, forget_oldest

MAX_NAMES = 10_000
"""The operation names that are told apart; beyond, the oldest is begun anew."""


class RateLimit(SinkWrapper):
    """Limits the finished runs of each operation by a token bucket, by the time at which they ended.

    What is let through comes out with its start and checkpoints, and weighs as many runs as were held back
    since the one before, itself included; what is held back is counted as `rate`.

    per_second: runs of one operation. burst: how many may come at once; without it, `per_second`, at least 1.
    """

    def __init__(self, sink: Sink | Callable[..., Any], *, per_second: float, burst: float | None = None) -> None:
        super().__init__(sink)
        self._per_second = float(check_number("RateLimit: per_second", per_second, above=0))
        self._burst = max(1.0, self._per_second)
        if burst is not None:
            self._burst = float(check_number("RateLimit: burst", burst, least=1))
        self._begin()

    def _begin(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, int, float]] = OrderedDict()
        """By operation: tokens, when they were counted, and what the runs held back since weigh."""
        self._held_back = 0

    def open(self) -> None:
        """Open the wrapped sink, with full buckets."""
        self._begin()
        self.wrapped.open()

    def finished(self, record: Record) -> None:
        """Pass a run on or hold it back."""
        now = record.start_mono + record.duration_ns
        tokens, counted, waiting = self._buckets.get(record.name, (self._burst, now, 0.0))
        tokens = min(self._burst, tokens + max(0, now - counted) / 1e9 * self._per_second)
        counted = max(now, counted)
        if tokens < 1:
            self._buckets[record.name] = tokens, counted, waiting + record.weight
            self._held_back += 1
            return
        self._buckets[record.name] = tokens - 1, counted, 0.0
        forget_oldest(self._buckets, MAX_NAMES)
        self.replay([record.replace(weight=record.weight + waiting) if waiting else record])

    def dropped(self) -> Mapping[str, int]:
        """Count what was held back, and the wrapped sink's losses."""
        found = dict(self.wrapped.dropped())
        found["rate"] = found.get("rate", 0) + self._held_back
        return found
