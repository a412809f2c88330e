"""structlog: operation and trace id on the application's own events."""

from collections.abc import MutableMapping
from typing import Any

from perftrace.integrations.guard import guarded
from perftrace.integrations.logging import current_fields


def add_operation(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the current operation to an event: `structlog.configure(processors=[add_operation, ...])`.

    What the event has already stays; where no operation is current, nothing is added. Behind a processor that made a
    text of the event nothing can be: that is told once, and the event passes as it is.
    """
    guarded("structlog: event", lambda: _add(event), None)
    return event


def _add(event: MutableMapping[str, Any]) -> None:
    for name, value in current_fields().items():
        if value:
            event.setdefault(name, value)
