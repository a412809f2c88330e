"""The events of a start and of a checkpoint, and what they hold: immutable plain data."""

from typing import NamedTuple

from perftrace.core.values import NO_ATTRIBUTES, Attributes

INFO = 20
"""The usual logging level of a line, as `logging.INFO`; failed and slow operations are told at WARNING."""


class Checkpoint(NamedTuple):
    """A named moment inside an operation."""

    name: str
    """Of the moment; the segment before it has this name, too."""
    description: str
    """A text for people; empty where none was given."""
    elapsed_ns: int
    """Since the start of the operation."""
    attributes: Attributes = NO_ATTRIBUTES
    """By name, plain data."""


class Link(NamedTuple):
    """A pointer to an operation of another trace."""

    trace_id: str
    """32 lower-case hexadecimal digits."""
    span_id: str
    """16 lower-case hexadecimal digits."""


class Started(NamedTuple):
    """The event of an operation's start."""

    operation_id: str
    """As in log lines."""
    name: str
    """Of the operation."""
    description: str
    """What it does, made for this run."""
    key: str | None
    """Whom or what it is done for; None where nothing was named."""
    trace_id: str
    """32 lower-case hexadecimal digits."""
    span_id: str
    """16 lower-case hexadecimal digits."""
    parent_id: str | None
    """The span id of the operation that this one ran in; None for the root of a trace."""
    start: int
    """Unix nanoseconds, UTC."""
    level: int = INFO
    """The logging level of its line."""


class Reached(NamedTuple):
    """The event of a checkpoint."""

    operation_id: str
    """Of the operation, as in log lines."""
    name: str
    """The checkpoint's."""
    description: str
    """The checkpoint's; empty where none was given."""
    elapsed_ns: int
    """Since the start of the operation."""
    start: int
    """Of the operation: Unix nanoseconds, UTC."""
    attributes: Attributes
    """The checkpoint's, by name, plain data."""
    level: int = INFO
    """The logging level of its line."""
