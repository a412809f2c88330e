"""The hot path, whole: operations, what is current, the steps of coroutines, and the tracer that ties them to sinks.

The one context variable lives here. What runs when: a closure of `decorators` calls
`Tracer.begin`, makes the operation current while the user's code runs, and calls
`Operation.end`, which hands a record to the hooks of the sinks.
"""

import asyncio
import itertools
import os
import threading
import time
import types
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from perftrace.core.ids import Ids, RandomIds
from perftrace.core.record import (
    NO_ATTRIBUTES,
    Link,
    Mark,
    Outcome,
    Reached,
    Record,
    Scalar,
    Started,
    attributes_of,
    make_operation_id,
    plain,
)
from perftrace.core.sink import Hook, Outlet

MAX_CHECKPOINTS = 10_000
"""The most checkpoints that one operation keeps; the rest is counted."""


class Clock(Protocol):
    """Where a tracer reads the time."""

    def monotonic_ns(self) -> int:
        """Give nanoseconds that never step back; only differences mean anything."""

    def wall_ns(self) -> int:
        """Give nanoseconds since the Unix epoch, UTC; may step when the clock is set."""


class SystemClock:
    """The clocks of the machine."""

    monotonic_ns = staticmethod(time.perf_counter_ns)
    wall_ns = staticmethod(time.time_ns)


Details: TypeAlias = tuple[str | None, str, str | None, dict[str, Scalar] | None]
"""What one call says of itself: key, description, done, captured attributes."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of an operation before any call: resolved once, at decoration."""

    name: str
    description: str = ""
    done: str | None = None
    key_name: str | None = None
    slow_ns: int | None = None
    """From this duration on the operation is slow; None: never."""
    detached: bool = False
    """Whether it begins a trace of its own, with a link to the operation that is current."""
    details: Callable[[tuple[Any, ...], dict[str, Any]], Details] | None = None
    """Reads the details from a call's arguments; never raises. None: every call is alike."""


class RemoteParent:
    """An operation of another process, or a finished one, as the parent of one that starts here."""

    __slots__ = ("_charge", "_is_block", "_span", "_trace")

    def __init__(self, trace: int, span: int) -> None:
        self._trace = trace
        self._span = span
        self._charge: Operation | None = None
        self._is_block = True


class _Thread(threading.local):
    """The name of the running thread, looked up once a thread."""

    def __init__(self) -> None:
        self.name = threading.current_thread().name


_thread = _Thread()
_get_running_loop = asyncio._get_running_loop
_current_task = asyncio.current_task
get_ident = threading.get_ident
_new_record = tuple.__new__


