"""`operation`: makes an operation of a `with` or `async with` block, or of what lies between two callbacks."""

from collections.abc import Callable, Mapping

from perftrace.core.block import Block, DisabledBlock
from perftrace.core.events import Link
from perftrace.core.record import Operation, run_of
from perftrace.core.run import CallDetails, OperationSpec, Run
from perftrace.core.tracer import RemoteParent, Tracer
from perftrace.core.values import plain
from perftrace.tracing.configuration import tracer
from perftrace.tracing.options import fixed_attributes, is_true, operation_name, queued_ns, slow_ns

_silent = Tracer()
"""Whom blocks report to that are not enabled."""


def operation(
    name: str,
    *,
    key: object = None,
    description: str = "",
    done: str | None = None,
    attributes: Mapping[str, object] | None = None,
    slow: float | None = None,
    detached: bool = False,
    enabled: bool | Callable[[], object] = True,
    parent: Operation | Link | None = None,
    queued: float | None = None,
) -> Block:
    """Make an operation of a `with` or `async with` block, which gets its handle.

    As `timed`, but the texts and the key stand for themselves: there are no parameters to read.

    attributes: what it is to be kept with, by name.
    parent: the operation that it belongs to, in place of the current one: a handle, or what `extract`
        read from another process; None means the current one, if any.
    queued: seconds that it waited in a queue before: they are part of its duration, up to a checkpoint `queue`. Inside
        of an operation that is current they are no part of it, but its attribute `queue_s`.
    """
    texts = plain(description), None if done is None else plain(done)
    is_asked = is_true(enabled) if callable(enabled) else bool(enabled)
    whose = tracer if is_asked else _silent
    key_name = None if key is None else "key"
    spec = OperationSpec(operation_name(name), key_name, slow_ns(slow), bool(detached), is_block=True, tracer=whose)
    kept = fixed_attributes(attributes)
    details = CallDetails(None if key is None else plain(key), *texts, kept)
    if not is_asked:
        return DisabledBlock(spec, details)
    past = () if queued is None else (("queue", queued_ns(queued)),)
    return Block(spec, details, _parent(parent), past)


def _parent(parent: object) -> Run | RemoteParent | None:
    if parent is None:
        return None
    if isinstance(parent, Operation):
        return run_of(parent)
    if isinstance(parent, Link):
        return RemoteParent(int(parent.trace_id, 16), int(parent.span_id, 16))
    raise TypeError(f"operation: parent must be a handle or what extract() gave, not {type(parent).__name__}")
