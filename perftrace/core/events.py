"""The events of a start and of a checkpoint, and what they hold: immutable plain data."""

from typing import NamedTuple

from perftrace.core.values import NO_ATTRIBUTES, Attributes


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