class Operation:
    """The live handle of an operation: what user code holds while it runs."""

    __slots__ = (
        "__weakref__",
        "_attributes",
        "_charge",
        "_description",
        "_done",
        "_duration",
        "_failure",
        "_given_id",
        "_held_by",
        "_inner",
        "_is_block",
        "_key",
        "_link",
        "_longest",
        "_marks",
        "_operation_id",
        "_parent_span",
        "_running",
        "_span",
        "_spec",
        "_start",
        "_start_mono",
        "_step_start",
        "_steps",
        "_task",
        "_trace",
        "_tracer",
    )

    def __init__(
        self,
        tracer: "Tracer",
        spec: Spec,
        details: Details,
        parent: "Operation | RemoteParent | None",
        held_by: int = 0,
        given_id: str | None = None,
    ) -> None:
        self._tracer = tracer
        self._spec = spec
        self._key, self._description, self._done, self._attributes = details
        self._given_id = self._operation_id = given_id
        self._parent_span: int | None = None
        self._charge: Operation | None = None
        self._link: tuple[int, int] | None = None
        self._failure: str | None = None
        self._duration: int | None = None
        self._task: str | None = None
        self._inner = self._running = self._longest = self._steps = 0
        self._held_by = held_by
        self._is_block: bool = not held_by
        self._marks: list[Mark] = []
        if parent is None:
            self._trace: int = tracer.trace_id()
        elif spec.detached:
            self._trace = tracer.trace_id()
            self._link = (parent._trace, parent._span)
        else:
            self._trace = parent._trace
            self._parent_span = parent._span
            # A block holds no thread of its own: what runs inside it is part of whatever runs around it.
            self._charge = parent._charge if parent._is_block else parent  # type: ignore[assignment]
        self._span: int = tracer.span_id()
        # Asking for the loop first: current_task() raises where there is none, which costs a microsecond.
        loop = _get_running_loop()
        if loop is not None:
            task = _current_task(loop)
            if task is not None:
                self._task = task.get_name()
        self._start: int = tracer.wall_ns()
        self._start_mono: int = tracer.monotonic_ns()
        self._step_start = self._start_mono

    @property
    def name(self) -> str:
        """The operation's name, as decorated."""
        return self._spec.name

    @property
    def description(self) -> str:
        """What it does, made for this run."""
        return self._description

    @property
    def key(self) -> str | None:
        """Whom or what this run is for."""
        return self._key

    @property
    def operation_id(self) -> str:
        """The id that log lines show."""
        if self._operation_id is None:
            self._operation_id = make_operation_id(self._spec.name, self._key, self._span)
        return self._operation_id

    @property
    def trace_id(self) -> str:
        """32 lower-case hexadecimal digits, the same for an operation and everything below it."""
        return f"{self._trace:032x}"

    @property
    def span_id(self) -> str:
        """16 lower-case hexadecimal digits, this operation's own."""
        return f"{self._span:016x}"

    @property
    def parent_id(self) -> str | None:
        """The span id of the operation that this one runs in; None for the root of a trace."""
        return None if self._parent_span is None else f"{self._parent_span:016x}"

    @property
    def elapsed(self) -> float:
        """Seconds since the start; once it has ended, how long it took."""
        if self._duration is not None:
            return self._duration / 1e9
        return (self._tracer.monotonic_ns() - self._start_mono) / 1e9

    def checkpoint(self, name: str, description: str = "", **attributes: object) -> float | None:
        """Mark a moment of this operation.

        Returns the seconds since its start, or None if it has ended (counted as late, never an error).
        """
        return self._reach(name, description, attributes)

    def _reach(self, name: str, description: str, attributes: Mapping[str, object]) -> float | None:
        tracer = self._tracer
        elapsed = tracer.monotonic_ns() - self._start_mono
        if self._duration is not None:
            tracer.late += 1
            return None
        if type(name) is not str:
            name = plain(name)
        if type(description) is not str:
            description = plain(description)
        kept = attributes_of(attributes) if attributes else NO_ATTRIBUTES
        marks = self._marks
        if len(marks) < MAX_CHECKPOINTS:
            marks.append((name, description, elapsed, kept))
        else:
            tracer.overflowed_checkpoints += 1
        if tracer.on_reached is not None:
            tracer.on_reached(Reached(self.operation_id, name, description, elapsed, self._start, kept))
        return elapsed / 1e9

    def annotate(self, **attributes: object) -> None:
        """Add attributes to this operation; after its end they are counted as late and dropped."""
        if self._duration is not None:
            self._tracer.late += 1
        elif self._attributes is None:
            self._attributes = attributes_of(attributes)
        else:
            self._attributes.update(attributes_of(attributes))

    def fail(self, text: str) -> None:
        """Give this operation the outcome `error` without raising: for handlers that catch and reply."""
        if self._duration is not None:
            self._tracer.late += 1
        else:
            self._failure = plain(text)

    def end(self, error: BaseException | None = None, outcome: Outcome = "ok", done: str = "") -> Record | None:
        """Finish the operation, hand its record to the sinks and give it; a second end is counted as late.

        error: what ended it, which decides the outcome; without one it is `outcome`.
        done: what to say at the finish, in place of what was said at the start.
        """
        tracer = self._tracer
        if self._duration is not None:
            tracer.late += 1
            return None
        now = tracer.monotonic_ns()
        self._duration = duration = now - self._start_mono
        if self._held_by:
            self.let_go(now)
        self._charge = None
        error_type = text = None
        if error is not None:
            outcome = outcome_of(error)
            if outcome == "error":
                error_type, text = type(error).__name__, plain(error)
        if self._failure is not None and outcome == "ok":
            outcome, text = "error", self._failure
        if done:
            self._done = plain(done)
        record = self._record(duration, outcome, error_type, text, next(tracer.sequence))
        if tracer.on_finished is not None:
            tracer.on_finished(record)
        return record

    def hold(self, ident: int, now: int) -> None:
        """Note that a thread begins a further step of this operation's own code."""
        self._held_by = ident
        self._step_start = now

    def let_go(self, now: int) -> None:
        """Note that the step is over, and charge it to the operation whose step it ran inside, if any."""
        step = now - self._step_start
        self._running += step
        self._steps += 1
        if step > self._longest:
            self._longest = step
        around = self._charge
        # An operation that merely created this one (a task's, a thread's) does not hold this thread now.
        if around is not None and around._held_by == self._held_by:
            around._inner += step
        self._held_by = 0

    def snapshot(self) -> Record:
        """Give what is known so far as a record, with outcome None while it runs."""
        duration = self._tracer.monotonic_ns() - self._start_mono if self._duration is None else self._duration
        return self._record(duration, None, None, None, 0)._replace(marks=tuple(self._marks))

    def _record(
        self, duration: int, outcome: Outcome | None, error_type: str | None, error: str | None, sequence: int
    ) -> Record:
        spec = self._spec
        measured = not self._is_block
        # Past NamedTuple's own constructor, which costs more than twice as much.
        record: Record = _new_record(
            Record,
            (
                spec.name,
                self._trace,
                self._span,
                self._parent_span,
                self._given_id,
                self._description,
                self._done,
                self._key,
                spec.key_name,
                self._start,
                self._start_mono,
                duration,
                outcome,
                error_type,
                error,
                self._attributes or NO_ATTRIBUTES,
                spec.slow_ns is not None and duration >= spec.slow_ns,
                self._marks,
                self._running if measured else None,
                self._inner if measured else None,
                self._steps,
                self._longest if measured else None,
                None if self._link is None else Link(f"{self._link[0]:032x}", f"{self._link[1]:016x}"),
                self._tracer.pid,
                _thread.name,
                self._task,
                sequence,
                True,
            ),
        )
        return record

    def __repr__(self) -> str:
        return f"<{'running' if self._duration is None else 'ended'} operation {self.operation_id}>"


