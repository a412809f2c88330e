"""The clocks that a tracer reads: whole nanoseconds."""

import time
from typing import Final, Protocol


class Clock(Protocol):
    """Where a tracer reads the time."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never step back; only differences mean anything."""

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC; may step when the clock is set."""


class SystemClock:
    """The clocks of the machine."""

    monotonic_ns: Final = staticmethod(time.perf_counter_ns)
    wall_ns: Final = staticmethod(time.time_ns)
