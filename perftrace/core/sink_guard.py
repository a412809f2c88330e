"""A sink as the tracer sees it: hooks that never raise, and counters."""

import _thread
import contextvars
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from types import BuiltinMethodType
from typing import Any, Literal, TypeAlias

from perftrace.core.sink import Sink

Hook: TypeAlias = Callable[[Any], object]
"""Takes one event; never raises, but for the user's own Ctrl-C."""


@dataclass(slots=True)
class SinkCounters:
    """What became of the events that were handed to one sink: accepted = written + dropped + pending."""

    accepted: int = 0
    written: int = 0
    pending: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """By reason: `error` where a hook raised, and whatever the sink itself counts."""
    errors: int = 0
    """Exceptions of any hook, `flush` and `close` included."""


class SinkGuard:
    """One sink as the tracer sees it: hooks that never raise, and counters.

    The counters are bare attributes: CPython switches threads and runs signal handlers only
    at calls, function starts and backward jumps, so that `self.n += 1` is whole without a
    lock, which a signal handler or a finalizer could find held.
    """

    def __init__(
        self,
        sink: Sink,
        report: Callable[[Sink, BaseException], object],
        current: "ContextVar[Any]",
        null_run: object,
        finishes: Callable[[], int],
    ) -> None:
        """Wrap a sink.

        report: told of the sink's first exception. untraced: what `current` is while the sink works, so that
        what its own work traces is counted, no more. finishes: counts what the tracer delivered, to any sink.
        """
        self.sink = sink
        self._report = report
        self._current = current
        self._null_run = null_run
        self._finishes = finishes
        self._is_bare = self.sink.never_traces and type(sink.finished) is BuiltinMethodType
        """Whether the hook for finished operations is a function in C, which does nothing but put the record away:
        it is called as it is, with nothing of ours around it, which would cost three times as much. What it was
        handed is what the tracer delivered meanwhile."""
        self._is_attached = False
        self._ending: Ending | None = None
        """The last flush or close."""
        self._begin_counting()

    def _begin_counting(self) -> None:
        self._attached_at = self._finishes()
        self._accepted = 0
        self._failed = 0
        self._errors = 0
        self._lost_before = 0

    def attach(self, is_attached: bool) -> None:
        """Note whether the tracer delivers to this sink from now on."""
        self._accepted = self._handed()
        self._attached_at = self._finishes()
        self._is_attached = is_attached

    def _handed(self) -> int:
        """Count the events that were handed to the sink."""
        is_counting = self._is_bare and self._is_attached
        return self._accepted + (self._finishes() - self._attached_at if is_counting else 0)

    def open(self) -> None:
        """Open the sink; raises what it raises."""
        self._guarded(self.sink.open)

    def open_in_child(self) -> None:
        """Open the sink in a forked child, with counters of its own."""
        self._begin_counting()
        self._ending = None
        try:
            self.open()
        except Exception as error:
            self._fault(error)

    def _guarded(self, method: Callable[..., Any], *arguments: object) -> Any:
        token = self._current.set(self._null_run)
        try:
            return method(*arguments)
        finally:
            self._current.reset(token)

    def hook(self, name: str) -> Hook | None:
        """Make one hook safe; None if the sink does nothing there."""
        if not overrides(self.sink, name):
            return None
        deliver: Hook = getattr(self.sink, name)
        if name == "finished" and self._is_bare:
            return deliver
        null_run, enter, leave = self._null_run, self._current.set, self._current.reset

        def call_leaf(event: Any) -> None:
            self._accepted += 1
            try:
                deliver(event)
            except BaseException as error:
                self._fail(error)

        def call(event: Any) -> None:
            self._accepted += 1
            token = enter(null_run)
            try:
                deliver(event)
            except BaseException as error:
                self._fail(error)
            finally:
                leave(token)

        return call_leaf if self.sink.never_traces else call

    def _fail(self, error: BaseException) -> None:
        """Count an event that was lost."""
        self._failed += 1
        if isinstance(error, KeyboardInterrupt):  # it is the user's, not the sink's
            raise error
        self._fault(error)

    def _fault(self, error: BaseException) -> None:
        """Count an exception of the sink; report the first."""
        self._errors += 1
        if self._errors == 1:
            self._report(self.sink, error)

    def start(self, name: Literal["flush", "close"], deadline: float) -> "Ending":
        """Begin to flush or to close the sink, in a thread of its own if it does anything there."""
        is_busy = overrides(self.sink, "flush") or overrides(self.sink, name)
        self._ending = Ending(partial(self._all_written, name), deadline, self._ending, in_thread=is_busy)
        return self._ending

    def _nothing_lost(self) -> bool:
        lost, self._lost_before = self._failed - self._lost_before, self._failed
        return not lost

    def _all_written(self, name: str, timeout: float) -> bool:
        """Flush or close the sink; return whether nothing was lost since the last time."""
        is_whole = self._nothing_lost()
        try:
            return self._guarded(getattr(self.sink, name), timeout) is not False and is_whole
        except KeyboardInterrupt:  # it is the user's, not the sink's
            raise
        except BaseException as error:
            self._fault(error)
            return False

    def counters(self) -> SinkCounters:
        """Read the counters, as of now."""
        dropped = {reason: count for reason, count in self.sink.dropped().items() if count}
        if self._failed:
            dropped["error"] = dropped.get("error", 0) + self._failed
        pending = self.sink.pending()
        handed = self._handed()
        errors = self._errors + self.sink.caught()
        return SinkCounters(handed, handed - pending - sum(dropped.values()), pending, dropped, errors)


