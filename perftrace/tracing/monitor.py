"""The explicit API: timers by an id of the caller's, over the same tracer as `timed`."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypedDict

from perftrace.core.block import Block
from perftrace.core.record import Operation, Record, handle_of, snapshot
from perftrace.core.run import NO_DETAILS, CallDetails, OperationSpec, Run
from perftrace.core.tracer import get_current, thread
from perftrace.core.values import Outcome, plain
from perftrace.formats.line import escape, split_id
from perftrace.sinks.warnings import warn
from perftrace.tracing.configuration import notes, tracer

MAX_SUMMARIES = 10_000
MAX_RUNNING = 100_000


class CheckpointSummary(TypedDict):
    """A checkpoint of a summary; times in seconds."""

    name: str
    description: str
    elapsed: float
    """Since the operation's start."""
    delta: float
    """Since the checkpoint before, or the start."""


class OperationSummary(TypedDict):
    """What `get_operation_summary` tells; times in seconds."""

    operation_id: str
    """As in log lines."""
    name: str
    """Of the operation."""
    description: str
    """What it did."""
    done: str | None
    """What was said at the finish in place of the description."""
    start_time: float
    """Unix time."""
    duration: float
    """So far, while it runs."""
    outcome: str | None
    """None while it runs."""
    error: str | None
    """The exception's type and text; None where there was none."""
    checkpoints: list[CheckpointSummary]
    """In the order in which they were reached."""


class PerformanceMonitor:
    """Timers by an id, for code where neither a decorator nor a block fits.

    A timer takes the operation that is current at its start as its parent. Ids are the caller's; a
    number or other object stands for its text. Mistakes (an unknown id, a second start, a second end)
    never raise: each is a warning on the logger `performance_monitor` and counted in `stats()`.

    max_summaries: how many finished operations it remembers; the oldest leave first.
    max_running: how many may run at once; beyond, the oldest end as `abandoned`.
    """

    def __init__(self, *, max_summaries: int = MAX_SUMMARIES, max_running: int = MAX_RUNNING) -> None:
        self._tracer = tracer
        self._max_summaries = max_summaries
        self._max_running = max_running
        # Their methods are atomic, no lock is needed: a signal handler or finalizer may time, too. The oldest of
        # a plain dict is found only past all that were removed before it.
        self._running: OrderedDict[str, Run | None] = OrderedDict()
        self._finished: OrderedDict[str, Record] = OrderedDict()

    def start_timer(self, operation_id: object, description: str = "") -> None:
        """Start an operation; ignored and counted if one with this id runs."""
        self._start(plain(operation_id), description)

    def checkpoint(self, operation_id: object, name: str, description: str = "") -> float | None:
        """Mark a moment of a running operation; returns its seconds so far, None for an unknown id."""
        wanted = plain(operation_id)
        operation = self._running.get(wanted)
        if operation is None:
            self._unknown(wanted)
            return None
        return operation.reach(name, description, {})

    def end_timer(self, operation_id: object, description: str = "") -> float | None:
        """End an operation; returns its duration in seconds, None for an unknown id.

        description: what the finish line says in place of the start's description.
        """
        return self._end(plain(operation_id), None, description)

    def timer(self, operation_id: object, description: str = "") -> "Timer":
        """Time a `with` block, which gets the handle: `m.checkpoint(name, description)`."""
        return self._timer(plain(operation_id), description)

    def async_timer(self, operation_id: object, description: str = "") -> "Timer":
        """Time an `async with` block, as `timer` does."""
        return self._timer(plain(operation_id), description)

    def _timer(self, operation_id: str, description: str) -> "Timer":
        def begin() -> tuple[Run, bool]:
            started = self._start(operation_id, description)
            # A second start is ignored: what happens inside belongs to the one that runs.
            return started or self._running.get(operation_id) or self._tracer.null_run, started is not None

        spec = OperationSpec(operation_id, tracer=self._tracer)
        return Timer(spec, begin, lambda error: self._end(operation_id, error, ""))

    def get_operation_summary(self, operation_id: object) -> OperationSummary | None:
        """Return what is known of an operation, running or finished; None for an id never seen."""
        wanted = plain(operation_id)
        operation = self._running.get(wanted)
        record = self._finished.get(wanted) if operation is None else snapshot(operation)
        return None if record is None else _summary(record)

    def _start(self, operation_id: str, description: str) -> Run | None:
        if operation_id in self._running:
            self._tracer.doubled_ids += 1
            _warn(notes().running_id, operation_id)
            return None
        self._running[operation_id] = None  # claimed: a second thread's start finds it
        name, key, _ = split_id(operation_id)
        text = plain(description)
        spec = OperationSpec(name, is_block=True, given_id=operation_id, tracer=self._tracer)
        operation = self._tracer.begin(spec, CallDetails(key, text), get_current(), thread.token)
        self._running[operation_id] = operation
        while len(self._running) > self._max_running:
            self._give_up_oldest()
        return operation

    def _end(self, operation_id: str, error: BaseException | None, description: str) -> float | None:
        operation = self._running.pop(operation_id, None)
        if operation is None:
            if operation_id in self._finished:
                self._tracer.doubled_ids += 1
                _warn(notes().ended_id, operation_id)
            else:
                self._unknown(operation_id)
            return None
        if description:
            operation.details = operation.details._replace(done=plain(description))
        record = self._tracer.finish(operation, error)
        self._remember(operation_id, record)
        return None if record is None else record.duration_ns / 1e9

    def _give_up_oldest(self) -> None:
        try:
            operation_id, operation = self._running.popitem(last=False)
        except KeyError:  # another thread ended it
            return
        if operation is not None:
            _warn(notes().too_many, operation_id)
            self._remember(operation_id, self._tracer.finish(operation, outcome="abandoned"))

    def _remember(self, operation_id: str, record: Record | None) -> None:
        if record is None:
            return
        self._finished.pop(operation_id, None)
        self._finished[operation_id] = record
        while len(self._finished) > self._max_summaries:
            with suppress(KeyError):  # another thread was faster
                self._finished.popitem(last=False)

    def _unknown(self, operation_id: str) -> None:
        self._tracer.unknown_ids += 1
        _warn(notes().unknown_id, operation_id)


