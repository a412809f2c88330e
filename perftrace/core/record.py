"""What leaves the core: events and records, immutable plain data."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, ClassVar, TypeAlias

from perftrace.core.clock import nanoseconds
from perftrace.core.events import Checkpoint, Link, Reached, Started
from perftrace.core.ids import make_operation_id
from perftrace.core.values import NO_ATTRIBUTES, Attributes, Outcome, Scalar

Mark: TypeAlias = tuple[str, str, int, Attributes]
"""A checkpoint as plain data: name, description, elapsed nanoseconds, attributes."""
RawMark: TypeAlias = tuple[str, str, Any, Attributes]
"""The same as it was kept, with a reading of the clock in place of nanoseconds."""


class ThreadName:
    """The name of a thread of a process; the object itself stands for the thread, by identity."""

    __slots__ = ("loop", "name", "pid")

    def __init__(self, name: str, pid: int = 0) -> None:
        self.name = name
        self.pid = pid
        self.loop: object = None
        """The event loop in which it last started an operation: a guess where to look first."""


Details: TypeAlias = tuple[str | None, str, str | None, dict[str, Scalar] | None]
"""What one call says of itself: key, description, done, captured attributes."""


@dataclass(slots=True, eq=False)  # not frozen: a block makes one a run, and freezing costs four times as much
class Spec:
    """What all runs of one decoration have in common; nobody changes it."""

    name: str
    key_name: str | None = None
    slow_ns: int | None = None
    """From this duration on a run is slow; None: never."""
    detached: bool = False
    """Whether it begins a trace of its own, with a link to the operation that is current."""
    is_block: bool = False
    """Whether it is a block, which has no steps of its own."""
    given_id: str | None = None
    """The operation id that the caller of the explicit API chose; None where it is made."""
    start_seen: bool = True
    """False where a source did not see the start."""
    weight: float = 1.0
    """How many runs a kept record stands for, itself among them, where sampling left others out."""
    tracer: Any = None
    """Draws the ids, reads the clock, tells the sinks; None for what a source read."""
    details: Callable[[tuple[Any, ...], dict[str, Any]], Details] | None = None
    """Reads the details from a call's arguments; never raises. None: every call is alike."""
    procedure: CodeType | None = None
    """The code of a coroutine function, if it can only return None."""


