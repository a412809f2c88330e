"""The tracer: the one start and the one finish of every operation, and what is current."""

import os
import threading
from asyncio import CancelledError, _get_running_loop, current_task
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import Any, Final, TypeAlias
from weakref import ref

from perftrace.core.clock import Clock, SystemClock
from perftrace.core.events import Reached, Started
from perftrace.core.ids import Ids, RandomIds, process_id
from perftrace.core.record import Event, Operation, Record, handle_of, new_record, set_run
from perftrace.core.run import (
    MAX_CHECKPOINTS,
    NO_DETAILS,
    CallDetails,
    CheckpointFields,
    OperationSpec,
    ParentContext,
    Run,
    ThreadName,
)
from perftrace.core.sink import Sink
from perftrace.core.sink_guard import Hook, SinkGuard, overrides
from perftrace.core.values import NO_ATTRIBUTES, TEXT_LIMIT, Outcome, attributes_of, masked, plain

LONG_AFTER_NS = 1_000_000_000
"""From this long after its parent's end on, what begins is a trace of its own, with a link: the round of a loop that
a handler started, a job that it scheduled."""
NO_TEXT = ""
"""The description of a checkpoint that has none: told by identity, which costs less than a comparison."""


class RemoteParent:
    """An operation of another process, as the parent of one that starts here."""

    __slots__ = ("ids",)

    def __init__(self, trace: int, span: int) -> None:
        self.ids: tuple[int, int] = (trace, span)


class _Thread(threading.local):
    """The running thread's own token, made once a thread."""

    def __init__(self) -> None:
        self.token: ThreadName = ThreadName(threading.current_thread().name, os.getpid(), process_id())


thread: Final = _Thread()
current: ContextVar[Any] = ContextVar("perftrace_current", default=None)
"""The `Run` of the operation that code runs in, or None; where a task outlives it, it has ended. The one context
variable of the package."""
CurrentToken: TypeAlias = "Token[Any]"
get_current: Final = current.get
set_current: Final = current.set
reset_current: Final = current.reset

_PARENTS = (Run, RemoteParent)
# Past NamedTuple's own constructor, which costs more than twice as much.
_new_tuple = tuple.__new__


def outcome_of(error: BaseException) -> Outcome:
    """Return what an exception that leaves an operation makes of it; the end of an iteration is no failure."""
    if isinstance(error, CancelledError):
        return "cancelled"
    if isinstance(error, GeneratorExit):
        return "closed"
    if isinstance(error, StopIteration | StopAsyncIteration):
        return "ok"
    kind = type(error)
    if kind.__name__ == "Cancelled" and kind.__module__.partition(".")[0] == "trio":
        return "cancelled"
    return "error"


class NullRun(Run):
    """Stands in as current while a sink works: what its work traces is counted, never traced."""

    __slots__ = ()

    def reach(self, name: str, description: str, attributes: Mapping[str, object], at_ns: int | None = None) -> None:
        """Count it."""
        self.spec.tracer.reentrant += 1

    def annotate(self, attributes: Mapping[str, object]) -> None:
        """Count it."""
        self.spec.tracer.reentrant += 1

    def fail(self, text: str) -> None:
        """Count it."""
        self.spec.tracer.reentrant += 1


def _make_null_run(tracer: "Tracer") -> NullRun:
    run = NullRun()
    run.spec = OperationSpec("", tracer=tracer)
    run.details = NO_DETAILS
    run.ids = 0, 0
    run.operation_id = ""
    run.running_on = run.accounts_to = run.parent_context = None
    run.checkpoints = ()
    run.begun_ns = run.duration_ns = run.start = 0  # it has ended before it began
    return run


def _delivery(hooks: list[Hook]) -> Hook | None:
    """Build what hands one kind of event to all sinks."""
    if len(hooks) < 2:
        return hooks[0] if hooks else None

    def deliver(event: Event) -> None:
        for hook in hooks:
            hook(event)

    return deliver


