"""What leaves the core: events and records, immutable plain data."""

import inspect
import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
"""What an attribute's value is once it is on a record."""
Attributes: TypeAlias = Mapping[str, Scalar]
"""Attributes by name; read-only for whoever gets them."""
Outcome: TypeAlias = Literal["ok", "error", "cancelled", "closed", "abandoned"]
"""How an operation ended: `closed` is a coroutine or generator left early, `abandoned` one given up on."""
Mark: TypeAlias = tuple[str, str, int, Attributes]
"""A checkpoint as the engine keeps it: name, description, elapsed nanoseconds, attributes."""

NO_ATTRIBUTES: Attributes = MappingProxyType({})
"""The attributes of whatever has none: shared, so that having none costs nothing."""
TEXT_LIMIT = 4096
"""The most characters that a text on a record keeps."""
MAX_ATTRIBUTES = 1000
"""The most attributes that an operation or a checkpoint keeps."""


class Checkpoint(NamedTuple):
    """A named moment inside an operation."""

    name: str
    description: str
    elapsed_ns: int
    """Since the start of the operation."""
    attributes: Attributes = NO_ATTRIBUTES


class Link(NamedTuple):
    """A pointer to an operation of another trace."""

    trace_id: str
    """32 lower-case hexadecimal digits."""
    span_id: str
    """16 lower-case hexadecimal digits."""


class Started(NamedTuple):
    """The event of an operation's start."""

    operation_id: str
    name: str
    description: str
    key: str | None
    trace_id: str
    span_id: str
    parent_id: str | None
    start: int
    """Unix nanoseconds, UTC."""


class Reached(NamedTuple):
    """The event of a checkpoint."""

    operation_id: str
    name: str
    """The checkpoint's."""
    description: str
    elapsed_ns: int
    """Since the start of the operation."""
    start: int
    """Of the operation: Unix nanoseconds, UTC."""
    attributes: Attributes