class Ending:
    """A sink's flush or close on its way, in a thread of its own: one that hangs keeps nobody waiting.

    The thread is a bare one, as what `threading` locks might be held where a signal handler flushes.
    """

    def __init__(
        self, call: Callable[[float], bool], deadline: float, former: "Ending | None", *, in_thread: bool
    ) -> None:
        """Begin.

        call: takes the seconds left; returns whether all was written. former: that of the same sink before, which has
        to be over first. in_thread: whether it may take time.
        """
        self.is_over: bool = False
        """Whether the sink has come back."""
        self._call, self._deadline = call, deadline
        self._former = former if in_thread and former is not None and not former.is_over else None
        self._is_whole = False
        self._interrupt: KeyboardInterrupt | None = None
        if not in_thread:
            self._run()
        elif self._former is None:
            self._start()

    def _start(self) -> None:
        self._former = None
        context = contextvars.copy_context()
        try:
            _thread.start_new_thread(context.run, (self._run,))
        except RuntimeError:  # no thread can begin while the interpreter of Python 3.12.0 and 3.12.1 ends
            self._run()

    def _run(self) -> None:
        try:
            self._is_whole = self._call(max(0.0, self._deadline - time.monotonic()))
        except KeyboardInterrupt as error:
            self._interrupt = error
        finally:
            self.is_over = True

    def wait(self) -> bool:
        """Wait until it is over or its time is up; return whether all was written."""
        while not self.is_over:
            if self._former is not None and self._former.is_over:
                self._start()
            left = self._deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, 0.001))
        if self._interrupt is not None:
            raise self._interrupt
        return self._is_whole


def end_all(guards: Iterable[SinkGuard], name: Literal["flush", "close"], timeout: float) -> bool:
    """Flush or close sinks side by side, within `timeout` seconds; return whether all was written."""
    deadline = time.monotonic() + timeout
    endings = [guard.start(name, deadline) for guard in guards]
    done = [ending.wait() for ending in endings]  # each, whatever the others say
    return all(done)


def overrides(sink: Sink, hook: str) -> bool:
    """Report whether a sink does anything at this hook."""
    return getattr(type(sink), hook) is not getattr(Sink, hook) or hook in getattr(sink, "__dict__", {})
