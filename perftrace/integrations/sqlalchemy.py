"""SQLAlchemy 2: an operation for each statement that an engine executes, asyncio's too."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext

from perftrace.integrations.patching import Span, Undo, is_wanted

_SPAN = "_perftrace_span"


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
    setattr(context, _SPAN, Span(f"sql {words[0].upper() if words else '?'}", attributes))


def _after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    _end(context, None)


def _on_error(failure: ExceptionContext) -> None:
    _end(failure.execution_context, failure.original_exception)


def _end(context: Any, error: BaseException | None) -> None:
    """End what `_before` began, if it did: an error may come without a statement."""
    span = getattr(context, _SPAN, None)
    if span is not None:
        delattr(context, _SPAN)
        span.end(error)
