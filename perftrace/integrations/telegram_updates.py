"""What Telegram's updates tell of themselves, whichever library takes them: their wait, their repetition, their age."""

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

from perftrace.core.block import UnnamedBlock
from perftrace.core.run import NO_DETAILS, OperationSpec
from perftrace.integrations.guard import guarded
from perftrace.integrations.patching import is_called_by_current
from perftrace.tracing.configuration import tracer

MAX_SEEN = 10_000
"""How many updates are remembered, to tell those that Telegram delivers again."""


class Delivery(NamedTuple):
    """An update that a dispatcher has taken, on its way to its handlers."""

    mono_ns: int
    """When it was received."""
    taken_ns: int
    """When the dispatcher took it, by the same clock."""
    is_polled: bool
    is_again: bool
    """Whether the same update was handled before."""

    @property
    def queue(self) -> tuple[str, int]:
        """The segment from the receipt to the dispatcher."""
        return "queue", self.taken_ns - self.mono_ns

    def dispatch(self) -> tuple[str, int]:
        """Return the segment from the dispatcher to here: middlewares and filters."""
        return "dispatch", tracer.clock.monotonic_ns() - self.taken_ns

    def attributes(self, date: object) -> dict[str, object]:
        """Return what is out of the ordinary in it, and how long Telegram held it.

        date: of the message, as datetime or Unix seconds; anything else is none.
        """
        attributes: dict[str, object] = {"telegram.redelivered": True} if self.is_again else {}
        if isinstance(date, datetime):
            date = guarded("telegram: date", date.timestamp, None)
        if isinstance(date, int | float):
            delay = tracer.clock.wall_ns() / 1e9 - self._age() - date
            attributes["telegram.delay_s"] = round(max(0.0, delay), 3)
            if delay < 0:
                attributes["telegram.clock_ahead"] = True
        return attributes

    def late_mark(self, late_after: float) -> dict[str, object]:
        """Report whether Telegram has given up on the webhook that it came by.

        late_after: the seconds that Telegram waits for an answer, about a minute, before it delivers an update again.
        """
        return {"telegram.late": True} if not self.is_polled and self._age() > late_after else {}

    def _age(self) -> float:
        """Return the seconds since the receipt."""
        return (tracer.clock.monotonic_ns() - self.mono_ns) / 1e9


def update_block(*past: tuple[str, int], is_own: bool = False) -> UnnamedBlock:
    """Make the operation of an update whose handler is not known yet.

    It is a trace of its own, linked to what is current, unless that waits for it, as the request of a webhook does.

    past: its segments so far. is_own: a trace of its own whatever is current.
    """
    detached = is_own or not is_called_by_current()
    return UnnamedBlock(OperationSpec("", detached=detached, is_block=True, tracer=tracer), NO_DETAILS, past=past)


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
        now = tracer.clock.monotonic_ns()
        received, is_polled = self._waiting.pop(update_id, (now, is_polled))
        delivery = Delivery(received, now, is_polled, is_again=update_id in self._taken)
        self._taken[update_id] = None
        if len(self._taken) > MAX_SEEN:
            self._taken.popitem(last=False)
        return delivery
