"""SQLAlchemy 2: an operation for each statement that an engine executes, asyncio's too."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.engine.default import DefaultDialect

from perftrace.integrations.patching import Undo, be_quiet, is_wanted, patch, quiet
from perftrace.integrations.statements import statement_name
from perftrace.tracing.blocks import operation

_BLOCK = "_perftrace_block"


def install() -> Undo:
    """Listen to all engines of the process, those that are made later too."""
    listeners = (
        ("before_cursor_execute", _before),
        ("after_cursor_execute", _after),
        ("handle_error", _on_error),
    )
    for name, listener in listeners:
        event.listen(Engine, name, listener)
    unpatch = patch(DefaultDialect, "connect", _connect)

    def undo() -> None:
        unpatch()
        for name, listener in listeners:
            event.remove(Engine, name, listener)

    return undo


def _connect(wrapped: Any, dialect: object, args: Any, kwargs: Any) -> Any:
    """Let the driver make a connection that it does not trace: its statements are traced here."""
    with quiet():
        return wrapped(*args, **kwargs)


def _before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    """Begin: named by the statement's first word; its text, which holds no values, is an attribute."""
    if context is None or not is_wanted():
        return
    attributes = {"db.system.name": connection.dialect.name, "db.query.text": statement, "db.many": executemany}
    block = operation(statement_name(statement), attributes=attributes)
    block.begin()  # never current: where no second callback comes, nothing is left behind
    # Quiet: the driver below may be traced, too.
    setattr(context, _BLOCK, (block, be_quiet()))


def _after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    _end(context, None)


def _on_error(failure: ExceptionContext) -> None:
    _end(failure.execution_context, failure.original_exception)


def _end(context: Any, error: BaseException | None) -> None:
    """End what `_before` began, if it did: an error may come without a statement."""
    begun = getattr(context, _BLOCK, None)
    if begun is not None:
        delattr(context, _BLOCK)
        block, speak_again = begun
        speak_again()
        block.end(error)
