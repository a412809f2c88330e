"""logging: operation and trace id on the application's own lines."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from perftrace.integrations.patching import Undo, all_of, patch
from perftrace.tracing.configuration import tracer

FIELDS = ("operation", "operation_id", "trace_id", "span_id")
"""What a log record gets: `%(trace_id)s` in a format; empty where no operation is current."""


class OperationFilter(logging.Filter):
    """Lets every record pass and adds `FIELDS` to it: for one handler, `handler.addFilter(OperationFilter())`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the current operation to a record; what is there stays."""
        for name, text in current_fields().items():
            record.__dict__.setdefault(name, text)
        return True


def current_fields() -> dict[str, str]:
    """Return the ids of the current operation; empty texts where there is none."""
    handle = tracer.current_operation()
    if handle is None:
        return dict.fromkeys(FIELDS, "")
    return dict(zip(FIELDS, (handle.name, handle.operation_id, handle.trace_id, handle.span_id), strict=True))


def install() -> Undo:
    """Add the fields to each record that any logger makes, through the record factory.

    `Logger.makeRecord` refuses an `extra` with a name that the record has already: that of the application wins.
    """
    former = logging.getLogRecordFactory()
    is_on = True

    def factory(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = former(*arguments, **options)
        if is_on:
            record.__dict__.update(current_fields())
        return record

    def undo() -> None:
        nonlocal is_on
        is_on = False
        if logging.getLogRecordFactory() is factory:
            logging.setLogRecordFactory(former)

    logging.setLogRecordFactory(factory)
    return all_of(undo, patch(logging.Logger, "makeRecord", _make_record))


def _make_record(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    bound = _MAKE_RECORD.bind_partial(instance, *args, **kwargs)
    extra = bound.arguments.get("extra")
    if not isinstance(extra, Mapping) or extra.keys().isdisjoint(FIELDS):
        return wrapped(*args, **kwargs)
    bound.arguments["extra"] = {name: value for name, value in extra.items() if name not in FIELDS}
    record = wrapped(*bound.args[1:], **bound.kwargs)
    record.__dict__.update((name, extra[name]) for name in FIELDS if name in extra)
    return record


_MAKE_RECORD = inspect.signature(logging.Logger.makeRecord)
