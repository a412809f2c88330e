"""`@pytest.mark.perftrace(budget="50ms", max_calls={"get_user": 1})`: a test that fails where its code is too slow."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from sys import _getframe
from types import FrameType

from perftrace.core.checks import is_number
from perftrace.core.events import Reached, Started
from perftrace.core.record import Record
from perftrace.core.sink import Sink
from perftrace.core.values import END
from perftrace.exceptions import MarkerError
from perftrace.tracing.configuration import report_broken, tracer

_OWN = str(Path(__file__).parent.parent)
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|µs|ms|s|min)")
_NANOSECONDS = {"us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000}


@dataclass(frozen=True)
class Limits:
    """What a marked test's code may cost.

    budget: nanoseconds for each run of an operation that begins a trace, or by operation. max_calls: by the name of an
    operation or checkpoint, in the whole test.
    """

    budget: int | None
    budgets: Mapping[str, int]
    max_calls: Mapping[str, int]

    @classmethod
    def of(cls, budget: object = None, max_calls: object = None) -> "Limits":
        """Read the marker's arguments; raises MarkerError."""
        if budget is None and max_calls is None:
            raise MarkerError('give budget="50ms", max_calls={"get_user": 1}, or both')
        calls = {} if max_calls is None else max_calls
        if not isinstance(calls, Mapping) or not all(
            isinstance(name, str) and type(most) is int and most >= 0 for name, most in calls.items()
        ):
            raise MarkerError(f'max_calls={max_calls!r} is not like {{"get_user": 1}}')
        if isinstance(budget, Mapping):
            return cls(None, {str(name): _nanoseconds(length) for name, length in budget.items()}, calls)
        return cls(None if budget is None else _nanoseconds(budget), {}, calls)

    def of_run(self, record: Record) -> int | None:
        """Return what a run may take."""
        return self.budgets.get(record.name, self.budget if record.parent_id is None else None)


def _nanoseconds(length: object) -> int:
    """Read `"50ms"`, or seconds as a number."""
    if is_number(length) and length > 0:
        return round(length * 1e9)
    parts = _LENGTH.fullmatch(length) if isinstance(length, str) else None
    if not parts:
        raise MarkerError(f'budget={length!r} is not like "50ms", "1.5s" or 0.05 (seconds)')
    return round(float(parts[1]) * _NANOSECONDS[parts[2]])


class Watch(Sink):
    """Takes a test's records, and the lines where operations were called and checkpoints reached."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._called: dict[str, str] = {}
        self._reached: defaultdict[str, list[str]] = defaultdict(list)

    def started(self, event: Started) -> None:
        """Note the line of a call."""
        self._called[event.operation_id] = _line(_getframe(1))

    def reached(self, event: Reached) -> None:
        """Note the line of a checkpoint."""
        self._reached[event.operation_id].append(_line(_getframe(1)))

    def finished(self, record: Record) -> None:
        """Keep the record."""
        self.records.append(record)

    def faults(self, limits: Limits) -> Iterator[str]:
        """Return what went over a limit, a line each."""
        if not self.records:
            yield "no operation was traced while the test ran: is the code decorated, and perftrace enabled?"
        for record in self.records:
            budget = limits.of_run(record)
            if budget is not None and record.duration_ns > budget:
                yield self._too_slow(record, budget)
        for name, most in limits.max_calls.items():
            lines = self._lines_of(name)
            if len(lines) > most:
                yield f"{name} was called {len(lines)} times, {most} allowed: {', '.join(lines)}"

    def _too_slow(self, record: Record, budget: int) -> str:
        ends = [0, *(mark[2] for mark in record.checkpoints), record.duration_ns]
        length, number = max((end - start, number) for number, (start, end) in enumerate(pairwise(ends)))
        name = record.checkpoints[number][0] if number < len(record.checkpoints) else END
        lines = self._reached[record.operation_id]
        place = f"called at {self._called.get(record.operation_id, '?')}"
        if lines:
            place = lines[number] if number < len(lines) else f"after {lines[-1]}"
        took = f"{record.name} took {_text(record.duration_ns)}, budget {_text(budget)}"
        return f"{took}: {_text(length)} in {name}, {place}"

    def _lines_of(self, name: str) -> list[str]:
        """Return the lines where an operation of a name was called or, if there is none, a checkpoint reached."""
        calls = [self._called.get(one.operation_id, "?") for one in self.records if one.name == name]
        if calls:
            return calls
        return [
            line
            for record in self.records
            for mark, line in zip(record.checkpoints, self._reached[record.operation_id], strict=False)
            if mark[0] == name
        ]


@contextmanager
def watching() -> Iterator[Watch]:
    """Watch what is traced, besides the configured sinks."""
    watch = Watch()
    guard = tracer.guard(watch, report_broken)
    former = tracer.enabled
    tracer.enabled = True
    tracer.set_guards((*tracer.guards, guard))
    try:
        yield watch
    finally:
        tracer.enabled = former
        tracer.set_guards(tuple(one for one in tracer.guards if one is not guard))


def _line(frame: FrameType | None) -> str:
    """Name the innermost line outside of perftrace and what it is built on."""
    while frame is not None and (
        frame.f_code.co_filename.startswith(_OWN) or frame.f_globals.get("__name__", "").split(".")[0] in _BELOW
    ):
        frame = frame.f_back
    return "?" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


_BELOW = frozenset(("wrapt", "decorator", "asyncio", "contextlib"))


def _text(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.2f}s" if nanoseconds >= 1_000_000_000 else f"{nanoseconds / 1e6:.1f}ms"
