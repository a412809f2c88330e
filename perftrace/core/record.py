"""What leaves the core: events and records, immutable plain data."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

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


class Record(NamedTuple):
    """A finished operation with its checkpoints: the event of a finish, and all that is kept of it.

    Ids and checkpoints are stored as the engine has them (`trace`, `span`, `parent`, `marks`) and
    made into text and tuples when read (`trace_id`, `span_id`, `parent_id`, `checkpoints`):
    most records are filtered, summed or dropped before anybody asks.
    """

    name: str
    trace: int = 0
    """128 bits; 0 where a source does not know it."""
    span: int = 0
    """64 bits; 0 where a source does not know it."""
    parent: int | None = None
    """The span of the operation that this one ran in, here or in another process."""
    given_id: str | None = None
    """The operation id that the caller of the explicit API chose; None where it is made of name, key and span."""
    description: str = ""
    done: str | None = None
    """What to say at the finish in place of the description."""
    key: str | None = None
    """Whom or what it was done for: a user id, a job number."""
    key_name: str | None = None
    """The key's label, such as `user_id`."""
    start: int = 0
    """Unix nanoseconds, UTC."""
    start_mono: int = 0
    """Nanoseconds of the monotonic clock, comparable within one process."""
    duration_ns: int = 0
    outcome: Outcome | None = "ok"
    """None only for what a source saw start and never end."""
    error_type: str | None = None
    error: str | None = None
    """The exception's text."""
    attributes: Attributes = NO_ATTRIBUTES
    slow: bool = False
    """Took at least as long as its `slow` threshold."""
    marks: Sequence[Mark] = ()
    running_ns: int | None = None
    """How long its own code held the thread, children that ran inside it included; None for a block."""
    inner_ns: int | None = None
    """The part of `running_ns` that children held."""
    steps: int = 0
    """How often its code was entered: 1 for a function, one more for each suspension of a coroutine."""
    longest_step_ns: int | None = None
    link: Link | None = None
    pid: int = 0
    thread: str = ""
    task: str | None = None
    """The asyncio task that it started in."""
    sequence: int = 0
    """Counts the finishes of its process from 1 on."""
    start_seen: bool = True
    """False where a source did not see the start: what came before the first checkpoint is not known."""

    @property
    def trace_id(self) -> str:
        """32 lower-case hexadecimal digits, the same for an operation and everything below it; empty if unknown."""
        return f"{self.trace:032x}" if self.trace else ""

    @property
    def span_id(self) -> str:
        """16 lower-case hexadecimal digits, this operation's own; empty if unknown."""
        return f"{self.span:016x}" if self.span else ""

    @property
    def parent_id(self) -> str | None:
        """The span id of the operation that this one ran in; None for the root of a trace."""
        return None if self.parent is None else f"{self.parent:016x}"

    @property
    def operation_id(self) -> str:
        """The id that log lines show: the caller's own, or name, key and span id joined."""
        return self.given_id or make_operation_id(self.name, self.key, self.span)

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints in the order in which they were reached."""
        return tuple(Checkpoint(*mark) for mark in self.marks)


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
    return name.translate(_ENCODED)


def make_operation_id(name: str, key: str | None, span: int) -> str:
    """Join what log lines show of an operation: `name_key_span`, or `name_span` without a key."""
    middle = "" if key is None else f"_{encode_name(key)}"
    return f"{encode_name(name)}{middle}_{span:016x}"


def clip(text: str) -> str:
    """Cut a text down to `TEXT_LIMIT` characters and say how many were cut."""
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…[+{len(text) - TEXT_LIMIT}]"


def plain(value: object) -> str:
    """Turn anything into an exact `str`, clipped; a broken `__str__` becomes a note of its type."""
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
    """Copy attributes as plain data."""
    return {plain(name): scalar(value) for name, value in values.items()}
