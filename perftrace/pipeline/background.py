"""Takes a sink off the traced thread: a bounded queue and one worker."""

import _thread
import contextlib
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from perftrace.core.checks import check_number, check_whole
from perftrace.core.record import Event, Record
from perftrace.core.sink import Sink, name_of
from perftrace.core.sink_guard import Hook, overrides
from perftrace.core.values import plain
from perftrace.pipeline.wrapper import KINDS, SinkWrapper
from perftrace.sinks.warnings import warn

Drop = Literal["newest", "oldest"]
"""What goes when the queue is full."""


class Background(SinkWrapper):
    """Queues events; a thread of its own hands them to the wrapped sink.

    The traced thread only appends to a deque and counts: no lock, no logging, nothing that a signal handler
    or a finalizer could find held. What finds the queue full is dropped and counted as `full`; what the
    wrapped sink raises on, as `error`; what comes after `close`, as `closed`.

    capacity: events that may wait. batch: so many waiting ones wake the worker early, and
    so many at most are handed to a sink that takes several at once. interval: seconds after
    which it looks anyway. drop: whether the newest or the oldest event goes when the queue is full.
    """

    never_traces = True

    def __init__(
        self,
        sink: Sink | Callable[..., Any],
        *,
        capacity: int = 10_000,
        batch: int = 500,
        interval: float = 0.2,
        drop: Drop = "newest",
    ) -> None:
        super().__init__(sink)
        check_whole("Background: capacity", capacity)
        check_whole("Background: batch", batch)
        check_number("Background: interval", interval, above=0, unit="seconds")
        if drop not in get_args(Drop):
            raise ValueError(f"Background: drop must be 'newest' or 'oldest', not {drop!r}")
        self._capacity, self._batch, self._interval, self._drop = capacity, min(batch, capacity), interval, drop
        self._takes_batches = set(self.hooks) == {Record} and overrides(self.wrapped, "batch")
        take = self._make_take()
        for name, kind in KINDS.items():
            if kind in self.hooks:
                setattr(self, name, take)
        self._begin()

    def _begin(self) -> None:
        """Begin with an empty queue and no worker."""
        self._worker: threading.Thread | None = None
        self.first_error: str | None = None
        """What the wrapped sink raised first."""
        self._caught = 0
        """How many times it raised."""
        self._queue: deque[Event] = deque(maxlen=self._capacity if self._drop == "oldest" else None)
        self._accepted = self._refused = self._late = 0
        """What was handed in; what the full queue refused; what came after the end."""
        self._taken = self._written = self._failed = 0
        """What the worker took from the queue, and what became of it."""
        self._lost_before = 0
        self._told = self._full_before = 0
        """Events that the full queue dropped: as of the last look, and before it began to drop."""
        self._is_losing = False
        self._is_closed = False
        self._asked = self._answered = 0
        """Numbers of the last flush that was asked for, and of the last that was done."""
        self._deadline = 0.0
        self._was_flushed = True
        self._is_closing = False
        self._was_closed: bool | None = None
        # A bare lock as an alarm: letting go of it waits for nobody, not even in a signal handler.
        self._alarm = _thread.allocate_lock()
        self._alarm.acquire()

    def _make_take(self) -> Hook:
        """Build the hook: the only part that runs on the traced thread."""
        limit = self._capacity if self._drop == "newest" else float("inf")
        batch = self._batch

        def take(event: Event) -> None:
            self._accepted += 1
            queue = self._queue
            waiting = len(queue)
            if self._is_closed:
                self._late += 1
            elif waiting >= limit:
                self._refused += 1
            else:
                queue.append(event)
                if waiting == batch:
                    self._wake()

        return take

    def _wake(self) -> None:
        """Wake the worker."""
        with contextlib.suppress(RuntimeError):  # the alarm rings already
            self._alarm.release()

    def open(self) -> None:
        """Open the wrapped sink and start the worker, with nothing in the queue."""
        self._begin()
        self.wrapped.open()
        # In the caller's context, where nothing is traced: so it is for whatever the sink does in the worker.
        context = contextvars.copy_context()
        worker = threading.Thread(target=context.run, args=(self._work,), name="perftrace-background", daemon=True)
        try:
            worker.start()
        except RuntimeError:  # the interpreter is ending: `flush` and `close` do the work themselves
            return
        self._worker = worker

    def _work(self) -> None:
        while self._was_closed is None:
            self._alarm.acquire(timeout=self._interval)
            self._turn()

    def _turn(self) -> None:
        """Do what is to be done now."""
        is_closing, asked = self._is_closing, self._asked
        self._drain()
        self._tell_of_losses()
        if asked != self._answered:
            # One that came too late for who asked has still to be told: the next one hears of it.
            self._was_flushed = self._all_out(self.wrapped.flush) and self._was_flushed
            self._answered = asked
        if is_closing:
            self._was_closed = self._all_out(self.wrapped.close)

    def _drain(self) -> None:
        """Deliver what waits now to the wrapped sink."""
        queue, hooks = self._queue, self.hooks
        if self._takes_batches:
            for _ in range(0, len(queue), self._batch):
                self._drain_batch()
            return
        for _ in range(len(queue)):
            try:
                event = queue.popleft()
            except IndexError:  # the oldest went first
                return
            self._taken += 1
            try:
                hooks[type(event)](event)
            except BaseException as error:
                self._failed += 1
                self._fault(error)
            else:
                self._written += 1

    def _drain_batch(self) -> None:
        """Deliver up to `batch` records at once to the wrapped sink."""
        records: list[Record] = []
        with contextlib.suppress(IndexError):
            while len(records) < self._batch:
                records.append(self._queue.popleft())  # type: ignore[arg-type]  # it takes no other events
                self._taken += 1
        written = 0
        try:
            written = self.wrapped.batch(records)
        except BaseException as error:
            self._fault(error)
        self._failed += len(records) - written
        self._written += written

    def _tell_of_losses(self) -> None:
        """Warn when the full queue begins to drop events, and again when that is over."""
        full = self._own_losses()["full"]
        is_losing = full > self._told
        if is_losing and not self._is_losing:
            self._full_before = self._told
            self._warn(self._notes().queue_full)
        elif self._is_losing and not is_losing:
            self._warn(self._notes().queue_free, count=full - self._full_before)
        self._told, self._is_losing = full, is_losing

    def _warn(self, note: str, **what: object) -> None:
        warn(note.format(sink=name_of(self.innermost()), **what))

    def _all_out(self, method: Callable[[float], bool | None]) -> bool:
        """Flush or close the wrapped sink, within what is left of the caller's time."""
        try:
            return method(max(0.0, self._deadline - time.monotonic())) is not False
        except BaseException as error:
            self._fault(error)
            return False

    def _fault(self, error: BaseException) -> None:
        """Count an exception of the wrapped sink; report the first."""
        self._caught += 1
        if self.first_error is None:
            self.first_error = f"{type(error).__name__}: {plain(error)}"
            self._warn(self._notes().broken_sink, error=type(error).__name__)

    def flush(self, timeout: float) -> bool:
        """Wait until the worker has written what waits now; return whether nothing was lost since the last time."""
        deadline = self._extend(timeout)
        self._asked = asked = self._asked + 1
        done = self._wait(lambda: self._answered >= asked, deadline)
        lost = sum(self._own_losses().values())
        is_whole, self._lost_before = lost == self._lost_before, lost
        if not done:
            return False
        was_flushed, self._was_flushed = self._was_flushed, True
        return was_flushed and is_whole

    def close(self, timeout: float) -> bool:
        """Flush, close the wrapped sink and end the worker; a sink that hangs is left to itself."""
        self._is_closed = True
        deadline = self._extend(timeout)
        self._is_closing = True
        self.wrapped.abort_retries()
        done = self._wait(lambda: self._was_closed is not None, deadline)
        lost = sum(self._own_losses().values())
        return done and bool(self._was_closed) and self._was_flushed and lost == self._lost_before

    def _extend(self, timeout: float) -> float:
        """Give the wrapped sink until then, or longer if another caller waits; return when this caller's time is up."""
        deadline = time.monotonic() + timeout
        is_alone = self._answered >= self._asked
        self._deadline = deadline if is_alone else max(self._deadline, deadline)
        return deadline

    def _wait(self, is_done: Callable[[], bool], deadline: float) -> bool:
        """Wait for the worker until the deadline; without one, do its work here."""
        if self._worker is None or not self._worker.is_alive():
            if not is_done():
                self._turn()
            return is_done()
        self._wake()
        while not is_done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, 0.001))
        return True

    def _own_losses(self) -> dict[str, int]:
        full = self._refused
        if self._drop == "oldest":
            full = self._accepted - self._late - self._taken - len(self._queue)
        return {"full": max(0, full), "error": self._failed, "closed": self._late}

    def dropped(self) -> Mapping[str, int]:
        """Count what the full queue dropped, what the sink raised on, and what came too late; and the sink's own."""
        found = self._own_losses()
        for reason, count in self.wrapped.dropped().items():
            found[reason] = found.get(reason, 0) + count
        return found

    def caught(self) -> int:
        """Count the exceptions of the wrapped sink."""
        return self._caught + self.wrapped.caught()

    def pending(self) -> int:
        """Count what waits, and what the worker has in hand; and what waits in the wrapped sink."""
        own = self._accepted - sum(self._own_losses().values()) - self._written
        return max(0, own) + self.wrapped.pending()
