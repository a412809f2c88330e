"""Puts wrappers around other packages' functions, and takes them away again."""

from collections.abc import Callable
from typing import Any

import wrapt

Undo = Callable[[], None]
"""Takes away what was installed."""


def patch(owner: Any, name: str, wrapper: Callable[..., Any]) -> Undo:
    """Wrap a function of a class or module; `wrapper` is called as wrapt has it: wrapped, instance, args, kwargs.

    Undone, the original is back in its place; where somebody else has wrapped it meanwhile, ours does nothing any more.
    """
    is_on = True
    original = owner.__dict__[name]
    ours = wrapt.FunctionWrapper(original, wrapper, enabled=lambda: is_on)
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
