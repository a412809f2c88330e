"""logging: operation and trace id on the application's own lines."""

import logging
from typing import Any

from perftrace.integrations.patching import Undo
from perftrace.tracing.configuration import tracer

FIELDS = ("operation", "operation_id", "trace_id", "span_id")
"""What a log record gets: `%(trace_id)s` in a format; empty where no operation is current."""


class OperationFilter(logging.Filter):
    """Lets every record pass and adds `FIELDS` to it: for one handler, `handler.addFilter(OperationFilter())`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the current operation to a record, unless it has one."""
        if not hasattr(record, FIELDS[0]):
            record.__dict__.update(current_fields())
        return True


def current_fields() -> dict[str, str]:
    """Return the ids of the current operation; empty texts where there is none."""
    handle = tracer.current_operation()
    if handle is None:
        return dict.fromkeys(FIELDS, "")
    return dict(zip(FIELDS, (handle.name, handle.operation_id, handle.trace_id, handle.span_id), strict=True))


def install() -> Undo:
    """Add the fields to each record that any logger makes, through the record factory."""
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
    return undo
