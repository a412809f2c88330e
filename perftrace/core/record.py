"""The finished operation and the handle of the live one: two views of a run."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from perftrace.core.events import INFO, Checkpoint, Link, Reached, Started
from perftrace.core.patterns import pattern
from perftrace.core.run import (
    CallDetails,
    CheckpointFields,
    OperationSpec,
    ParentContext,
    Run,
    ThreadName,
)
from perftrace.core.values import NO_ATTRIBUTES, Attributes, Outcome


class _View:
    """What a record and a handle have in common."""

    __slots__ = ("_run",)

    _run: Run

    @property
    def name(self) -> str:
        """As decorated."""
        return self._run.spec.name

    @property
    def description(self) -> str:
        """What it does, made for this run."""
        return self._run.details.description

    @property
    def key(self) -> str | None:
        """Whom or what it is done for: a user id, a job number."""
        return self._run.details.key

    @property
    def operation_id(self) -> str:
        """The id that log lines show: the caller's own, or name, key and span id joined."""
        return self._run.operation_id or self._run.make_operation_id()

    @property
    def trace_id(self) -> str:
        """32 lower-case hexadecimal digits, the same for an operation and everything below it; empty if unknown."""
        trace, _ = self._run.ids or self._run.make_ids()
        return f"{trace:032x}" if trace else ""

    @property
    def span_id(self) -> str:
        """16 lower-case hexadecimal digits, this operation's own; empty if unknown."""
        _, span = self._run.ids or self._run.make_ids()
        return f"{span:016x}" if span else ""

    @property
    def parent_id(self) -> str | None:
        """The span id of the operation that this one ran in; None for the root of a trace."""
        context = self._run.parent_context
        return None if context is None or context.parent is None else f"{context.parent:016x}"


