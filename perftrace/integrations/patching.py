"""Puts wrappers around other packages' functions, and takes them away again; what integrations share."""

import pkgutil
from asyncio import current_task
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

import wrapt

from perftrace.core.run import Run
from perftrace.core.tracer import get_current, reset_current, set_current
from perftrace.tracing.configuration import tracer

if TYPE_CHECKING:
    _FunctionWrapper: TypeAlias = wrapt.FunctionWrapper[..., Any]
else:
    _FunctionWrapper = wrapt.FunctionWrapper
Undo = Callable[[], None]
"""Takes away what was installed."""
_quiet: ContextVar[bool] = ContextVar("perftrace_quiet", default=False)


class _Patched(_FunctionWrapper):
    """A function with a wrapper around it; pickled and copied by its name, as the original."""

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return pkgutil.resolve_name, (f"{self.__module__}:{self.__qualname__}",)

    def __copy__(self) -> "_Patched":
        return self

    def __deepcopy__(self, memo: object) -> "_Patched":
        return self


def patch(owner: Any, name: str, wrapper: Callable[..., Any]) -> Undo:
    """Wrap a function of a class or module; `wrapper` is called as wrapt has it: wrapped, instance, args, kwargs.

    Undone, the original is back in its place; where somebody else has wrapped it meanwhile, ours does nothing any more.
    """
    is_on = True
    original = owner.__dict__[name]
    ours = _Patched(original, wrapper, enabled=lambda: is_on)
    setattr(owner, name, ours)

    def undo() -> None:
        nonlocal is_on
        is_on = False
        if owner.__dict__.get(name) is ours:
            setattr(owner, name, original)

    return undo


def all_of(*undos: Undo) -> Undo:
    """Make one of several."""

    def undo() -> None:
        for one in undos:
            one()

    return undo


def is_wanted() -> bool:
    """Report whether anybody wants an operation here and now."""
    return tracer.live and not _quiet.get()


def is_quiet() -> bool:
    """Report whether what happens here is traced by another integration, or is no work."""
    return _quiet.get()


@contextmanager
def quiet() -> Iterator[None]:
    """Make no operations of the requests in a block: long polling is no work."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def is_called_by_current() -> bool:
    """Report whether the operation that is current waits for what runs here.

    Servers and dispatchers make tasks of their own for what comes from outside; they inherit what was current where
    the server was started, which does not wait for any of them.
    """
    run = get_current()
    if not isinstance(run, Run) or run.duration_ns is not None:
        return False
    try:
        task = current_task()
    except RuntimeError:  # no event loop
        task = None
    return run.task == (None if task is None else task.get_name())


@contextmanager
def no_operation() -> Iterator[None]:
    """Let no operation be current in a block: what comes from outside asks nobody who happens to be."""
    with within(None):
        yield


@contextmanager
def within(run: Run | None) -> Iterator[None]:
    """Let an operation be current in a block, even one that has ended: what begins there belongs to it."""
    token = set_current(run)
    try:
        yield
    finally:
        with suppress(ValueError):  # left in another context
            reset_current(token)
