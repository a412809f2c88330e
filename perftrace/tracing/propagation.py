"""Carries the current operation where context variables do not: threads, callbacks, other processes."""

import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from perftrace.core.events import Link
from perftrace.core.tracer import current
from perftrace.tracing.configuration import tracer

F = TypeVar("F", bound=Callable[..., Any])

HEADER = "traceparent"
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


def bind(func: F) -> F:
    """Carry the operation that is current now into each later call of a function.

    For executors, threads and callbacks, which have no current operation of their own:
    `loop.run_in_executor(None, bind(work))`. Takes functions and coroutine functions.
    """
    operation = current.get()

    @functools.wraps(func)
    def bound(*args: Any, **kwargs: Any) -> Any:
        token = current.set(operation)
        try:
            return func(*args, **kwargs)
        finally:
            current.reset(token)

    @functools.wraps(func)
    async def bound_coroutine(*args: Any, **kwargs: Any) -> Any:
        token = current.set(operation)
        try:
            return await func(*args, **kwargs)
        finally:
            with contextlib.suppress(ValueError):  # closed in another context: what is current there is not ours
                current.reset(token)

    return bound_coroutine if inspect.iscoroutinefunction(func) else bound  # type: ignore[return-value]


H = TypeVar("H", bound=MutableMapping[str, str])


def inject(headers: H) -> H:
    """Add the current operation to outgoing headers as W3C `traceparent`, and give them back.

    Where there is none they stay as they are. Raises TypeError where they cannot be changed. Source: W3C Trace Context,
    section 3.2.
    """
    operation = tracer.current_operation()
    if operation is not None:
        try:
            headers[HEADER] = f"00-{operation.trace_id}-{operation.span_id}-01"
        except TypeError:
            kind = type(headers).__name__
            raise TypeError(f"inject: headers of type {kind} cannot be changed: pass inject(dict(headers))") from None
    return headers


def extract(headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None) -> Link | None:
    """Read the operation that incoming headers name, for `operation(..., parent=extract(headers))`.

    headers: a mapping, or pairs of name and value as in ASGI's scope; text or bytes.

    None where there is no valid `traceparent`: strictly as W3C Trace Context 3.2 has it, with versions
    to come read as far as they are known. Names of headers match in any case.
    """
    found = [value for name, value in _pairs(headers) if name.lower() == HEADER]
    if len(found) != 1:
        return None
    match = _TRACEPARENT.fullmatch(found[0])
    if match is None:
        return None
    version, trace_id, span_id, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if trace_id == "0" * 32 or span_id == "0" * 16:
        return None
    return Link(trace_id, span_id)


def _pairs(headers: Any) -> Iterator[tuple[str, str]]:
    """Return names and values as text; what is neither text nor bytes is left out."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    for pair in pairs if isinstance(pairs, Iterable) else ():
        if isinstance(pair, tuple | list) and len(pair) == 2:
            name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
            if isinstance(name, str) and isinstance(value, str):
                yield name, value
