"""What Telegram's updates tell of themselves, whichever library takes them: their wait, their repetition, their age."""

from collections import OrderedDict
from contextvars import ContextVar
from datetime import datetime
from typing import NamedTuple

from perftrace.tracing.configuration import tracer

MAX_SEEN = 10_000
"""How many updates are remembered, to tell those that Telegram delivers again."""


class Delivery(NamedTuple):
    """An update on its way to its handlers."""

    mono_ns: int
    """When it was received."""
    is_polled: bool
    is_again: bool
    """Whether the same update was handled before."""

    def waited(self) -> float:
        """Return the seconds since the receipt."""
        return (tracer.clock.monotonic_ns() - self.mono_ns) / 1e9

    def attributes(self, date: object) -> dict[str, object]:
        """Return what is out of the ordinary in it, and how long Telegram held it.

        date: of the message, as datetime or Unix seconds; anything else is none.
        """
        attributes: dict[str, object] = {"telegram.redelivered": True} if self.is_again else {}
        if isinstance(date, datetime):
            date = date.timestamp()
        if isinstance(date, int | float):
            delay = tracer.clock.wall_ns() / 1e9 - self.waited() - date
            attributes["telegram.delay_s"] = round(max(0.0, delay), 3)
            if delay < 0:
                attributes["telegram.clock_ahead"] = True
        return attributes

    def late_mark(self, late_after: float) -> dict[str, object]:
        """Report whether Telegram has given up on the webhook that it came by.

        late_after: the seconds that Telegram waits for an answer, about a minute, before it delivers an update again.
        """
        return {"telegram.late": True} if not self.is_polled and self.waited() > late_after else {}


current: ContextVar[Delivery | None] = ContextVar("perftrace_delivery", default=None)
"""The update whose handlers run."""


class UpdateLog:
    """When updates were received that wait for their handlers, and which were handled already."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, tuple[int, bool]] = OrderedDict()
        self._taken: OrderedDict[int, None] = OrderedDict()

    def note(self, update_id: int, *, is_polled: bool) -> None:
        """Note that an update was received just now."""
        self._waiting.setdefault(update_id, (tracer.clock.monotonic_ns(), is_polled))
        if len(self._waiting) > MAX_SEEN:
            self._waiting.popitem(last=False)

    def take(self, update_id: int, *, is_polled: bool) -> Delivery:
        """Process an update by its handlers; one whose receipt was not noted counts as received just now."""
        receipt = self._waiting.pop(update_id, None) or (tracer.clock.monotonic_ns(), is_polled)
        delivery = Delivery(*receipt, is_again=update_id in self._taken)
        self._taken[update_id] = None
        if len(self._taken) > MAX_SEEN:
            self._taken.popitem(last=False)
        return delivery