class ThreadName:
    """The name of a thread; the object itself stands for the thread, by identity."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Fields:
    """What a record keeps, still writable: the slots that a live operation and its record share.

    One becomes the other by a change of class, which costs a quarter of building the record anew.
    Ids and checkpoints are kept as the engine has them and made into text and tuples when read:
    most records are filtered, summed or dropped before anybody asks.
    """

    __slots__ = (
        "_attributes",
        "_charge",
        "_handle",
        "_held_by",
        "_inner",
        "_is_block",
        "_link",
        "_longest",
        "_operation_id",
        "_running",
        "_slow_ns",
        "_span",
        "_step_start",
        "_thread",
        "_trace",
        "_tracer",
        "description",
        "done",
        "duration_ns",
        "error",
        "error_type",
        "given_id",
        "key",
        "key_name",
        "marks",
        "name",
        "outcome",
        "parent",
        "pid",
        "sequence",
        "slow",
        "start",
        "start_mono",
        "start_seen",
        "steps",
        "task",
    )

    _charge: Any
    _handle: Any
    _held_by: ThreadName | None
    _slow_ns: int | None
    _step_start: int

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
    ) -> None:
        self._tracer: Any = None
        self.name = name
        """As decorated."""
        self._trace = trace
        self._span = span
        self.parent = parent
        """The span of the operation that this one ran in, here or in another process."""
        self.given_id = self._operation_id = given_id
        """The operation id that the caller of the explicit API chose; None where it is made."""
        self.description = description
        self.done = done
        """What to say at the finish in place of the description."""
        self.key = key
        """Whom or what it was done for: a user id, a job number."""
        self.key_name = key_name
        """The key's label, such as `user_id`."""
        self.start = start
        """Unix nanoseconds, UTC."""
        self.start_mono = start_mono
        """Nanoseconds of the monotonic clock, comparable within one process."""
        self.duration_ns = duration_ns
        self.outcome = outcome
        """None only for what runs still, or what a source saw start and never end."""
        self.error_type = error_type
        self.error = error
        """The exception's text."""
        self._attributes: Attributes | None = attributes
        self.slow = slow
        """Took at least as long as its `slow` threshold."""
        self.marks = marks
        """The checkpoints as the engine keeps them."""
        self._is_block = running_ns is None
        self._running = running_ns or 0
        self._inner = inner_ns or 0
        self.steps = steps
        """How often its code was entered: 1 for a function, one more for each suspension of a coroutine."""
        self._longest = longest_step_ns or 0
        self._link = None if link is None else (int(link.trace_id, 16), int(link.span_id, 16))
        self.pid = pid
        self._thread = ThreadName(thread) if thread else _NO_THREAD
        self.task = task
        """The asyncio task that it started in."""
        self.sequence = sequence
        """Counts the finishes of its process from 1 on."""
        self.start_seen = start_seen
        """False where a source did not see the start: what came before the first checkpoint is not known."""

    def sealed(self) -> "Record":
        """Make this a record, by changing its class: it is written no more."""
        self.__class__ = Record
        return self  # type: ignore[return-value]

    def _make_ids(self) -> None:
        """Draw the ids that nobody has asked for yet; a source's unknown ones stay 0."""
        tracer = self._tracer
        if tracer is None:
            return
        # Drawn first: between the question and the setter, no other thread gets a turn.
        trace = tracer.trace_id() if not self._trace else 0
        span = tracer.span_id() if not self._span else 0
        if not self._trace:
            _set_trace(self, trace)
        if not self._span:
            _set_span(self, span)

    @property
    def trace(self) -> int:
        """128 bits, the same for an operation and everything below it; 0 where a source does not know it."""
        if not self._trace:
            self._make_ids()
        return self._trace

    @property
    def span(self) -> int:
        """64 bits, this operation's own; 0 where a source does not know it."""
        if not self._span:
            self._make_ids()
        return self._span

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
    def attributes(self) -> Attributes:
        """By name, plain data."""
        return self._attributes or NO_ATTRIBUTES

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints in the order in which they were reached."""
        return tuple(Checkpoint(*mark) for mark in self.marks)

    @property
    def running_ns(self) -> int | None:
        """How long its own code held the thread, children that ran inside it included; None for a block."""
        return None if self._is_block else self._running

    @property
    def inner_ns(self) -> int | None:
        """The part of `running_ns` that children held."""
        return None if self._is_block else self._inner

    @property
    def longest_step_ns(self) -> int | None:
        """The longest stretch without a suspension; None for a block."""
        return None if self._is_block else self._longest

    @property
    def link(self) -> Link | None:
        """The operation that created this detached one."""
        return None if self._link is None else Link(f"{self._link[0]:032x}", f"{self._link[1]:016x}")

    @property
    def thread(self) -> str:
        """The name of the thread that it started in."""
        return self._thread.name


_NO_THREAD = ThreadName("")
# Setters that pass a record's immutability: what they set was decided, only not worked out yet.
_set_trace, _set_span, _set_operation_id = (
    Fields.__dict__[name].__set__ for name in ("_trace", "_span", "_operation_id")
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
        if hasattr(self, "start_seen"):  # what the constructor sets last
            raise AttributeError(f"a record is immutable: replace({name}=...) gives a changed copy")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a record is immutable")

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == other.as_dict() if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.trace, self.span, self.sequence))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.as_dict(),)

    def __repr__(self) -> str:
        return f"Record({self.operation_id!r}, {self.duration_ns / 1e6:.3f}ms, {self.outcome})"


def _rebuild(fields: dict[str, Any]) -> Record:
    return Record(**fields)


Event: TypeAlias = Started | Reached | Record
"""What a sink receives."""

_ENCODED = {ord(c): f"%{ord(c):02X}" for c in "%|"} | {
    # Blanks and controls by code; what lies beyond ASCII is written as its UTF-8 bytes, as in a URL.
    code: "".join(f"%{byte:02X}" for byte in chr(code).encode("utf-8"))
    for code in (
        *range(0x21),
        *range(0x7F, 0xA1),
        0x1680,
        *range(0x2000, 0x2010),
        *range(0x2028, 0x2030),
        0x205F,
        *range(0x2066, 0x206A),
        0x3000,
        0xFEFF,
    )
}


def encode_name(name: str) -> str:
    """Percent-encode blanks, `|`, `%` and controls, so that a name can stand in an id; all else stays."""
    return name if name.isidentifier() else name.translate(_ENCODED)


def make_operation_id(name: str, key: str | None, span: int) -> str:
    """Join what log lines show of an operation: `name_key_span`, or `name_span` without a key."""
    middle = "" if key is None else f"_{encode_name(key)}"
    return f"{encode_name(name)}{middle}_{span:016x}"


def clip(text: str) -> str:
    """Cut a text down to `TEXT_LIMIT` characters and say how many were cut."""
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…[+{len(text) - TEXT_LIMIT}]"


def plain(value: object) -> str:
    """Turn anything into an exact `str`, clipped; a broken `__str__` becomes a note of its type."""
    if type(value) is str and len(value) <= TEXT_LIMIT:
        return value
    try:
        text = str(value)
        return clip(text if type(text) is str else str.__str__(text))
    except Exception as error:
        return f"<unprintable {type(value).__name__}: {type(error).__name__}>"


def scalar(value: object) -> Scalar:
    """Turn an attribute's value into plain data: numbers, truth and None stay, all else is text."""
    if value is None or type(value) is bool or type(value) is float:
        return value
    if type(value) is int:
        # Beyond 64 bits no reader agrees on a number, and str() refuses after 4300 digits.
        return value if -(2**63) <= value < 2**63 else f"<int of {value.bit_length()} bits>"
    return plain(value)


def attributes_of(values: Mapping[str, object]) -> dict[str, Scalar]:
    """Copy attributes as plain data; of more than `MAX_ATTRIBUTES` the first, and a mark that there were more."""
    if len(values) > MAX_ATTRIBUTES:
        values = {**dict(itertools.islice(values.items(), MAX_ATTRIBUTES - 1)), "…": "more were left out"}
    return {plain(name): scalar(value) for name, value in values.items()}
