"""What all wrappers share: whatever they do not do themselves is the wrapped sink's."""

from collections.abc import Callable, Mapping
from typing import Any

from perftrace.core.sink import CallableSink, Sink

HOOKS = ("started", "reached", "finished")


class Wrapper(Sink):
    """A sink around another one; a subclass sets `started`, `reached` and `finished` where the other has them.

    sink: a sink or a callable that takes records. Raises TypeError for anything else.
    """

    def __init__(self, sink: Sink | Callable[..., Any]) -> None:
        if isinstance(sink, type) or not (isinstance(sink, Sink) or callable(sink)):
            raise TypeError(
                f"{type(self).__name__}: takes a sink object or a callable that takes records, not {sink!r}"
            )
        self.wrapped: Sink = sink if isinstance(sink, Sink) else CallableSink(sink)

    def open(self) -> None:
        """Open the wrapped sink."""
        self.wrapped.open()

    def wants(self) -> bool:
        """Tell what the wrapped sink wants."""
        return self.wrapped.wants()

    def flush(self, timeout: float) -> bool | None:
        """Flush the wrapped sink."""
        return self.wrapped.flush(timeout)

    def close(self, timeout: float) -> bool | None:
        """Close the wrapped sink."""
        return self.wrapped.close(timeout)

    def losses(self) -> Mapping[str, int]:
        """Count the wrapped sink's losses."""
        return self.wrapped.losses()

    def pending(self) -> int:
        """Count what waits in the wrapped sink."""
        return self.wrapped.pending()