def outcome_of(error: BaseException) -> Outcome:
    """Tell what an exception that leaves an operation makes of it."""
    if isinstance(error, CancelledError):
        return "cancelled"
    if isinstance(error, GeneratorExit):
        return "closed"
    kind = type(error)
    if kind.__name__ == "Cancelled" and kind.__module__.partition(".")[0] == "trio":
        return "cancelled"
    return "error"


class _Untraced(Operation):
    """Stands in as current while a sink works: what its work traces is counted, never traced."""

    __slots__ = ()

    def __init__(self, tracer: "Tracer") -> None:
        super().__init__(tracer, Spec(""), (None, "", None, None), None)

    def _reach(self, name: str, description: str, attributes: Mapping[str, object]) -> None:
        self._tracer.reentrant += 1

    def annotate(self, **attributes: object) -> None:
        self._tracer.reentrant += 1

    def fail(self, text: str) -> None:
        self._tracer.reentrant += 1

    def hold(self, ident: int, now: int) -> None:
        """Keep no account."""

    def end(self, error: BaseException | None = None, outcome: Outcome = "ok", done: str = "") -> None:
        """Make no record."""


current: ContextVar[Operation | None] = ContextVar("perftrace_current", default=None)
"""The operation that code runs in. The one context variable of the package."""
_get_current = current.get