class Timer(Block):
    """A timer as a block: current inside, so that `checkpoint()` and `timed` there belong to it."""

    __slots__ = ("_begin", "_end", "_is_ours")

    def __init__(
        self,
        spec: OperationSpec,
        begin: Callable[[], tuple[Run, bool]],
        end: Callable[[BaseException | None], object],
    ) -> None:
        """Make the block; begin: starts the timer and returns whether it did. end: ends it."""
        super().__init__(spec, NO_DETAILS)
        self._begin = begin
        self._end = end
        self._is_ours = False

    def begin(self) -> Operation:
        """Start the timer; return its handle."""
        self._run, self._is_ours = self._begin()
        return handle_of(self._run)

    def end(self, error: BaseException | None = None, outcome: Outcome | None = None) -> None:
        """End the timer, if this block started it."""
        if self._is_ours:
            self._end(error)


def _summary(record: Record) -> OperationSummary:
    checkpoints: list[CheckpointSummary] = []
    before = 0
    for name, description, elapsed, _ in record.checkpoints:
        checkpoints.append(
            {"name": name, "description": description, "elapsed": elapsed / 1e9, "delta": (elapsed - before) / 1e9}
        )
        before = elapsed
    return {
        "operation_id": record.operation_id,
        "name": record.name,
        "description": record.description,
        "done": record.done,
        "start_time": record.start / 1e9,
        "duration": record.duration_ns / 1e9,
        "outcome": record.outcome,
        "error": ": ".join(part for part in (record.error_type, record.error) if part) or None,
        "checkpoints": checkpoints,
    }


def _warn(note: str, operation_id: str) -> None:
    warn(escape(note.format(id=operation_id)))


_monitor = PerformanceMonitor()


def get_performance_monitor() -> PerformanceMonitor:
    """Return the one monitor that the process shares."""
    return _monitor
