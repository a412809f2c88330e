"""SQLAlchemy 2: an operation for each statement that an engine executes, asyncio's too."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

from perftrace.integrations.patching import Undo, is_wanted
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

    def undo() -> None:
        for name, listener in listeners:
            event.remove(Engine, name, listener)

    return undo


def _before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    """Begin: named by the statement's first word; its text, which holds no values, is an attribute."""
    if context is None or not is_wanted():
        return
    words = statement.split(None, 1)
    attributes = {"db.system.name": connection.dialect.name, "db.query.text": statement, "db.many": executemany}
    block = operation(f"sql {words[0].upper() if words else '?'}", attributes=attributes)
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