class Fields:
    """What a record keeps, still writable: the slots that a live operation and its record share.

    One becomes the other by a change of class, which costs a quarter of building the record anew, and
    every slot costs at the start of each call: what rarely differs shares one, and None there is the
    usual case. Ids and times are kept as the engine has them and made into text and nanoseconds when
    read: most records are filtered, summed or dropped before anybody asks.
    """

    __slots__ = (
        "_begun",
        "_charge",
        "_details",
        "_failure",
        "_handle",
        "_held_by",
        "_ids",
        "_inner",
        "_marks",
        "_operation_id",
        "_origin",
        "_spec",
        "_step_start",
        "_stepped",
        "_thread",
        "_took",
        "raw_marks",
        "sequence",
        "start",
        "task",
    )

    _charge: Any
    """The running operation whose step this one's steps run inside."""
    _handle: Any
    _held_by: ThreadName | None
    """The thread that runs its own code now."""
    _step_start: Any
    """A reading of the clock."""
    _marks: list[Mark] | None
    """Of what ran here and has ended: `raw_marks` in nanoseconds; None until somebody asks."""

    def __init__(
        self,
        name: str,
        *,
        trace: int = 0,
        span: int = 0,
        parent: int | None = None,
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
        marks: Sequence[Mark] = (),
        running_ns: int | None = None,
        inner_ns: int | None = None,
        steps: int = 0,
        longest_step_ns: int | None = None,
        link: Link | None = None,
        pid: int = 0,
        thread: str = "",
        task: str | None = None,
        sequence: int = 0,
        start_seen: bool = True,
        weight: float = 1.0,
    ) -> None:
        is_block = running_ns is None
        self._spec = Spec(name, key_name, 0 if slow else None, False, is_block, given_id, start_seen, weight)
        self._details: tuple[str | None, str, str | None, Attributes | None] = (key, description, done, attributes)
        self._operation_id = given_id
        self._ids: tuple[int, int] | None = (trace, span)
        """Trace and span; None until somebody asks."""
        linked = None if link is None else (int(link.trace_id, 16), int(link.span_id, 16))
        self._origin: tuple[int, int | None, tuple[int, int] | None, bool] | None = (trace, parent, linked, not parent)
        """Where it comes from: the trace and span that it belongs to, what it is linked to, and whether its trace
        entered this process here; None for a root."""
        is_plain = outcome == "ok" and error_type is error is None
        self._failure: tuple[Outcome | None, str | None, str | None] | None = None
        """Outcome, the exception's type and text; None if all went well."""
        if not is_plain:
            self._failure = (outcome, error_type, error)
        self._stepped: tuple[Any, Any, int] | None = (running_ns or 0, longest_step_ns or 0, steps)
        """Running time, longest step and number of steps; None for a single step, as long as the operation."""
        self._inner: Any = inner_ns or 0
        self._thread = ThreadName(thread, pid)
        self._begun: Any = int(start_mono)
        """Where it ran here, a reading of the clock, and so are the times of `raw_marks`, while those of `_stepped` and
        `_inner` are seconds. Where others tell of it, an int: all are nanoseconds, marks since it."""
        self._took: Any = int(duration_ns)
        """Nanoseconds. Where it ran here, a reading of the clock at its end, until somebody asks."""
        self.raw_marks: Sequence[RawMark] = marks
        """The checkpoints as they were kept: for whoever does not ask for their times, as it costs nothing."""
        self.start = start
        """Unix nanoseconds, UTC."""
        self.task = task
        """The asyncio task that it started in."""
        self.sequence = sequence
        """Counts the finishes of its process from 1 on."""

    def sealed(self) -> "Record":
        """Make this a record, by changing its class: it is written no more."""
        self.__class__ = Record
        return self  # type: ignore[return-value]

    def _make_ids(self) -> tuple[int, int]:
        """Draw the ids, which nobody has asked for yet."""
        tracer = self._spec.tracer
        trace = self._origin[0] if self._origin is not None else 0
        drawn = (trace or tracer.trace_id(), tracer.span_id())
        # Drawn first: between the question and the setter, no other thread gets a turn.
        if self._ids is None:
            _set_ids(self, drawn)
        return self._ids or drawn

    @property
    def name(self) -> str:
        """As decorated."""
        return self._spec.name

    @property
    def key_name(self) -> str | None:
        """The key's label, such as `user_id`."""
        return self._spec.key_name

    @property
    def given_id(self) -> str | None:
        """The operation id that the caller of the explicit API chose; None where it is made."""
        return self._spec.given_id

    @property
    def start_seen(self) -> bool:
        """False where a source did not see the start: what came before the first checkpoint is not known."""
        return self._spec.start_seen

    @property
    def weight(self) -> float:
        """How many runs it stands for, itself among them, where sampling left others out."""
        return self._spec.weight

    @property
    def is_entry(self) -> bool:
        """Whether its trace entered this process with it: it is a root, or its parent is another process's."""
        return self._origin is None or self._origin[3]

    @property
    def key(self) -> str | None:
        """Whom or what it was done for: a user id, a job number."""
        return self._details[0]

    @property
    def description(self) -> str:
        """What it does, made for this run."""
        return self._details[1]

    @property
    def done(self) -> str | None:
        """What to say at the finish in place of the description."""
        return self._details[2]

    @property
    def attributes(self) -> Attributes:
        """By name, plain data."""
        return self._details[3] or NO_ATTRIBUTES

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None only for what runs still, or what a source saw start and never end."""
        return "ok" if self._failure is None else self._failure[0]

    @property
    def error_type(self) -> str | None:
        """The exception's type."""
        return None if self._failure is None else self._failure[1]

    @property
    def error(self) -> str | None:
        """The exception's text."""
        return None if self._failure is None else self._failure[2]

    @property
    def slow(self) -> bool:
        """Took at least as long as its `slow` threshold."""
        return self._spec.slow_ns is not None and self.duration_ns >= self._spec.slow_ns

    @property
    def trace(self) -> int:
        """128 bits, the same for an operation and everything below it; 0 where a source does not know it."""
        return (self._ids or self._make_ids())[0]

    @property
    def span(self) -> int:
        """64 bits, this operation's own; 0 where a source does not know it."""
        return (self._ids or self._make_ids())[1]

    @property
    def parent(self) -> int | None:
        """The span of the operation that this one ran in, here or in another process; None for the root of a trace."""
        return None if self._origin is None else self._origin[1]

    @property
    def link(self) -> Link | None:
        """The operation that created this detached one."""
        if self._origin is None or self._origin[2] is None:
            return None
        trace, span = self._origin[2]
        return Link(f"{trace:032x}", f"{span:016x}")

    @property
    def trace_id(self) -> str:
        """`trace` as 32 lower-case hexadecimal digits; empty if unknown."""
        return f"{self.trace:032x}" if self.trace else ""

    @property
    def span_id(self) -> str:
        """`span` as 16 lower-case hexadecimal digits; empty if unknown."""
        return f"{self.span:016x}" if self.span else ""

    @property
    def parent_id(self) -> str | None:
        """`parent` as 16 lower-case hexadecimal digits; None for the root of a trace."""
        return None if self.parent is None else f"{self.parent:016x}"

    @property
    def operation_id(self) -> str:
        """The id that log lines show: the caller's own, or name, key and span id joined."""
        if self._operation_id is None:
            _set_operation_id(self, make_operation_id(self.name, self.key, self.span))
        return self._operation_id or ""

    @property
    def start_mono(self) -> int:
        """Nanoseconds of the monotonic clock, comparable within one process."""
        begun = self._begun
        return begun if type(begun) is int else nanoseconds(begun)

    @property
    def duration_ns(self) -> int:
        """How long it took, by the monotonic clock."""
        took = self._took
        if type(took) is int:
            return took
        seconds = took - self._begun
        ns = int(seconds * 1e9 + 0.5) if seconds > 0 else 0  # a clock that was handed in may step back
        _set_took(self, ns)
        return ns

    @property
    def marks(self) -> Sequence[Mark]:
        """The checkpoints as plain tuples, which are cheaper: name, description, elapsed nanoseconds, attributes."""
        if type(self._begun) is int:
            return self.raw_marks
        if self._marks is None:
            _set_marks(self, marks_of(self.raw_marks, self._begun))
        return self._marks or []

    def _in_ns(self, span: Any) -> int:
        """Give a stretch of its time in whole nanoseconds."""
        if type(self._begun) is int:
            return span  # type: ignore[no-any-return]
        return round(span * 1e9) if span else 0

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints in the order in which they were reached."""
        return tuple(Checkpoint(*mark) for mark in self.marks)

    @property
    def running_ns(self) -> int | None:
        """How long its own code held the thread, children that ran inside it included; None for a block."""
        if self._spec.is_block:
            return None
        return self.duration_ns if self._stepped is None else self._in_ns(self._stepped[0])

    @property
    def inner_ns(self) -> int | None:
        """The part of `running_ns` that children held."""
        return None if self._spec.is_block else self._in_ns(self._inner)

    @property
    def longest_step_ns(self) -> int | None:
        """The longest stretch without a suspension; None for a block."""
        if self._spec.is_block:
            return None
        return self.duration_ns if self._stepped is None else self._in_ns(self._stepped[1])

    @property
    def steps(self) -> int:
        """How often its code was entered: once, and again after each suspension; 0 for a block."""
        if self._stepped is None:
            return 0 if self._spec.is_block else 1
        return self._stepped[2]

    @property
    def pid(self) -> int:
        """The process that it started in."""
        return self._thread.pid

    @property
    def thread(self) -> str:
        """The name of the thread that it started in."""
        return self._thread.name


def marks_of(raw_marks: Sequence[RawMark], begun: Any) -> list[Mark]:
    """Make nanoseconds since the start of the readings that checkpoints were kept with."""
    return [(name, text, round((at - begun) * 1e9), attributes) for name, text, at, attributes in raw_marks]


# Setters that pass a record's immutability: what they set was decided, only not worked out yet.
_set_ids, _set_operation_id, _set_marks, _set_took = (
    Fields.__dict__[name].__set__ for name in ("_ids", "_operation_id", "_marks", "_took")
)


class Record(Fields):
    """A finished operation with its checkpoints: the event of a finish, and all that is kept of it.

    Immutable; `replace` gives a changed copy. The arguments are its fields, all but the name by keyword.
    """

    __slots__ = ()

    FIELDS: ClassVar[tuple[str, ...]] = tuple(inspect.signature(Fields).parameters)

    def as_dict(self) -> dict[str, Any]:
        """Give the fields by name, as the constructor takes them."""
        fields = {name: getattr(self, name) for name in self.FIELDS}
        return {**fields, "attributes": dict(self.attributes), "marks": list(self.marks)}

    def replace(self, **changes: Any) -> "Record":
        """Give a copy with some fields changed."""
        return Record(**{**self.as_dict(), **changes})

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "sequence"):  # what the constructor sets last
            raise AttributeError(f"a record is immutable: replace({name}=...) gives a changed copy")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a record is immutable")

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == other.as_dict() if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.trace, self.span, self.sequence))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy, which the shared empty attributes are, cannot be pickled.
        marks = [(name, text, elapsed, dict(attributes)) for name, text, elapsed, attributes in self.marks]
        return _rebuild, ({**self.as_dict(), "marks": marks},)

    def __repr__(self) -> str:
        return f"Record({self.operation_id!r}, {self.duration_ns / 1e6:.3f}ms, {self.outcome})"


def record_of_log(
    spec: Spec,
    details: Details,
    operation_id: str,
    span: int,
    start: int,
    duration_ns: int,
    marks: Sequence[Mark],
) -> Record:
    """Make the record of a run that ended well, as a log tells it: a fifth of the constructor's price.

    spec: what all such runs share. The rest is as in `Record`.
    """
    fields = Fields.__new__(Fields)
    fields._spec = spec
    fields._details = details
    fields._operation_id = operation_id
    fields._ids = (0, span)
    fields._origin = fields._failure = fields._stepped = fields.task = None
    fields._inner = 0
    fields._thread = _NO_THREAD
    fields.raw_marks = marks
    fields.start = start
    fields._begun = 0
    fields._took = duration_ns
    fields.sequence = 0
    return fields.sealed()


_NO_THREAD = ThreadName("")


def _rebuild(fields: dict[str, Any]) -> Record:
    return Record(**fields)


Event: TypeAlias = Started | Reached | Record
"""What a sink receives."""