class Record(_View):
    """A finished operation with its checkpoints: the event of a finish, and all that is kept of it.

    Immutable; `replace` returns a changed copy. The arguments are its fields, all but the name by keyword. Raises
    ValueError for an id that is none.
    """

    __slots__ = ()

    def __init__(
        self,
        name: str,
        *,
        trace_id: str = "",
        span_id: str = "",
        parent_id: str | None = None,
        given_id: str | None = None,
        description: str = "",
        done: str | None = None,
        key: str | None = None,
        key_name: str | None = None,
        start: int = 0,
        start_mono: int = 0,
        duration_ns: int = 0,
        outcome: Outcome | None = "ok",
        error_type: str | None = None,
        error: str | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        slow: bool = False,
        checkpoints: Sequence[CheckpointFields] = (),
        running_ns: int | None = None,
        inner_ns: int | None = None,
        steps: int = 0,
        longest_step_ns: int | None = None,
        link: Link | None = None,
        process: str = "",
        pid: int = 0,
        thread: str = "",
        task: str | None = None,
        sequence: int = 0,
        start_seen: bool = True,
        weight: float = 1.0,
    ) -> None:
        run = Run()
        run.spec = OperationSpec(
            name,
            key_name,
            0 if slow else None,
            is_block=running_ns is None,
            given_id=given_id,
            start_seen=start_seen,
            weight=weight,
        )
        run.details = CallDetails(key, description, done, dict(attributes) if attributes else NO_ATTRIBUTES)
        run.operation_id = given_id
        trace, span = _number("trace_id", trace_id, 32), _number("span_id", span_id, 16)
        parent = _number("parent_id", parent_id, 16) or None
        run.ids = trace, span
        linked = None if link is None else (int(link.trace_id, 16), int(link.span_id, 16))
        run.parent_context = ParentContext(trace, parent, linked, not parent)
        is_plain = outcome == "ok" and error_type is error is None
        run.failure = None if is_plain else (outcome, error_type, error)
        run.running_ns, run.inner_ns, run.longest_step_ns = running_ns or 0, inner_ns or 0, longest_step_ns or 0
        run.steps = steps
        run.thread = ThreadName(thread, pid, process)
        run.begun_ns, run.duration_ns = int(start_mono), int(duration_ns)
        run.checkpoints = list(checkpoints) if checkpoints else ()
        run.start, run.task, run.sequence = start, task, sequence
        set_run(self, run)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, as the constructor takes them."""
        fields = {name: getattr(self, name) for name in _FIELDS}
        return {**fields, "attributes": dict(self.attributes), "checkpoints": list(self.checkpoints)}

    def replace(self, **changes: Any) -> "Record":
        """Return a copy with some fields changed."""
        is_moved = not changes.keys().isdisjoint(("trace_id", "parent_id"))
        record = Record(**{**self.as_dict(), **changes})
        return _placed(record, record.is_local_root if is_moved else self.is_local_root, level_of(self))

    @property
    def key_name(self) -> str | None:
        """The key's label, such as `user_id`."""
        return self._run.spec.key_name

    @property
    def given_id(self) -> str | None:
        """The operation id that the caller of the explicit API chose; None where it is made."""
        return self._run.spec.given_id

    @property
    def start_seen(self) -> bool:
        """False where a source did not see the start: what came before the first checkpoint is not known."""
        return self._run.spec.start_seen

    @property
    def weight(self) -> float:
        """How many runs it stands for, itself among them, where sampling left others out."""
        return self._run.spec.weight

    @property
    def done(self) -> str | None:
        """What to say at the finish in place of the description."""
        return self._run.details.done

    @property
    def attributes(self) -> Attributes:
        """By name, plain data."""
        return self._run.details.attributes or NO_ATTRIBUTES

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None only for what runs still, or what a source saw start and never end."""
        return "ok" if self._run.failure is None else self._run.failure[0]

    @property
    def error_type(self) -> str | None:
        """The exception's type."""
        return None if self._run.failure is None else self._run.failure[1]

    @property
    def error(self) -> str | None:
        """The exception's text."""
        return None if self._run.failure is None else self._run.failure[2]

    @property
    def slow(self) -> bool:
        """Took at least as long as its `slow` threshold."""
        threshold = self._run.spec.slow_ns
        return threshold is not None and self.duration_ns >= threshold

    @property
    def link(self) -> Link | None:
        """The operation that created this detached one."""
        context = self._run.parent_context
        if context is None or context.link is None:
            return None
        trace, span = context.link
        return Link(f"{trace:032x}", f"{span:016x}")

    @property
    def is_local_root(self) -> bool:
        """Whether its trace entered this process with it: it is a root, or its parent is another process's."""
        context = self._run.parent_context
        return context is None or context.is_local_root

    @property
    def start(self) -> int:
        """Unix nanoseconds, UTC."""
        return self._run.start

    @property
    def start_mono(self) -> int:
        """Nanoseconds of the monotonic clock, comparable within one process."""
        return self._run.begun_ns

    @property
    def duration_ns(self) -> int:
        """How long it took, by the monotonic clock."""
        return self._run.duration_ns or 0

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints in the order in which they were reached."""
        kept = self._run.checkpoints
        if type(kept) is tuple:  # made before
            return kept
        # Past NamedTuple's own constructor, which costs three times as much.
        made = tuple([_new_tuple(Checkpoint, fields) for fields in kept])
        if self._run.duration_ns is not None:
            self._run.checkpoints = made
        return made

    @property
    def running_ns(self) -> int | None:
        """How long its own code held the thread, children that ran inside it included; None for a block."""
        return None if self._run.spec.is_block else self._run.running_ns

    @property
    def inner_ns(self) -> int | None:
        """The part of `running_ns` that children held; None for a block."""
        return None if self._run.spec.is_block else self._run.inner_ns

    @property
    def longest_step_ns(self) -> int | None:
        """The longest stretch without a suspension; None for a block."""
        return None if self._run.spec.is_block else self._run.longest_step_ns

    @property
    def steps(self) -> int:
        """How often its code was entered: once, and again after each suspension; 0 for a block."""
        return self._run.steps

    @property
    def process(self) -> str:
        """16 hexadecimal digits that stand for the process, whose number another may have, too; empty if unknown."""
        return self._run.thread.process

    @property
    def pid(self) -> int:
        """The process that it started in."""
        return self._run.thread.pid

    @property
    def thread(self) -> str:
        """The name of the thread that it started in."""
        return self._run.thread.name

    @property
    def task(self) -> str | None:
        """The asyncio task that it started in."""
        return self._run.task

    @property
    def sequence(self) -> int:
        """Counts the finishes of its process from 1 on."""
        return self._run.sequence

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a record is immutable: replace({name}=...) returns a changed copy")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a record is immutable")

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == other.as_dict() if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, *ids_of(self), self.sequence))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy, which the shared empty attributes are, cannot be pickled.
        checkpoints = [(name, text, elapsed, dict(attributes)) for name, text, elapsed, attributes in self.checkpoints]
        return _rebuild, ({**self.as_dict(), "checkpoints": checkpoints}, self.is_local_root, level_of(self))

    def __copy__(self) -> "Record":
        return self

    def __deepcopy__(self, memo: Any) -> "Record":
        return self

    def __repr__(self) -> str:
        return f"Record({self.operation_id!r}, {self.duration_ns / 1e6:.3f}ms, {self.outcome})"


_FIELDS = tuple(name for name in inspect.signature(Record.__init__).parameters if name != "self")
Event: TypeAlias = Started | Reached | Record
"""What a sink receives."""

set_run: Any = _View.__dict__["_run"].__set__  # past the immutability
new_record: Final = object.__new__
_new_tuple = tuple.__new__


def _number(name: str, text: str | None, digits: int) -> int:
    """Read an id of so many hexadecimal digits; 0 where there is none."""
    if not text:
        return 0
    if len(text) != digits or not _HEX.fullmatch(text):
        raise ValueError(f"{name} must be {digits} hexadecimal digits, not {text!r}")
    return int(text, 16)


_HEX = pattern("[0-9a-fA-F]+")


def _rebuild(fields: dict[str, Any], is_local_root: bool, level: int = INFO) -> Record:
    return _placed(Record(**fields), is_local_root, level)


def _placed(record: Record, is_local_root: bool, level: int) -> Record:
    """Note of a record that was just made whether its trace entered this process with it, and its level."""
    run = record._run  # noqa: SLF001  # its own
    run.spec.level = level
    if record.is_local_root is not is_local_root:
        run.parent_context = run.parent_context and run.parent_context._replace(is_local_root=is_local_root)
    return record


def level_of(record: Record) -> int:
    """Return the logging level of its lines, where it did not fail and was not slow."""
    return record._run.spec.level  # noqa: SLF001  # its other half


def process_of(record: Record) -> object:
    """Return what stands for the process of a record: its id, or its number and host where it was written without."""
    return record.process or (record.pid, record.attributes.get("host.name"))


def is_same_process(one: Record, other: Record) -> bool:
    """Report whether two records are of one process: by its id where both have it, else by number and known host."""
    if one.process and other.process:
        return one.process == other.process
    hosts = {found for record in (one, other) if (found := record.attributes.get("host.name")) is not None}
    return one.pid == other.pid and len(hosts) < 2


def ids_of(record: Record) -> tuple[int, int, int | None]:
    """Return a record's trace, span and parent as numbers, 0 where they are not known; the parent of a root is None."""
    run = record._run  # noqa: SLF001  # its other half
    trace, span = run.ids or run.make_ids()
    context = run.parent_context
    return trace, span, None if context is None else context.parent


