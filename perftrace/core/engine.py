"""The hot path, whole: operations, what is current, the steps of coroutines, and the tracer that ties them to sinks.

The one context variable lives here. What runs when: a closure of `decorators` calls
`Tracer.begin`, makes the operation current while the user's code runs, and calls
`Operation.end`, which hands a record to the hooks of the sinks.
"""

import asyncio
import os
import sys
import threading
import types
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextvars import ContextVar, Token
from typing import Any, ClassVar, TypeAlias

from perftrace.core.clock import Clock, SystemClock, reader
from perftrace.core.events import Reached, Started
from perftrace.core.ids import Ids, RandomIds
from perftrace.core.record import Details, Event, Fields, RawMark, Record, Spec, ThreadName, marks_of
from perftrace.core.sink import Hook, Outlet, Sink, overrides
from perftrace.core.values import NO_ATTRIBUTES, TEXT_LIMIT, Outcome, attributes_of, plain

NOTHING = ""
"""The text of whoever gives none."""
MAX_CHECKPOINTS = 10_000
"""The most checkpoints that one operation keeps; the rest is counted."""


class RemoteParent:
    """An operation of another process, or a finished one, as the parent of one that starts here."""

    __slots__ = ("_ids",)

    def __init__(self, trace: int, span: int) -> None:
        self._ids = (trace, span)


_PARENTS = (Fields, RemoteParent)


class _Thread(threading.local):
    """The running thread's own token, made once a thread."""

    def __init__(self) -> None:
        self.token = ThreadName(threading.current_thread().name, os.getpid())


thread = _Thread()
_get_running_loop = asyncio._get_running_loop
_current_task = asyncio.current_task
_tasks: Mapping[object, "asyncio.Task[Any] | None"] = {None: None}  # not empty: whoever does not know asks the loop
if sys.version_info < (3, 14):
    _tasks = getattr(asyncio.tasks, "_current_tasks", _tasks)
"""What runs now, by loop; not public, and kept otherwise from Python 3.14 on."""
_new_event = tuple.__new__


