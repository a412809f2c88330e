"""The live operation: what the tracer writes to while user code runs. All times are whole nanoseconds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from perftrace.core.events import INFO, Reached
from perftrace.core.ids import make_operation_id
from perftrace.core.values import NO_ATTRIBUTES, Attributes, Outcome, attributes_of, masked, plain

MAX_CHECKPOINTS = 10_000
"""The most checkpoints that one operation keeps; the rest is counted."""

CheckpointFields: TypeAlias = tuple[str, str, int, Attributes]
"""A checkpoint as a run keeps it: the fields of `Checkpoint`, in a plain tuple, which costs a quarter of one."""


class ThreadName:
    """The name of a thread of a process; the object itself stands for the thread, by identity."""

    __slots__ = ("loop", "name", "pid", "process")

    def __init__(self, name: str, pid: int = 0, process: str = "") -> None:
        self.name: str = name
        self.pid: int = pid
        self.process: str = process
        """16 hexadecimal digits; empty where a source does not tell."""
        self.loop: Callable[[], Any] | None = None
        """A weak reference to the event loop of the last task in which an operation began: where to look first for the
        next one's. Weak, as a loop holds much that should go with it."""


class CallDetails(NamedTuple):
    """What one call says of itself."""

    key: str | None = None
    description: str = ""
    done: str | None = None
    attributes: Attributes | None = None


NO_DETAILS = CallDetails()


@dataclass(slots=True, eq=False)  # not frozen: a block makes one a run, and freezing costs four times as much
class OperationSpec:
    """What all runs of one decoration have in common; never changed once made."""

    name: str
    """Empty as long as it is not known: sinks hear of the run once it is."""
    key_name: str | None = None
    slow_ns: int | None = None
    """From this duration on a run is slow; None: never."""
    detached: bool = False
    """Whether it begins a trace of its own, with a link to the operation that is current."""
    is_block: bool = False
    """Whether it is a block, which has no steps of its own."""
    level: int = INFO
    """The logging level of its lines, where it does not fail and is not slow."""
    given_id: str | None = None
    """The operation id that the caller of the explicit API chose; None where it is made."""
    start_seen: bool = True
    """False where a source did not see the start."""
    weight: float = 1.0
    """How many runs a kept record stands for, itself among them, where sampling left others out."""
    tracer: Any = None
    """Draws the ids, reads the clock, calls the sinks; None for what a source read."""
    read_details: Callable[[tuple[Any, ...], dict[str, Any]], CallDetails] | None = None
    """Reads the details from a call's arguments; never raises. None: every call is alike."""


class ParentContext(NamedTuple):
    """Where an operation comes from."""

    trace: int
    """Of the parent, which the operation's own is then; 0 where it begins one."""
    parent: int | None
    """The parent's span."""
    link: tuple[int, int] | None
    """Trace and span of the operation that created a detached one."""
    is_local_root: bool
    """Whether its trace entered this process with it."""


Failure: TypeAlias = tuple[Outcome | None, str | None, str | None]
"""An outcome other than `ok`, the exception's type and its text."""