def record_of(run: Run) -> Record:
    """Make the record of a finished run, which is written to no more."""
    record = new_record(Record)
    set_run(record, run)
    return record


def snapshot(run: Run) -> Record:
    """Return what is known of a live run so far, as a record with outcome None and without steps."""
    known = Run()
    for name in Run.__slots__:
        setattr(known, name, getattr(run, name, 0))
    known.spec = replace(run.spec, is_block=True, slow_ns=None)
    known.duration_ns = max(0, run.spec.tracer.now() - run.begun_ns)
    known.checkpoints = tuple(Checkpoint(*fields) for fields in run.checkpoints)
    known.failure = (None, None, None)
    known.ids = run.ids or run.make_ids()
    known.steps = 0
    return record_of(known)


def record_of_log(
    spec: OperationSpec,
    details: CallDetails,
    operation_id: str,
    span: int,
    start: int,
    duration_ns: int,
    checkpoints: Sequence[CheckpointFields],
) -> Record:
    """Make the record of a run that ended well, as a log tells it, at a fifth of the constructor's price.

    spec: what all such runs share. The rest is as in `Record`.
    """
    run = Run()
    run.spec = spec
    run.details = details
    run.operation_id = operation_id
    run.ids = 0, span
    run.parent_context = run.failure = run.task = run.handle = None
    run.inner_ns = run.running_ns = run.longest_step_ns = run.steps = run.begun_ns = run.sequence = 0
    run.thread = _NO_THREAD
    run.checkpoints = checkpoints
    run.start = start
    run.duration_ns = duration_ns
    return record_of(run)


_NO_THREAD = ThreadName("")


class Operation(_View):
    """The live handle of an operation: what user code holds while it runs.

    Once the operation has ended, whatever changes it is counted as late and does nothing.
    """

    __slots__ = ("__weakref__",)

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def elapsed(self) -> float:
        """Seconds since the start; once it has ended, how long it took."""
        run = self._run
        ns = run.spec.tracer.now() - run.begun_ns if run.duration_ns is None else run.duration_ns
        return ns / 1e9

    def checkpoint(self, /, name: str, description: str = "", **attributes: object) -> float | None:
        """Mark a moment of this operation; return the seconds since its start, or None if it has ended."""
        return self._run.reach(name, description, attributes)

    def annotate(self, /, **attributes: object) -> None:
        """Add attributes to this operation."""
        self._run.annotate(attributes)

    def fail(self, text: str) -> None:
        """Return this operation the outcome `error` without raising: for handlers that catch and reply."""
        self._run.fail(text)

    def __copy__(self) -> "Operation":
        return self

    def __deepcopy__(self, memo: Any) -> "Operation":
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a handle belongs to its process: carry the operation to another one by inject() and extract()")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Operation) and self._run is other._run

    def __hash__(self) -> int:
        return id(self._run)

    def __repr__(self) -> str:
        return f"<{'running' if self._run.duration_ns is None else 'ended'} operation {self.operation_id}>"


def handle_of(run: Run) -> Operation:
    """Return the handle of a run: of a live one the same each time."""
    if run.duration_ns is not None:
        return Operation(run)
    if run.handle is None:
        run.handle = Operation(run)
    return run.handle  # type: ignore[no-any-return]


def run_of(operation: Operation) -> Run:
    """Return the run that a handle stands for."""
    return operation._run  # noqa: SLF001  # its other half