class Live(Fields):
    """A running operation, as the engine has it; `end` makes it a record."""

    __slots__ = ()

    def __init__(self) -> None:
        """Be empty: `begin` fills it in."""

    def reach(self, name: str, description: str, attributes: Mapping[str, object]) -> float | None:
        """Mark a moment; returns the seconds since the start, or None if it has ended."""
        tracer: Tracer = self._spec.tracer
        now = tracer.now()
        name, description = plain(name), plain(description)
        kept = attributes_of(attributes) if attributes else NO_ATTRIBUTES
        marks: list[RawMark] = self.raw_marks  # type: ignore[assignment]
        if len(marks) < MAX_CHECKPOINTS:
            marks.append((name, description, now, kept))
        else:
            tracer.overflowed_checkpoints += 1
        if tracer.on_reached is not None:
            operation_id = self._operation_id or self.operation_id
            elapsed = round((now - self._begun) * 1e9)
            # Past NamedTuple's own constructor, which costs more than twice as much.
            tracer.on_reached(_new_event(Reached, (operation_id, name, description, elapsed, self.start, kept)))
        return now - self._begun  # type: ignore[no-any-return]

    def annotate(self, attributes: Mapping[str, object]) -> None:
        """Add attributes."""
        *texts, so_far = self._details
        self._details = (*texts, attributes_of({**(so_far or {}), **attributes}))  # type: ignore[assignment]

    def fail(self, text: str) -> None:
        """Make the outcome `error` without an exception."""
        self._failure = ("error", None, plain(text))

    @property
    def handle(self) -> "Operation":
        """What user code gets to hold: made when it is asked for, the same each time."""
        if self._handle is None:
            self._handle = Operation(self)
        return self._handle  # type: ignore[no-any-return]

    def hold(self, token: ThreadName, now: Any) -> None:
        """Note that a thread begins a further step of this operation's own code."""
        self._held_by = token
        self._step_start = now

    def let_go(self, now: Any) -> None:
        """Note that the step is over, and charge it to the operation whose step it ran inside, if any."""
        stepped = self._stepped
        step = now - (self._begun if stepped is None else self._step_start)
        if step < 0:  # a clock that was handed in may step back
            step = 0.0
        if stepped is None:
            self._stepped = (step, step, 1)
        else:
            running, longest, steps = stepped
            self._stepped = (running + step, max(longest, step), steps + 1)
        around = self._charge
        # An operation that merely created this one (a task's, a thread's) does not hold this thread now.
        if around is not None and around._held_by is self._held_by:
            around._inner += step
        self._held_by = None

    def end(self, error: BaseException | None = None, outcome: Outcome = "ok", done: str = "") -> Record | None:
        """Finish the operation, hand its record to the sinks and give it.

        error: what ended it, which decides the outcome; without one it is `outcome`.
        done: what to say at the finish, in place of what was said at the start.
        """
        now = self._spec.tracer.now()
        if error is not None:
            outcome = outcome_of(error)
            is_error = outcome == "error"
            self._failure = (outcome, type(error).__name__, plain(error)) if is_error else (outcome, None, None)
        elif outcome != "ok":  # else `fail` may have decided it
            self._failure = (outcome, None, None)
        if done:
            key, description, _, attributes = self._details
            self._details = (key, description, plain(done), attributes)
        return self.finish(now)

    def finish(self, now: Any) -> Record | None:
        """Finish the operation as it is: what `end` does where there is nothing to add, which most runs call at once.

        now: a reading of the tracer's clock.
        """
        tracer: Tracer = self._spec.tracer
        self._took = now
        held_by = self._held_by
        if held_by is not None:
            if self._stepped is None:  # most have but one step: `let_go` inline
                around = self._charge
                if around is not None and around._held_by is held_by:
                    step = now - self._begun
                    if step > 0:
                        around._inner += step
            else:
                self.let_go(now)
        if self._thread.pid == tracer.pid:
            self.sequence = tracer.sequence = tracer.sequence + 1
            hand_on = tracer.on_finished
        else:  # in a forked child, what began in the parent is the parent's to tell
            self.sequence = 0
            hand_on = None
        self._held_by = self._charge = self._handle = self._marks = None
        self.__class__ = Record  # type: ignore[assignment]  # nothing is copied: see Fields
        record: Record = self  # type: ignore[assignment]
        if hand_on is not None:
            hand_on(record)
        return record

    def snapshot(self) -> Record:
        """Give what is known so far as a record with outcome None, its steps left out."""
        changing = {"duration_ns", "marks", "sequence", "slow", "outcome"}
        steps = {"running_ns", "longest_step_ns", "steps"}
        fields = {name: getattr(self, name) for name in Record.FIELDS if name not in changing | steps}
        so_far = max(0, round((self._spec.tracer.now() - self._begun) * 1e9))
        marks = marks_of(self.raw_marks, self._begun)
        return Record(**fields, duration_ns=so_far, marks=marks, outcome=None)


Live.__init__ = object.__init__  # type: ignore[method-assign]  # runs no Python: a tenth of `begin`