class Tracer:
    """Ties operations to clock, ids and sinks; permanent, while `configure` swaps what it holds.

    Decoration comes before configuration: closures keep the tracer and read its slots at each call.
    """

    __slots__ = (
        "clock",
        "doubled_ids",
        "enabled",
        "ids",
        "late",
        "live",
        "misplaced",
        "monotonic_ns",
        "on_finished",
        "on_reached",
        "on_started",
        "orphans",
        "outlets",
        "overflowed_checkpoints",
        "pid",
        "reentrant",
        "sequence",
        "span_id",
        "trace_id",
        "unknown_ids",
        "untraced",
        "wall_ns",
    )

    def __init__(self) -> None:
        self.reset_counters()
        self.enabled = True
        self.pid = os.getpid()
        self.set_clock(SystemClock())
        self.set_ids(RandomIds())
        self.untraced = _Untraced(self)
        self.set_outlets(())

    def reset_counters(self) -> None:
        """Begin to count anew."""
        self.sequence = itertools.count(1)
        self.orphans = 0
        """Checkpoints and annotations where no operation was current."""
        self.late = 0
        """Checkpoints, annotations and ends of operations that had ended."""
        self.overflowed_checkpoints = 0
        """Checkpoints beyond the cap of an operation."""
        self.misplaced = 0
        """Blocks that closed where another operation was current."""
        self.reentrant = 0
        """Operations and checkpoints of a sink's own work."""
        self.unknown_ids = 0
        """Calls of the explicit API with an id that does not run."""
        self.doubled_ids = 0
        """Second starts of a running id and second ends of an ended one."""

    def set_clock(self, clock: Clock) -> None:
        """Read the time there from now on."""
        self.clock = clock
        self.monotonic_ns, self.wall_ns = clock.monotonic_ns, clock.wall_ns

    def set_ids(self, ids: Ids) -> None:
        """Take ids there from now on."""
        self.ids = ids
        self.trace_id, self.span_id = ids.trace_id, ids.span_id

    def set_outlets(self, outlets: tuple[Outlet, ...]) -> None:
        """Hand events to these sinks from now on; to none while tracing is not enabled."""
        self.outlets = outlets
        if not self.enabled:
            outlets = ()
        self.on_started = self._delivery(tuple((o.started, o.is_leaf) for o in outlets if o.started))
        self.on_reached = self._delivery(tuple((o.reached, o.is_leaf) for o in outlets if o.reached))
        self.on_finished = self._delivery(tuple((o.finished, o.is_leaf) for o in outlets if o.finished))
        self.live = any((self.on_started, self.on_reached, self.on_finished))

    def _delivery(self, hooks: tuple[tuple[Hook, bool], ...]) -> Hook | None:
        """Build what hands one kind of event to all sinks, whose own work is not traced."""
        if not hooks:
            return None
        if len(hooks) == 1 and hooks[0][1]:  # a lone leaf, as in production: nothing to guard, no hop
            return hooks[0][0]

        def deliver(event: Started | Reached | Record) -> None:
            token = current.set(self.untraced)
            try:
                for hook, _ in hooks:
                    hook(event)
            finally:
                current.reset(token)

        return deliver

    def begin(
        self,
        spec: Spec,
        details: Details,
        parent: Operation | RemoteParent | None,
        held_by: int = 0,
        given_id: str | None = None,
    ) -> Operation:
        """Start an operation below `parent`; the caller makes it current.

        held_by: the thread whose step it begins with; 0 for a block, which has no steps.
        """
        if parent is self.untraced:
            self.reentrant += 1
            return self.untraced
        operation = Operation(self, spec, details, parent, held_by, given_id)
        if self.on_started is not None:
            event = Started(
                operation.operation_id,
                spec.name,
                operation.description,
                operation.key,
                operation.trace_id,
                operation.span_id,
                operation.parent_id,
                operation._start,
            )
            self.on_started(event)
        return operation

    def checkpoint(self, name: str, description: str = "", **attributes: object) -> float | None:
        """Mark a moment of the current operation.

        `attributes` are kept as plain data. Returns the seconds since the operation's start, or None
        where there is no operation or it has ended; both are counted in `stats()` and never raise.
        """
        operation = _get_current()
        if operation is None:
            self.orphans += 1
            return None
        return operation._reach(name, description, attributes)

    def annotate(self, **attributes: object) -> None:
        """Add attributes to the current operation; where there is none they are counted and dropped."""
        operation = current.get()
        if operation is None:
            self.orphans += 1
        else:
            operation.annotate(**attributes)

    def current_operation(self) -> Operation | None:
        """Give the handle of the current operation, or None."""
        operation = current.get()
        return None if operation is self.untraced else operation


