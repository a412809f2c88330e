"""Tail sampling: decides by how a trace ended, keeps the sick ones whole and a share of the rest."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any

from perftrace.core.checks import check_number, check_whole
from perftrace.core.record import Record, ids_of
from perftrace.core.sink import Sink
from perftrace.core.values import Outcome
from perftrace.pipeline.keep_policy import FAILED_OUTCOMES, KeepPolicy
from perftrace.pipeline.wrapper import SinkWrapper, first_of, forget_oldest

_RANDOM_BITS = 56
"""How many of a trace id's last bits are random, as W3C Trace Context level 2 has it."""


class Sampling(SinkWrapper):
    """Holds the records of a trace back until it has ended in this process, then keeps all of them or none.

    A trace is kept if any operation in it was slow or ended as `keep` says; of the others a share is kept, chosen
    by the trace id, so that every process chooses alike. What is kept comes out whole, a log's lines for start
    and checkpoints included, each with its own time. Records of a kept share weigh `1 / share`, so that counts
    and totals can be rebuilt; what is sampled out is counted as `sampled`.

    slow: seconds from which on an operation is slow, for all or by name; `timed(slow=...)` counts, too.
    share: of the healthy traces, 0 to 1. keep: outcomes. capacity: records that may wait for the end of
    their traces; beyond, the oldest trace is decided on as it stands.
    """

    def __init__(
        self,
        sink: Sink | Callable[..., Any],
        *,
        slow: float | Mapping[str, float] | None = None,
        share: float = 0.0,
        keep: Collection[Outcome] = FAILED_OUTCOMES,
        capacity: int = 10_000,
    ) -> None:
        super().__init__(sink)
        self._keep_policy = KeepPolicy("Sampling", slow, keep)
        check_number("Sampling: share", share, least=0, most=1)
        check_whole("Sampling: capacity", capacity)
        self._share, self._capacity = share, capacity
        self._begin()

    def _begin(self) -> None:
        # Their methods are atomic, no lock is needed: a signal handler or finalizer may trace, too. The oldest of
        # a plain dict is found only past all that were removed before it.
        self._waiting: OrderedDict[int, list[Record]] = OrderedDict()
        """The records of traces that have not ended, by trace."""
        self._sick: OrderedDict[int, None] = OrderedDict()
        """The traces that are kept, the newest last."""
        self._ended: OrderedDict[int, None] = OrderedDict()
        """The traces that have ended, the newest last: what comes after is decided on at once."""
        self._count = self._sampled = 0

    def open(self) -> None:
        """Open the wrapped sink, with nothing held back."""
        self._begin()
        self.wrapped.open()

    def finished(self, record: Record) -> None:
        """Hold a record back, or decide on its trace."""
        trace, _, _ = ids_of(record)
        if self._keep_policy.matches(record):
            self._sick[trace] = None
            forget_oldest(self._sick, self._capacity)
        self._waiting.setdefault(trace, []).append(record)
        self._count += 1
        if record.is_local_root:
            self._ended[trace] = None
            forget_oldest(self._ended, self._capacity)
        if trace in self._ended:
            self._decide(trace)
        while self._count > self._capacity and (oldest := first_of(self._waiting)) is not None:
            self._decide(oldest)

    def _decide(self, trace: int) -> None:
        """Pass the records of a trace on, or drop them."""
        records = self._waiting.pop(trace, [])
        self._count -= len(records)
        if trace in self._sick or any(map(self._keep_policy.matches, records)):
            self.replay(records)
        elif trace % (1 << _RANDOM_BITS) < self._share * (1 << _RANDOM_BITS):
            self.replay([record.replace(weight=record.weight / self._share) for record in records])
        else:
            self._sampled += len(records)

    def close(self, timeout: float) -> bool | None:
        """Decide on what waits, as it stands; close the wrapped sink."""
        while (trace := first_of(self._waiting)) is not None:
            self._decide(trace)
        return self.wrapped.close(timeout)

    def dropped(self) -> Mapping[str, int]:
        """Count what was sampled out, and the wrapped sink's losses."""
        found = dict(self.wrapped.dropped())
        found["sampled"] = found.get("sampled", 0) + self._sampled
        return found

    def pending(self) -> int:
        """Count what is held back, and what waits in the wrapped sink."""
        return self._count + self.wrapped.pending()