class Operation:
    """The live handle of an operation: what user code holds while it runs.

    Once the operation has ended, whatever changes it is counted as late and does nothing.
    """

    __slots__ = ("__weakref__", "_live")

    def __init__(self, live: "Live | Record") -> None:
        self._live = live

    @property
    def name(self) -> str:
        """The operation's name, as decorated."""
        return self._live.name

    @property
    def description(self) -> str:
        """What it does, made for this run."""
        return self._live.description

    @property
    def key(self) -> str | None:
        """Whom or what this run is for."""
        return self._live.key

    @property
    def operation_id(self) -> str:
        """The id that log lines show."""
        return self._live.operation_id

    @property
    def trace_id(self) -> str:
        """32 lower-case hexadecimal digits, the same for an operation and everything below it."""
        return self._live.trace_id

    @property
    def span_id(self) -> str:
        """16 lower-case hexadecimal digits, this operation's own."""
        return self._live.span_id

    @property
    def parent_id(self) -> str | None:
        """The span id of the operation that this one runs in; None for the root of a trace."""
        return self._live.parent_id

    @property
    def elapsed(self) -> float:
        """Seconds since the start; once it has ended, how long it took."""
        live = self._live
        if isinstance(live, Record):
            return live.duration_ns / 1e9
        return live._spec.tracer.now() - live._begun  # type: ignore[no-any-return]

    def checkpoint(self, name: str, description: str = "", **attributes: object) -> float | None:
        """Mark a moment of this operation; returns the seconds since its start, or None if it has ended."""
        live = self._live
        return live._spec.tracer.too_late() if isinstance(live, Record) else live.reach(name, description, attributes)

    def annotate(self, **attributes: object) -> None:
        """Add attributes to this operation."""
        live = self._live
        if isinstance(live, Record):
            live._spec.tracer.too_late()
        else:
            live.annotate(attributes)

    def fail(self, text: str) -> None:
        """Give this operation the outcome `error` without raising: for handlers that catch and reply."""
        live = self._live
        if isinstance(live, Record):
            live._spec.tracer.too_late()
        else:
            live.fail(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and self._live is other._live

    def __hash__(self) -> int:
        return id(self._live)

    def __repr__(self) -> str:
        return f"<{'ended' if isinstance(self._live, Record) else 'running'} operation {self.operation_id}>"


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


class Untraced(Live):
    """Stands in as current while a sink works: what its work traces is counted, never traced."""

    __slots__ = ()

    def __init__(self, tracer: "Tracer") -> None:
        Fields.__init__(self, "")
        self._spec = Spec("", tracer=tracer)
        self._handle = self._held_by = None

    def reach(self, name: str, description: str, attributes: Mapping[str, object]) -> None:
        """Count it."""
        self._spec.tracer.reentrant += 1

    def annotate(self, attributes: Mapping[str, object]) -> None:
        """Count it."""
        self._spec.tracer.reentrant += 1

    def fail(self, text: str) -> None:
        """Count it."""
        self._spec.tracer.reentrant += 1

    def hold(self, token: ThreadName, now: Any) -> None:
        """Keep no account."""

    def end(self, error: BaseException | None = None, outcome: Outcome = "ok", done: str = "") -> None:
        """Make no record."""

    def finish(self, now: Any) -> None:
        """Make no record."""


current: ContextVar[Live | Record | None] = ContextVar("perftrace_current", default=None)
"""The operation that code runs in; a record where a task has outlived it. The one context variable of the package."""
CurrentToken: TypeAlias = "Token[Live | Record | None]"
_get_current, _set_current, _reset_current = current.get, current.set, current.reset


def _delivery(hooks: list[Hook]) -> Hook | None:
    """Build what hands one kind of event to all sinks."""
    if len(hooks) < 2:
        return hooks[0] if hooks else None

    def deliver(event: Event) -> None:
        for hook in hooks:
            hook(event)

    return deliver


def _idle(wants: list[Callable[[], bool]], sinks: int) -> Callable[[], bool] | None:
    """Build what asks whether no sink wants anything; None where one of them does not say."""
    if not sinks:
        return lambda: True
    if len(wants) < sinks:
        return None
    if sinks > 1:
        return lambda: not any(want() for want in wants)
    (only,) = wants
    return lambda: not only()


class Tracer:
    """Ties operations to clock, ids and sinks; permanent, while `configure` swaps what it holds.

    Decoration comes before configuration: closures keep the tracer and read its slots at each call.
    """

    __slots__ = (
        "clock",
        "doubled_ids",
        "eager_ids",
        "enabled",
        "idle",
        "ids",
        "late",
        "live",
        "misplaced",
        "now",
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
        self.untraced = Untraced(self)
        self.outlets: tuple[Outlet, ...] = ()
        self.set_outlets(())

    def reset_counters(self) -> None:
        """Begin to count anew."""
        self.sequence = 0
        """Finished operations."""
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
        self.now, self.wall_ns = reader(clock), clock.wall_ns

    def set_ids(self, ids: Ids) -> None:
        """Take ids there from now on."""
        self.ids = ids
        # Ids of production are drawn when somebody reads them, others in the order of the starts.
        self.eager_ids = not isinstance(ids, RandomIds)
        self.trace_id, self.span_id = ids.trace_id, ids.span_id

    def outlet(self, sink: Sink, report: Callable[[Sink, BaseException], object]) -> Outlet:
        """Make a sink safe for this tracer; `report` is told of its first exception."""
        return Outlet(sink, report, current, self.untraced, lambda: self.sequence)

    def set_outlets(self, outlets: tuple[Outlet, ...]) -> None:
        """Hand events to these sinks from now on; to none while tracing is not enabled."""
        for outlet in self.outlets:
            outlet.attach(False)
        self.outlets = outlets
        if not self.enabled:
            outlets = ()
        for outlet in outlets:
            outlet.attach(True)
        self.on_started, self.on_reached, self.on_finished = (
            _delivery([hook for o in outlets if (hook := o.hook(name)) is not None])
            for name in ("started", "reached", "finished")
        )
        self.live = any((self.on_started, self.on_reached, self.on_finished))
        wants = [o.sink.wants for o in outlets if overrides(o.sink, "wants")]
        self.idle = _idle(wants, len(outlets) if self.live else 0)

    def begin(
        self,
        spec: Spec,
        details: Details,
        parent: Live | Record | RemoteParent | None,
        token: ThreadName,
    ) -> Live:
        """Start an operation below `parent`; the caller makes it current.

        spec: its tracer is this one. token: the running thread's.
        """
        # Filled in here, past a constructor of its own: one call less, of three.
        live = Live()
        live._spec = spec
        live._details = details
        live._operation_id = spec.given_id
        live._thread = token
        live._held_by = None if spec.is_block else token
        live._ids = live._origin = live._charge = live._handle = live._failure = live._stepped = live.task = None
        live._inner = 0
        live.raw_marks = []
        if parent is not None and isinstance(parent, _PARENTS):  # else a foreign value: no parent
            if parent is self.untraced:
                self.reentrant += 1
                return self.untraced
            trace, span = parent._ids or parent._make_ids()
            if spec.detached:
                live._origin = (0, None, (trace, span), True)
            else:
                live._origin = (trace, span, None, isinstance(parent, RemoteParent))
                if not isinstance(parent, RemoteParent):
                    # A block holds no thread: what runs inside it is part of whatever runs around it.
                    live._charge = parent._charge if parent._spec.is_block else parent
        if self.eager_ids:
            live._make_ids()
        if _tasks:  # else no thread is in a task
            # Asking for the loop costs 3.11 a system call, 0.15 µs: first a look where this thread's last task was.
            task = _tasks.get(token.loop)
            if task is None:
                # And asking for the loop before the task: current_task() raises where there is none, which costs 1 µs.
                token.loop = loop = _get_running_loop()
                task = None if loop is None else _current_task(loop)
            if task is not None:
                live.task = task.get_name()
        wall_ns, now = self.wall_ns, self.now
        live.start = wall_ns()
        live._begun = now()
        if self.on_started is not None:
            trace, span = live._ids or live._make_ids()
            operation_id, (key, description, _, _) = live._operation_id or live.operation_id, details
            parent_id, start = None if live._origin is None else live.parent_id, live.start
            # Past NamedTuple's own constructor, as in `reach`.
            event = operation_id, spec.name, description, key, f"{trace:032x}", f"{span:016x}", parent_id, start
            self.on_started(_new_event(Started, event))
        return live

    def too_late(self) -> None:
        """Count what came after an operation's end."""
        self.late += 1

    def checkpoint(self, name: str, description: str = NOTHING, **attributes: object) -> float | None:
        """Mark a moment of the current operation.

        `attributes` are kept as plain data. Returns the seconds since the operation's start, or None
        where there is no operation or it has ended; both are counted in `stats()` and never raise.
        """
        live = _get_current()
        if live is None:  # where nothing is timed: all that it costs
            self.orphans += 1
            return None
        # The plain case inline: a call of `reach` costs as much as all of this.
        if (
            type(live) is Live
            and type(name) is str
            and len(name) <= TEXT_LIMIT
            and (description is NOTHING or (type(description) is str and len(description) <= TEXT_LIMIT))
            and not attributes
        ):
            marks: list[RawMark] = live.raw_marks  # type: ignore[assignment]
            if len(marks) < MAX_CHECKPOINTS:
                read_clock = self.now  # not called as a method: a slot is found faster as an attribute
                now = read_clock()
                marks.append((name, description, now, NO_ATTRIBUTES))
                if self.on_reached is not None:
                    operation_id = live._operation_id or live.operation_id
                    elapsed = round((now - live._begun) * 1e9)
                    event = (operation_id, name, description, elapsed, live.start, NO_ATTRIBUTES)
                    self.on_reached(_new_event(Reached, event))
                return now - live._begun  # type: ignore[no-any-return]
        if isinstance(live, Live):
            return live.reach(name, description, attributes)
        self._miss(live)
        return None

    def _miss(self, found: object) -> None:
        """Count what found no running operation: one that has ended, or none."""
        if isinstance(found, Record):
            self.late += 1
        else:
            self.orphans += 1

    def annotate(self, **attributes: object) -> None:
        """Add attributes to the current operation; where there is none they are counted and dropped."""
        live = current.get()
        if isinstance(live, Live):
            live.annotate(attributes)
        else:
            self._miss(live)

    def current_operation(self) -> Operation | None:
        """Give the handle of the current operation, or None; of one that has ended, where a task outlives it."""
        live = current.get()
        if isinstance(live, Record):
            return Operation(live)
        return live.handle if isinstance(live, Live) and live is not self.untraced else None


class _Stepping:
    """What coroutines and generators of every kind share: an operation that is current only while the body runs."""

    __slots__ = ("__weakref__", "_current", "_details", "_inner", "_live", "_spec")

    _spec: Spec
    _details: Details
    _inner: Any
    """What is timed."""
    _live: Live | Record | None
    """Its operation, once it has begun."""
    _current: Live | Record | None
    """What is current inside, while it is suspended."""

    def _enter(self) -> CurrentToken:
        """Make current what was so when the body was suspended; at first, its own operation."""
        live = self._live
        if live is None:
            self._live = self._current = self._spec.tracer.begin(self._spec, self._details, current.get(), thread.token)
        elif type(live) is Live:
            live.hold(thread.token, self._spec.tracer.now())
        return current.set(self._current)

    def _suspend(self, token: CurrentToken) -> None:
        """Give the context back after a step that did not end the body."""
        self._current = current.get()
        current.reset(token)
        live = self._live
        if type(live) is Live:
            live.let_go(self._spec.tracer.now())

    def _end(self, token: CurrentToken, error: BaseException | None, outcome: Outcome = "ok") -> None:
        """Give the context back and finish the operation, once."""
        current.reset(token)
        live = self._live
        if type(live) is Live:
            live.end(error, outcome)

    @property
    def _is_open(self) -> bool:
        """Whether the body has started and not ended."""
        return type(self._live) is Live

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

    __slots__ = ()

    _suspended: ClassVar[type]
    """What it becomes at its first suspension."""

    def send(self, value: Any = None) -> Any:
        """Run to the first suspension; from there on, what it becomes has `_resume` in this place."""
        if self._live is not None:  # it has ended, or runs now: the body says so
            return self._resume(value)
        # `_enter`, `_suspend` and `_end` inline: each call costs a tenth of a short coroutine's whole price. One
        # method for the first step and the others cost another thirtieth.
        spec = self._spec
        tracer: Tracer = spec.tracer
        self._live = self._current = live = tracer.begin(spec, self._details, _get_current(), thread.token)
        token = _set_current(live)
        try:
            result = self._inner.send(value)
        except StopIteration:
            _reset_current(token)
            if type(live) is Live:
                read_clock = tracer.now
                live.finish(read_clock())
            raise
        except BaseException as error:
            _reset_current(token)
            if type(live) is Live:
                live.end(error)
            raise
        self._current = _get_current()
        _reset_current(token)
        _set_class(self, self._suspended)
        if type(live) is Live:
            live.let_go(tracer.now())
        return result

    def _resume(self, value: Any = None) -> Any:
        """Run from one suspension to the next."""
        live = self._live
        if type(live) is Live:
            live.hold(thread.token, self._spec.tracer.now())
        token = _set_current(self._current)
        try:
            result = self._inner.send(value)
        except StopIteration:
            _reset_current(token)
            if type(live) is Live:
                live.finish(self._spec.tracer.now())
            raise
        except BaseException as error:
            _reset_current(token)
            if type(live) is Live:
                live.end(error)
            raise
        self._current = _get_current()
        _reset_current(token)
        if type(live) is Live:
            live.let_go(self._spec.tracer.now())
        return result

    __next__ = send

    def throw(self, *exception: Any) -> Any:
        """Raise an exception at the suspension and run on to the next one."""
        if self._live is None:  # never started: no body runs, so there is nothing to time
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

    def __iter__(self) -> "Steps":
        return self


class CoroutineSteps(Steps, Coroutine[Any, Any, Any]):
    """A timed coroutine."""

    __slots__ = ("_given",)

    _given: Any
    """What it gave at its first suspension, while that is still to be handed on."""

    def __await__(self) -> Generator[Any, Any, Any]:
        """Give what `await` steps: itself, which has all of a generator's methods that `await` uses.

        A coroutine that can only return None takes its first step already here, where a task awaits it. It can end
        then without a StopIteration, which costs 0.4 µs on its way through Python, a tenth of the whole price:
        `next` swallows the body's, and a generator that has ended tells `await` of the end without one. The price:
        whoever calls `__await__` by hand in a task and begins to step later finds the body begun.
        """
        spec = self._spec
        token = thread.token
        if (
            self._live is not None
            or spec.procedure is None
            or self._inner.cr_code is not spec.procedure  # somebody put other code into the function
            or _tasks.get(token.loop) is None  # stepped by hand, or by another library than asyncio
        ):
            return self
        tracer: Tracer = spec.tracer
        self._live = live = tracer.begin(spec, self._details, _get_current(), token)
        outside = _set_current(live)
        try:
            given = next(self._inner.__await__(), _ENDED)
        except BaseException as error:
            _reset_current(outside)
            if type(live) is Live:
                live.end(error)
            raise
        if given is _ENDED:
            _reset_current(outside)
            if type(live) is Live:
                read_clock = tracer.now
                live.finish(read_clock())
            return _ENDED
        self._current = _get_current()
        _reset_current(outside)
        self._given = given
        _set_class(self, _PausedCoroutine)
        if type(live) is Live:
            live.let_go(tracer.now())
        return self

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.CoroutineType


class GeneratorSteps(Steps, Generator[Any, Any, Any]):
    """A timed generator."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.GeneratorType


class _Suspended:
    """Only what was suspended once can be left early: whatever runs straight through pays for no finalizer."""

    __slots__ = ()
    send = __next__ = Steps._resume

    def __del__(self: Any) -> None:
        if type(self._live) is Live:
            self.close()


class _SuspendedCoroutine(_Suspended, CoroutineSteps):
    __slots__ = ()


class _SuspendedGenerator(_Suspended, GeneratorSteps):
    __slots__ = ()


class _PausedCoroutine(_SuspendedCoroutine):
    """Ran to its first suspension in `__await__`, which could not hand on what it gave there."""

    __slots__ = ()

    def _take(self) -> Any:
        """Give what is to be handed on, and be as if it had been."""
        given = self._given
        del self._given
        _set_class(self, _SuspendedCoroutine)
        return given

    def send(self, value: Any = None) -> Any:
        """Hand it on: for whoever awaits, the body has run only now."""
        if value is not None:
            raise TypeError("can't send non-None value to a just-started coroutine")
        return self._take()

    __next__ = send

    def throw(self, *exception: Any) -> Any:
        """Raise an exception at the suspension."""
        self._take()
        return self.throw(*exception)

    def close(self) -> Any:
        """End the body at the suspension."""
        self._take()
        return self.close()


CoroutineSteps._suspended = _SuspendedCoroutine
GeneratorSteps._suspended = _SuspendedGenerator
# Past the `__class__` that says coroutine or generator.
_set_class = object.__dict__["__class__"].__set__
_ENDED: Generator[Any, Any, Any] = (_ for _ in ())
_ENDED.close()


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
        return inner if self._live is None else AsyncStep(self, inner)

    def aclose(self) -> Any:
        """End the body where it stands; one that never started makes no record."""
        inner = self._inner.aclose()
        return AsyncStep(self, inner, closes=True) if self._is_open else inner

    def __del__(self) -> None:
        # The event loop closes the inner generator in a task of its own; here, nobody reads on.
        live = self._live
        if type(live) is Live:
            live.end(outcome="closed")

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

    __slots__ = ("_details", "_live", "_parent", "_spec", "_token", "_tracer")

    _live: Live | Record

    def __init__(self, spec: Spec, details: Details, parent: Live | Record | RemoteParent | None = None) -> None:
        self._parent = parent
        self._tracer: Tracer = spec.tracer
        self._spec = spec
        self._details = details

    def _begin(self) -> Live:
        around = current.get()
        parent = around if around is self._tracer.untraced else self._parent or around
        return self._tracer.begin(self._spec, self._details, parent, thread.token)

    def _finish(self, error: BaseException | None) -> None:
        if isinstance(self._live, Live):
            self._live.end(error)
        else:
            self._tracer.late += 1

    def __enter__(self) -> Operation:
        self._live = live = self._begin()
        self._token = current.set(live)
        return live.handle

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # Closing in another context or under another block: what is current there is not ours to change.
        if current.get() is self._live:
            current.reset(self._token)
        else:
            self._tracer.misplaced += 1
        self._finish(error)

    async def __aenter__(self) -> Operation:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)