class _Stepping:
    """What coroutines and generators of every kind share: an operation that is current only while the body runs."""

    __slots__ = ("__weakref__", "_current", "_details", "_inner", "_operation", "_spec", "_tracer")

    def __init__(self, tracer: Tracer, spec: Spec, details: Details, inner: Any) -> None:
        self._tracer = tracer
        self._spec = spec
        self._details = details
        self._inner = inner
        self._operation: Operation | None = None
        self._current: Operation | None = None

    def _enter(self) -> Token[Operation | None]:
        """Make current what was so when the body was suspended; at first, its own operation."""
        tracer = self._tracer
        operation = self._operation
        if operation is None:
            operation = tracer.begin(self._spec, self._details, current.get(), get_ident())
            self._operation = self._current = operation
        elif operation._duration is None:
            operation.hold(get_ident(), tracer.monotonic_ns())
        return current.set(self._current)

    def _suspend(self, token: Token[Operation | None]) -> None:
        """Give the context back after a step that did not end the body."""
        self._current = current.get()
        current.reset(token)
        operation = self._operation
        if operation is not None and operation._held_by:
            operation.let_go(self._tracer.monotonic_ns())

    def _end(self, token: Token[Operation | None], error: BaseException | None, outcome: Outcome = "ok") -> None:
        """Give the context back and finish the operation, once."""
        current.reset(token)
        operation = self._operation
        if operation is not None and operation._duration is None:
            operation.end(error, outcome)

    @property
    def _is_open(self) -> bool:
        """Whether the body has started and not ended."""
        return self._operation is not None and self._operation._duration is None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return f"<timed {self._inner!r}>"


class Steps(_Stepping):
    """A coroutine or generator around another one, stepped by `send`, `throw` and `close`.

    It hands through what debuggers and event loops ask (`cr_frame`, `cr_await`, `gi_running`, ...). An
    `async def` around a generator-based wrapper would do less: it breaks the task's stack, the await
    chain, the "never awaited" warning and the order of frames after a cancel.
    """

    __slots__ = ("_send",)

    def __init__(self, tracer: Tracer, spec: Spec, details: Details, inner: Any) -> None:
        super().__init__(tracer, spec, details, inner)
        self._send = inner.send

    def send(self, value: Any = None) -> Any:
        """Run to the next suspension."""
        token = self._enter()
        try:
            result = self._send(value)
        except StopIteration:
            self._end(token, None)
            raise
        except BaseException as error:
            self._end(token, error)
            raise
        self._suspend(token)
        return result

    __next__ = send

    def throw(self, *exception: Any) -> Any:
        """Raise an exception at the suspension and run on to the next one."""
        if self._operation is None:  # never started: no body runs, so there is nothing to time
            return self._inner.throw(*exception)
        token = self._enter()
        try:
            result = self._inner.throw(*exception)
        except StopIteration:
            self._end(token, None)
            raise
        except BaseException as error:
            self._end(token, error)
            raise
        self._suspend(token)
        return result

    def close(self) -> Any:
        """End the body where it stands; one that never started makes no record."""
        if not self._is_open:
            return self._inner.close()
        token = self._enter()
        try:
            result = self._inner.close()
        except BaseException as error:
            self._end(token, error)
            raise
        self._end(token, None, "closed")
        return result

    def __del__(self) -> None:
        if self._is_open:
            self.close()

    def __iter__(self) -> "Steps":
        return self


