"""The standard library's sqlite3: an operation for each statement of connections that are made from now on."""

import functools
import sqlite3
import sqlite3.dbapi2
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

import wrapt

from perftrace.integrations.client_calls import client_call
from perftrace.integrations.guard import guarded
from perftrace.integrations.patching import Undo, all_of, is_quiet, is_wanted, patch, quiet
from perftrace.integrations.statements import statement_name


def install() -> Undo:
    """Patch `sqlite3.connect`: it makes connections, of subclasses too, whose statements and commits are traced.

    An operation such as `sql SELECT` takes until SQLite has the first row; further rows are found as they are fetched.
    Below aiosqlite, which runs statements in a thread of its own, they belong to the operation that awaits them.
    """
    global _is_on  # noqa: PLW0603  # the connections that were made look at it
    _is_on = True
    wrapt.register_post_import_hook(_carry_into_threads, "aiosqlite")
    return all_of(patch(sqlite3, "connect", _connect), patch(sqlite3.dbapi2, "connect", _connect), _stop)


_has_hook: set[int] = set()
"""Modules of aiosqlite that carry contexts."""


def _carry_into_threads(aiosqlite: Any) -> None:
    """Let each statement run in a copy of the context that awaits it."""
    if id(aiosqlite) in _has_hook:
        return
    _has_hook.add(id(aiosqlite))

    def execute(wrapped: Any, connection: Any, args: Any, kwargs: Any) -> Any:
        if not (_is_on and args and callable(args[0])):
            return wrapped(*args, **kwargs)
        return wrapped(partial(copy_context().run, args[0]), *args[1:], **kwargs)

    guarded("aiosqlite", lambda: patch(aiosqlite.Connection, "_execute", execute), None)


_is_on = False
"""Whether the connections that were made still trace."""


def _stop() -> None:
    global _is_on  # noqa: PLW0603
    _is_on = False


def _connect(wrapped: Callable[..., Any], module: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    factory = kwargs.get("factory", sqlite3.Connection)
    # A factory that is given by its place, or a function: theirs to decide.
    if is_quiet() or len(args) > 5 or not isinstance(factory, type):
        return wrapped(*args, **kwargs)
    return wrapped(*args, **{**kwargs, "factory": _traced_connection(factory)})


def _statement(method: str) -> Callable[..., Any]:
    """Make the method of a traced class that runs a statement."""

    def run(self: Any, sql: Any, *args: Any, **kwargs: Any) -> Any:
        untraced = getattr(super(self.traced_class, self), method)
        if not _is_on or not is_wanted() or not isinstance(sql, str):
            return untraced(sql, *args, **kwargs)
        attributes = {"db.system.name": "sqlite", "db.query.text": sql, "db.many": method != "execute"}
        # Quiet: a subclass may run it by another traced method.
        with client_call(statement_name(sql), attributes), quiet():
            return untraced(sql, *args, **kwargs)

    run.__name__ = method
    return run


def _ending(method: str) -> Callable[..., Any]:
    """Make the method of a traced class that ends a transaction; without one it does nothing, and is none."""

    def end(self: Any) -> Any:
        untraced = getattr(super(self.traced_class, self), method)
        if not _is_on or not is_wanted() or not self.in_transaction:
            return untraced()
        with client_call(f"sql {method.upper()}", {"db.system.name": "sqlite"}), quiet():
            return untraced()

    end.__name__ = method
    return end


@functools.cache
def _traced_cursor(base: type[Any]) -> Any:
    if hasattr(base, "traced_class"):
        return base
    body = {name: _statement(name) for name in ("execute", "executemany", "executescript")}
    traced: Any = type(base.__name__, (base,), {**body, "__module__": base.__module__})
    traced.traced_class = traced
    return traced


@functools.cache
def _traced_connection(base: type[Any]) -> Any:
    if hasattr(base, "traced_class"):
        return base

    def cursor(self: Any, factory: Any = sqlite3.Cursor) -> Any:
        return super(traced, self).cursor(_traced_cursor(factory) if isinstance(factory, type) else factory)

    def leave(self: Any, kind: Any, error: Any, traceback: Any) -> Any:
        """As sqlite3's own: its end calls the C functions and not the methods here."""
        if kind is None:
            try:
                self.commit()
            except BaseException:
                self.rollback()
                raise
        else:
            self.rollback()
        return False

    body = {name: _statement(name) for name in ("execute", "executemany", "executescript")}
    ends = {name: _ending(name) for name in ("commit", "rollback")}
    traced: Any = type(base.__name__, (base,), {**body, **ends, "cursor": cursor, "__module__": base.__module__})
    if base.__exit__ is sqlite3.Connection.__exit__:
        traced.__exit__ = leave
    traced.traced_class = traced
    return traced