def _idle(is_enabled: list[Callable[[], bool]], sinks: int) -> Callable[[], bool] | None:
    """Build what asks whether no sink wants anything; None where one of them does not say."""
    if not sinks:
        return lambda: True
    if len(is_enabled) < sinks:
        return None
    if sinks > 1:
        return lambda: not any(want() for want in is_enabled)
    (only,) = is_enabled
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
        "guards",
        "idle",
        "ids",
        "late",
        "live",
        "misplaced",
        "now",
        "null_run",
        "on_finished",
        "on_reached",
        "on_started",
        "orphans",
        "overflowed_checkpoints",
        "pid",
        "reentrant",
        "sequence",
        "span_id",
        "trace_id",
        "unknown_ids",
        "unread",
        "wall_ns",
    )

    clock: Clock
    doubled_ids: int
    """Second starts of a running id and second ends of an ended one."""
    eager_ids: bool
    """Whether ids are drawn at the start, not when somebody reads them."""
    enabled: bool
    guards: tuple[SinkGuard, ...]
    idle: Callable[[], bool] | None
    """Asks whether no sink would write anything; None where one of them does not say."""
    ids: Ids
    late: int
    """Checkpoints, annotations and ends of operations that had ended."""
    live: bool
    """Whether any sink takes anything."""
    misplaced: int
    """Blocks that closed where another operation was current."""
    now: Callable[[], int]
    null_run: NullRun
    on_finished: Hook | None
    on_reached: Hook | None
    on_started: Hook | None
    orphans: int
    """Checkpoints and annotations where no operation was current."""
    overflowed_checkpoints: int
    """Checkpoints beyond the cap of an operation."""
    pid: int
    reentrant: int
    unread: int
    """Operations and checkpoints of a sink's own work."""
    sequence: int
    """Finished operations."""
    span_id: Callable[[], int]
    trace_id: Callable[[], int]
    unknown_ids: int
    """Calls of the explicit API with an id that does not run."""
    wall_ns: Callable[[], int]

    def __init__(self) -> None:
        self.reset_counters()
        self.enabled = True
        self.pid = os.getpid()
        self.set_clock(SystemClock())
        self.set_ids(RandomIds())
        self.null_run = _make_null_run(self)
        self.guards = ()
        self.set_guards(())

    def reset_counters(self) -> None:
        """Begin to count anew."""
        self.sequence = self.orphans = self.late = self.overflowed_checkpoints = 0
        self.misplaced = self.reentrant = self.unread = self.unknown_ids = self.doubled_ids = 0

    def set_clock(self, clock: Clock) -> None:
        """Read the time there from now on."""
        self.clock = clock
        self.now, self.wall_ns = clock.monotonic_ns, clock.wall_ns

    def set_ids(self, ids: Ids) -> None:
        """Draw ids there from now on."""
        self.ids = ids
        # Ids of production are drawn when somebody reads them, others in the order of the starts.
        self.eager_ids = not isinstance(ids, RandomIds)
        self.trace_id, self.span_id = ids.trace_id, ids.span_id

    def guard(self, sink: Sink, report: Callable[[Sink, BaseException], object]) -> SinkGuard:
        """Make a sink safe for this tracer; `report` is told of its first exception."""
        return SinkGuard(sink, report, current, self.null_run, lambda: self.sequence)

    def set_guards(self, guards: tuple[SinkGuard, ...]) -> None:
        """Deliver events to these sinks from now on; to none while tracing is not enabled."""
        for guard in self.guards:
            guard.attach(False)
        self.guards = guards
        if not self.enabled:
            guards = ()
        for guard in guards:
            guard.attach(True)
        self.on_started, self.on_reached, self.on_finished = (
            _delivery([hook for o in guards if (hook := o.hook(name)) is not None])
            for name in ("started", "reached", "finished")
        )
        self.live = any((self.on_started, self.on_reached, self.on_finished))
        is_enabled = [o.sink.is_enabled for o in guards if overrides(o.sink, "is_enabled")]
        self.idle = _idle(is_enabled, len(guards) if self.live else 0)

    def begin(
        self,
        spec: OperationSpec,
        details: CallDetails,
        parent: Run | RemoteParent | None,
        thread: ThreadName,
        ago_ns: int = 0,
        *,
        is_chosen: bool = False,
    ) -> Run:
        """Start an operation below `parent`; the caller makes it current.

        spec: its tracer is this one; where its name is empty, `name` tells of it later. thread: the running one.
        ago_ns: how long ago it began. is_chosen: whether the user named the parent, whenever that ended.
        """
        # Filled in here, past a constructor of its own: one call less, of three.
        run = Run()
        run.spec = spec
        run.details = details
        run.operation_id = spec.given_id
        run.thread = thread
        run.running_on = None if spec.is_block else thread
        run.ids = run.parent_context = run.accounts_to = run.failure = run.task = run.handle = run.duration_ns = None
        run.inner_ns = run.running_ns = run.longest_step_ns = run.steps = 0
        run.checkpoints = []
        if parent is not None and isinstance(parent, _PARENTS):  # else a foreign value: no parent
            if parent is self.null_run:
                self.reentrant += 1
                return self.null_run
            is_remote = isinstance(parent, RemoteParent)
            trace, span = parent.ids or parent.make_ids()
            ended = None if is_remote or is_chosen else parent.duration_ns  # type: ignore[union-attr]
            if spec.detached or (ended is not None and self.now() - parent.begun_ns - ended >= LONG_AFTER_NS):  # type: ignore[union-attr]
                run.parent_context = ParentContext(0, None, (trace, span), True)
            else:
                run.parent_context = _new_tuple(ParentContext, (trace, span, None, is_remote))
                if not is_remote:
                    # A block holds no thread: what runs inside it is part of whatever runs around it.
                    run.accounts_to = parent.accounts_to if parent.spec.is_block else parent  # type: ignore
        if self.eager_ids and spec.name:
            run.make_ids()
        # Asking for the loop costs 3.11 a system call, 0.15 µs: first a look where this thread's last task was. And
        # asking for the loop before the task: current_task() raises where there is no loop, which costs 1 µs.
        last_loop = thread.loop
        loop = None if last_loop is None else last_loop()
        task = None if loop is None else current_task(loop)
        if task is None:
            loop = _get_running_loop()
            if loop is not None:
                thread.loop = ref(loop)
                task = current_task(loop)
        if task is not None:
            run.task = task.get_name()
        wall_ns, read_clock = self.wall_ns, self.now
        run.start = wall_ns()
        run.begun_ns = run.step_begun_ns = read_clock()
        if ago_ns:
            run.start -= ago_ns
            run.begun_ns -= ago_ns
        if self.on_started is not None and spec.name:
            self.tell_start(run)
        return run

    def tell_start(self, run: Run) -> None:
        """Hand the beginning of an operation to the sinks that want it."""
        trace, span = run.ids or run.make_ids()
        operation_id, (key, description, _, _) = run.operation_id or run.make_operation_id(), run.details
        context = run.parent_context
        parent_id = None if context is None or context.parent is None else f"{context.parent:016x}"
        event = (
            operation_id,
            run.spec.name,
            description,
            key,
            f"{trace:032x}",
            f"{span:016x}",
            parent_id,
            run.start,
            run.spec.level,
        )
        self.on_started(_new_tuple(Started, event))  # type: ignore[misc]

    def name(self, run: Run, spec: OperationSpec, details: CallDetails) -> None:
        """Name an operation that began without a name, and tell the sinks what they have not heard of it."""
        if run is self.null_run:
            return
        attributes = {**(details.attributes or NO_ATTRIBUTES), **(run.details.attributes or NO_ATTRIBUTES)}
        run.spec, run.details = spec, details._replace(attributes=attributes_of(attributes) if attributes else None)
        if self.on_started is not None:
            self.tell_start(run)
        if self.on_reached is not None:
            operation_id = run.operation_id or run.make_operation_id()
            for name, description, elapsed, kept in run.checkpoints:
                self.on_reached(Reached(operation_id, name, description, elapsed, run.start, kept, spec.level))

    def finish(self, run: Run, error: BaseException | None = None, outcome: Outcome | None = None) -> Record | None:
        """Finish an operation, hand its record to the sinks and return it; None where it has ended already.

        error: what ended it, which decides the outcome; without one it is `outcome`; with neither it is `ok`, unless
        the operation was made to fail.
        """
        if run.duration_ns is not None:
            return None
        read_clock = self.now  # not called as a method: a slot is found faster as an attribute
        now = read_clock()
        duration = now - run.begun_ns
        running_on = run.running_on
        if running_on is not None:
            if run.steps:
                run.end_step(now)
            else:  # most have but one step, as long as the operation: a call less
                run.running_ns = run.longest_step_ns = max(0, duration)
                run.steps = 1
                around = run.accounts_to
                if around is not None and around.running_on is running_on:
                    around.inner_ns += run.running_ns
                run.running_on = None
        run.duration_ns = max(0, duration)  # a clock that was handed in may step back
        if error is not None:
            outcome = outcome_of(error)
            if outcome == "error":
                run.failure = outcome, type(error).__name__, masked(plain(error))
            elif outcome != "ok":  # else `fail` may have decided it
                run.failure = outcome, None, None
        elif outcome is not None:
            run.failure = (outcome, None, None)
        run.accounts_to = run.handle = None
        record = new_record(Record)  # `record_of` inline
        set_run(record, run)
        if run.thread.pid != self.pid:  # in a forked child, what began in the parent is the parent's to report
            run.sequence = 0
            return record
        run.sequence = self.sequence = self.sequence + 1
        hand_on = self.on_finished
        if hand_on is not None:
            hand_on(record)
        return record

    def checkpoint(self, /, name: str, description: str = NO_TEXT, **attributes: object) -> float | None:
        """Mark a moment of the current operation.

        `attributes` are kept as plain data. Returns the seconds since the operation's start, or None
        where there is no operation or it has ended; both are counted in `stats()` and never raise.
        """
        run: Run | None = get_current()
        if run is None:  # where nothing is timed: all that it costs
            self.orphans += 1
            return None
        try:  # costs nothing, where asking for the type would cost a thirtieth of an operation
            is_running = run.duration_ns is None
        except AttributeError:  # a foreign value: no operation
            self.orphans += 1
            return None
        # The plain case inline: a call of `reach` costs as much as all of this.
        if (
            is_running
            and type(name) is str
            and len(name) <= TEXT_LIMIT
            and (description is NO_TEXT or (type(description) is str and len(description) <= TEXT_LIMIT))
            and not attributes
        ):
            checkpoints: list[CheckpointFields] = run.checkpoints  # type: ignore[assignment]  # while it runs
            if len(checkpoints) < MAX_CHECKPOINTS:
                read_clock = self.now  # not called as a method: a slot is found faster as an attribute
                elapsed = read_clock() - run.begun_ns
                checkpoints.append((name, description, elapsed, NO_ATTRIBUTES))
                if self.on_reached is not None and run.spec.name:
                    operation_id = run.operation_id or run.make_operation_id()
                    event = (operation_id, name, description, elapsed, run.start, NO_ATTRIBUTES, run.spec.level)
                    self.on_reached(_new_tuple(Reached, event))
                return elapsed / 1e9
        return run.reach(name, description, attributes)

    def annotate(self, /, **attributes: object) -> None:
        """Add attributes to the current operation; where there is none they are counted and dropped."""
        run = get_current()
        if isinstance(run, Run):
            run.annotate(attributes)
        else:
            self.orphans += 1

    def current_operation(self) -> Operation | None:
        """Return the handle of the current operation, or None; of one that has ended, where a task outlives it."""
        run = get_current()
        return handle_of(run) if isinstance(run, Run) and run is not self.null_run else None
