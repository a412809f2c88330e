"""Tells the sick operations from the healthy ones."""

from collections.abc import Collection, Mapping
from typing import get_args

from perftrace.core.checks import check_number
from perftrace.core.record import Record
from perftrace.core.values import Outcome

FAILED_OUTCOMES: tuple[Outcome, ...] = ("error", "abandoned", "cancelled")
"""The outcomes that are trouble unless told otherwise."""


class KeepPolicy:
    """Slow, or ended in one of some ways.

    who: asks, for messages. slow: seconds from which on an operation is slow, for all or by name;
    `timed(slow=...)` counts, too. outcomes: that are trouble. Raises ValueError for what makes no sense.
    """

    def __init__(self, who: str, slow: float | Mapping[str, float] | None, outcomes: Collection[Outcome]) -> None:
        by_name = slow if isinstance(slow, Mapping) else {}
        self._slow_ns = {name: _nanoseconds(who, seconds) for name, seconds in by_name.items()}
        self._slow_for_all = None if slow is None or by_name is slow else _nanoseconds(who, slow)
        if isinstance(outcomes, str) or not set(outcomes) <= set(get_args(Outcome)):
            raise ValueError(f"{who}: keep must be a list of outcomes, not {outcomes!r}")
        self._outcomes = frozenset(outcomes)

    def matches(self, record: Record) -> bool:
        """Report whether an operation was in trouble."""
        limit = self._slow_ns.get(record.name, self._slow_for_all) if self._slow_ns else self._slow_for_all
        is_slow = limit is not None and record.duration_ns >= limit
        return is_slow or record.outcome in self._outcomes or record.slow


def _nanoseconds(who: str, seconds: object) -> float:
    return check_number(f"{who}: slow, for all or by name,", seconds, least=0, unit="seconds") * 1e9
