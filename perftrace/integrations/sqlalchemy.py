"""SQLAlchemy 2: an operation for each statement, each new connection, each wait for the pool; asyncio's too."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import queue

from perftrace.integrations.client_calls import client_call
from perftrace.integrations.guard import guarded
from perftrace.integrations.patching import Undo, all_of, is_wanted, patch, quiet
from perftrace.integrations.statements import statement_name
from perftrace.tracing.configuration import tracer

_BLOCK = "_perftrace_block"
_EXECUTING = ("do_execute", "do_executemany", "do_execute_no_params")
"""The methods of dialects that call the driver."""


def install() -> Undo:
    """Listen to all engines of the process, those that are made later too."""
    listeners = (
        ("before_cursor_execute", _before),
        ("after_cursor_execute", _after),
        ("handle_error", _on_error),
    )
    for name, listener in listeners:
        event.listen(Engine, name, listener)
    unpatch = all_of(
        patch(DefaultDialect, "connect", _connect),
        *(patch(DefaultDialect, name, _execute) for name in _EXECUTING),
        *(patch(kind, "get", _wait) for kind in (queue.Queue, queue.AsyncAdaptedQueue)),
    )

    def undo() -> None:
        unpatch()
        for name, listener in listeners:
            event.remove(Engine, name, listener)

    return undo


def _connect(wrapped: Any, dialect: Any, args: Any, kwargs: Any) -> Any:
    """Let the driver make a connection that it does not trace: its statements are traced here."""
    if not _is_waited_for():
        with quiet():
            return wrapped(*args, **kwargs)
    system = guarded("sqlalchemy: dialect", lambda: str(dialect.name), "")
    with client_call("sql connect", {"db.system.name": system}), quiet():
        return wrapped(*args, **kwargs)


def _execute(wrapped: Any, dialect: object, args: Any, kwargs: Any) -> Any:
    """Let a driver that is traced, too, execute what is traced here: a connection that the user made."""
    with quiet():
        return wrapped(*args, **kwargs)


def _is_waited_for() -> bool:
    """Report whether an operation waits for a connection: one that a program makes at its start keeps nobody."""
    return is_wanted() and tracer.current_operation() is not None


def _wait(wrapped: Any, connections: Any, args: Any, kwargs: Any) -> Any:
    """Take a connection out of a pool's queue; only where there is none, and more are not allowed, it is waited for."""
    block = args[0] if args else kwargs.get("block", True)
    if not block or not _is_waited_for() or not guarded("sqlalchemy: pool", connections.empty, False):
        return wrapped(*args, **kwargs)
    with client_call("sql pool", {}):
        return wrapped(*args, **kwargs)


def _before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    """Begin: named by the statement's first word; its text, which holds no values, is an attribute."""
    if context is None or not is_wanted():
        return
    attributes = {
        "db.system.name": guarded("sqlalchemy: dialect", lambda: connection.dialect.name, ""),
        "db.query.text": statement,
        "db.many": executemany,
    }
    block = client_call(statement_name(statement), attributes)
    block.begin()  # never current: where no second callback comes, nothing is left behind
    setattr(context, _BLOCK, block)


def _after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    _end(context, None)


def _on_error(failure: ExceptionContext) -> None:
    _end(failure.execution_context, failure.original_exception)


def _end(context: Any, error: BaseException | None) -> None:
    """End what `_before` began, if it did: an error may come without a statement."""
    block = getattr(context, _BLOCK, None)
    if block is not None:
        delattr(context, _BLOCK)
        block.end(error)