class CoroutineSteps(Steps, Coroutine[Any, Any, Any]):
    """A timed coroutine."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # it has all of a generator's methods that `await` uses

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.CoroutineType


class GeneratorSteps(Steps, Generator[Any, Any, Any]):
    """A timed generator."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.GeneratorType


class AsyncGeneratorSteps(_Stepping, AsyncGenerator[Any, Any]):
    """A timed async generator: each `asend`, `athrow` and `aclose` gives an awaitable that steps the body."""

    __slots__ = ()

    def __anext__(self) -> "AsyncStep":
        return AsyncStep(self, self._inner.__anext__())

    def asend(self, value: Any) -> "AsyncStep":
        """Send a value and run to the next one."""
        return AsyncStep(self, self._inner.asend(value))

    def athrow(self, *exception: Any) -> Any:
        """Raise an exception at the suspension and run on to the next value."""
        inner = self._inner.athrow(*exception)
        return inner if self._operation is None else AsyncStep(self, inner)

    def aclose(self) -> Any:
        """End the body where it stands; one that never started makes no record."""
        inner = self._inner.aclose()
        return AsyncStep(self, inner, closes=True) if self._is_open else inner

    def __del__(self) -> None:
        # The event loop closes the inner generator in a task of its own; here, nobody reads on.
        if self._is_open and self._operation is not None:
            self._operation.end(outcome="closed")

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.AsyncGeneratorType


class AsyncStep(Coroutine[Any, Any, Any]):
    """The way of an async generator from one value to the next."""

    __slots__ = ("_closes", "_inner", "_owner")

    def __init__(self, owner: AsyncGeneratorSteps, inner: Any, closes: bool = False) -> None:
        self._owner = owner
        self._inner = inner
        self._closes = closes

    def send(self, value: Any = None) -> Any:
        """Run to the next suspension, of the step or of the generator."""
        return self._step(self._inner.send, value)

    __next__ = send

    def throw(self, *exception: Any) -> Any:
        """Raise an exception where the step is suspended."""
        return self._step(self._inner.throw, *exception)

    def _step(self, resume: Callable[..., Any], *args: Any) -> Any:
        owner = self._owner
        token = owner._enter()
        try:
            result = resume(*args)
        except StopIteration:  # a value, or the end of `aclose`
            if self._closes:
                owner._end(token, None, "closed")
            else:
                owner._suspend(token)
            raise
        except StopAsyncIteration:
            owner._end(token, None)
            raise
        except BaseException as error:
            owner._end(token, error)
            raise
        owner._suspend(token)
        return result

    def close(self) -> None:
        """Give the step up; from CPython 3.13 on this runs the body's clean-up."""
        if not self._owner._is_open:
            self._inner.close()
            return
        token = self._owner._enter()
        try:
            self._inner.close()
        except BaseException as error:
            self._owner._end(token, error)
            raise
        self._owner._suspend(token)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # it has all of a generator's methods that `await` uses

    def __iter__(self) -> "AsyncStep":
        return self


class Block:
    """An operation as a `with` or `async with` block."""

    __slots__ = ("_details", "_operation", "_parent", "_spec", "_token", "_tracer")

    def __init__(
        self, tracer: Tracer, spec: Spec, details: Details, parent: Operation | RemoteParent | None = None
    ) -> None:
        self._parent = parent
        self._tracer = tracer
        self._spec = spec
        self._details = details

    def _begin(self) -> Operation:
        around = current.get()
        parent = around if around is self._tracer.untraced else self._parent or around
        return self._tracer.begin(self._spec, self._details, parent)

    def _finish(self, error: BaseException | None) -> None:
        self._operation.end(error)

    def __enter__(self) -> Operation:
        self._operation = self._begin()
        self._token = current.set(self._operation)
        return self._operation

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # Closing in another context or under another block: what is current there is not ours to change.
        if current.get() is self._operation:
            current.reset(self._token)
        else:
            self._tracer.misplaced += 1
        self._finish(error)

    async def __aenter__(self) -> Operation:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)
