"""What tests of traced code need: a clock that moves when told, ids that count, records as text."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from perftrace.core.clock import Clock
from perftrace.core.ids import Ids
from perftrace.core.record import Record
from perftrace.core.sink import CallableSink
from perftrace.tracing.configuration import report_broken, tracer

T = TypeVar("T")

EPOCH_NS = 1_757_421_666_864_000_000
"""Where a `FakeClock` begins, in Unix nanoseconds: some evening in September 2025."""


class FakeClock:
    """A clock that stands still until `advance` moves it.

    start: Unix seconds at which it begins.
    """

    def __init__(self, start: float = EPOCH_NS / 1e9) -> None:
        self._now = 0
        self._start = round(start * 1e9)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError(f"time does not go back: advance({seconds!r})")
        self._now += round(seconds * 1e9)

    def monotonic_ns(self) -> int:
        """Return nanoseconds since the clock was made."""
        return self._now

    def wall_ns(self) -> int:
        """Return Unix nanoseconds."""
        return self._start + self._now

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine, as `asyncio.run` does, on an event loop that lives by this clock.

        `asyncio.sleep` and time-outs take no real time: where the loop would wait, the clock moves on.
        While a function runs in the loop's executor (`asyncio.to_thread`) the clock stands still.
        """
        with asyncio.Runner(loop_factory=lambda: _FakeTimeLoop(self)) as runner:
            return runner.run(main)


class _FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a fake clock's."""

    def __init__(self, clock: FakeClock) -> None:
        self._advancing = _AdvancingSelector(clock)
        super().__init__(self._advancing)
        self._clock = clock

    def time(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self._advancing.threads += 1
        future.add_done_callback(self._advancing.thread_ended)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        await super().shutdown_default_executor()  # its time-out would be by the fake clock


class _AdvancingSelector(selectors.DefaultSelector):
    """A selector that moves the clock on instead of waiting."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.threads = 0
        """How many functions run in executors: they live by real time, so they are waited for."""

    def thread_ended(self, future: object) -> None:
        self.threads -= 1

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:  # nothing is scheduled: only the outside can go on
            return super().select(timeout)
        ready = super().select(None if self.threads else 0)
        if not ready:
            self._clock.advance(timeout)
        return ready


class CountingIds:
    """Ids that count from 1: the first trace is `000…1`, the first span `000…1`."""

    def __init__(self) -> None:
        self._traces = self._spans = 0

    def trace_id(self) -> int:
        """Return the next trace id."""
        self._traces += 1
        return self._traces

    def span_id(self) -> int:
        """Return the next span id."""
        self._spans += 1
        return self._spans

    def reseed(self) -> None:
        """Go on counting."""


@contextmanager
def capture(clock: Clock | None = None, ids: Ids | None = None) -> Iterator[list[Record]]:
    """Collect what finishes inside a `with` block, in the order of the finishes.

    The configured sinks get nothing meanwhile and come back as they were, not closed; so do clock
    and ids, where others are given.
    """
    records: list[Record] = []
    former = tracer.guards, tracer.clock, tracer.ids, tracer.enabled
    tracer.enabled = True
    tracer.set_guards((tracer.guard(CallableSink(records.append), report_broken),))
    if clock is not None:
        tracer.set_clock(clock)
    if ids is not None:
        tracer.set_ids(ids)
    try:
        yield records
    finally:
        guards, former_clock, former_ids, tracer.enabled = former
        tracer.set_guards(guards)
        tracer.set_clock(former_clock)
        tracer.set_ids(former_ids)


def tree_text(records: Iterable[Record]) -> str:
    r"""Write records as a tree: two blanks a level, name first, then duration and outcome.

    Checkpoints stand below their operation with the length of the segment that they end, in the
    order of time among the operation's children: `"button_click 115ms\n  get_user 51ms\n"`.
    """
    everything = list(records)
    spans = {record.span_id for record in everything if record.span_id}
    below: dict[str | None, list[Record]] = {}
    for record in everything:
        below.setdefault(record.parent_id if record.parent_id in spans else None, []).append(record)

    lines: list[str] = []
    stack = _newest_first(_Item.of(record, 0) for record in below.get(None, []))
    while stack:  # not recursion: traces may be thousands of levels deep
        item = stack.pop()
        lines.append("  " * item.level + item.text)
        if item.record is not None:
            segments = _segments(item.record, item.level + 1)
            children = [_Item.of(child, item.level + 1) for child in below.pop(item.record.span_id, [])]
            stack += _newest_first([*segments, *children])
    return "".join(f"{line}\n" for line in lines)


class _Item(NamedTuple):
    """A line of the tree; siblings stand in the order of the first four."""

    start: int
    end: int
    is_checkpoint: bool
    """At the same instant an operation comes first: the checkpoint tells that it is done."""
    sequence: int
    level: int
    text: str
    record: Record | None

    @classmethod
    def of(cls, record: Record, level: int) -> "_Item":
        suffix = "" if record.outcome == "ok" else f" {record.outcome or 'running'}"
        text = f"{record.name} {_milliseconds(record.duration_ns)}{suffix}"
        return cls(
            record.start_mono, record.start_mono + record.duration_ns, False, record.sequence, level, text, record
        )


def _segments(record: Record, level: int) -> Iterator[_Item]:
    before = 0
    for number, (name, _, elapsed, _) in enumerate(record.checkpoints):
        at = record.start_mono + elapsed
        yield _Item(at, at, True, number, level, f"{name} {_milliseconds(elapsed - before)}", None)
        before = elapsed


def _newest_first(items: Iterable[_Item]) -> list[_Item]:
    return sorted(items, key=lambda item: item[:4])[::-1]


def _milliseconds(ns: int) -> str:
    return f"{ns / 1e6:.3f}".rstrip("0").rstrip(".") + "ms"