class Run:
    """One run of an operation: filled in by `Tracer.begin`, finished by `Tracer.finish`, then read as a `Record`.

    Every slot costs at the start of each call: what rarely differs from call to call shares one, and None there is
    the usual case. Ids are numbers and their texts are made when read: most records are filtered, summed or dropped
    before anybody asks.
    """

    __slots__ = (
        "accounts_to",
        "begun_ns",
        "checkpoints",
        "details",
        "duration_ns",
        "failure",
        "handle",
        "ids",
        "inner_ns",
        "longest_step_ns",
        "operation_id",
        "parent_context",
        "running_ns",
        "running_on",
        "sequence",
        "spec",
        "start",
        "step_begun_ns",
        "steps",
        "task",
        "thread",
    )

    accounts_to: "Run | None"
    """The operation whose steps this one's steps run inside: their time is part of its `inner_ns`."""
    begun_ns: int
    """A reading of the monotonic clock."""
    checkpoints: Sequence[CheckpointFields]
    """A list while it runs."""
    details: CallDetails
    duration_ns: int | None
    """None while it runs."""
    failure: Failure | None
    """None if all went well."""
    handle: Any
    """What user code holds of it, once it has been asked for."""
    ids: tuple[int, int] | None
    """Trace and span; None until somebody asks."""
    inner_ns: int
    """The part of `running_ns` that children held."""
    longest_step_ns: int
    operation_id: str | None
    """None until somebody asks."""
    parent_context: ParentContext | None
    """None for a root."""
    running_ns: int
    """How long its own code held the thread, children that ran inside it included."""
    running_on: ThreadName | None
    """The thread that runs its code now; None while it is suspended, and for a block."""
    sequence: int
    spec: OperationSpec
    start: int
    """Unix nanoseconds, UTC."""
    step_begun_ns: int
    """A reading of the monotonic clock, at the last resumption."""
    steps: int
    """How often its code was entered and left again."""
    task: str | None
    """The asyncio task that it started in."""
    thread: ThreadName
    """The thread that it started in."""

    def resume_step(self, thread: ThreadName, now_ns: int) -> None:
        """Note that a thread runs its code from now on."""
        self.running_on = thread
        self.step_begun_ns = now_ns

    def end_step(self, now_ns: int) -> None:
        """Note that its code is suspended or has ended; account the step to the operation that it ran inside."""
        step = now_ns - self.step_begun_ns
        if step < 0:  # a clock that was handed in may step back
            step = 0
        self.running_ns += step
        if step > self.longest_step_ns:
            self.longest_step_ns = step
        self.steps += 1
        around = self.accounts_to
        # An operation that merely created this one (a task's, a thread's) does not hold this thread now.
        if around is not None and around.running_on is self.running_on:
            around.inner_ns += step
        self.running_on = None

    def reach(
        self, name: str, description: str, attributes: Mapping[str, object], at_ns: int | None = None
    ) -> float | None:
        """Mark a moment; return the seconds since the start, or None if it has ended, which is counted.

        at_ns: since the start, in place of now.
        """
        tracer = self.spec.tracer
        if self.duration_ns is not None:
            tracer.late += 1
            return None
        elapsed = tracer.now() - self.begun_ns if at_ns is None else at_ns
        name, description = plain(name), plain(description)
        kept = attributes_of(attributes) if attributes else NO_ATTRIBUTES
        if len(self.checkpoints) < MAX_CHECKPOINTS:
            self.checkpoints.append((name, description, elapsed, kept))  # type: ignore[attr-defined]
        else:
            tracer.overflowed_checkpoints += 1
        if tracer.on_reached is not None and self.spec.name:
            operation_id = self.operation_id or self.make_operation_id()
            tracer.on_reached(Reached(operation_id, name, description, elapsed, self.start, kept, self.spec.level))
        return elapsed / 1e9

    def annotate(self, attributes: Mapping[str, object]) -> None:
        """Add attributes; counted where it has ended."""
        if self.duration_ns is not None:
            self.spec.tracer.late += 1
            return
        so_far = self.details.attributes or {}
        self.details = self.details._replace(attributes=attributes_of({**so_far, **attributes}))

    def fail(self, text: str) -> None:
        """Make the outcome `error` without an exception; counted where it has ended."""
        if self.duration_ns is not None:
            self.spec.tracer.late += 1
            return
        self.failure = ("error", None, masked(plain(text)))

    def make_ids(self) -> tuple[int, int]:
        """Draw the ids, which nobody has asked for yet."""
        tracer = self.spec.tracer
        trace = 0 if self.parent_context is None else self.parent_context.trace
        drawn = (trace or tracer.trace_id(), tracer.span_id())
        # Drawn first: between the question and the assignment, no other thread gets a turn.
        if self.ids is None:
            self.ids = drawn
        return self.ids

    def make_operation_id(self) -> str:
        """Make the id that log lines show, which nobody has asked for yet; kept once the operation has a name."""
        _, span = self.ids or self.make_ids()
        made = make_operation_id(self.spec.name, self.details.key, span)
        if self.spec.name:
            self.operation_id = made
        return made


Run.__init__ = object.__init__  # type: ignore[method-assign]  # runs no Python: a tenth of `Tracer.begin`
