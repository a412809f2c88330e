"""taskiq: an operation for each task that a worker runs, in its sender's trace, its time in the broker first."""

from collections.abc import MutableMapping
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

import taskiq

from perftrace.integrations.guard import guarded
from perftrace.integrations.patching import Undo, is_wanted, no_operation, patch
from perftrace.tracing.blocks import operation
from perftrace.tracing.configuration import tracer
from perftrace.tracing.propagation import HEADER, extract, inject

SENT_AT = "perftrace_sent_at"
"""The label with the moment at which a message was sent: nanoseconds of the sender's clock since 1970."""

_running: ContextVar[tuple[tuple[str, ExitStack], ...]] = ContextVar("perftrace_taskiq", default=())
"""The tasks that run here, each with its id; a broker may run one in place, inside of another."""


class PerftraceMiddleware(taskiq.TaskiqMiddleware):
    """Traces the tasks of a broker, at both ends: `broker.add_middlewares(PerftraceMiddleware())`.

    An operation is named by its task; its first segment, `queue`, is the time since the message was sent, which counts
    a wished delay too. Where the sender's clock is ahead of this one it is 0, and `taskiq.clock_ahead` says so. The
    arguments of a task are kept nowhere.
    """

    is_on = True

    def pre_send(self, message: taskiq.TaskiqMessage) -> taskiq.TaskiqMessage:
        """Put the current operation and the moment on a message."""
        if self.is_on and is_wanted():
            guarded("taskiq: labels", lambda: _label(message.labels), None)
        return message

    def pre_execute(self, message: taskiq.TaskiqMessage) -> taskiq.TaskiqMessage:
        """Begin the operation."""
        if not self.is_on or not is_wanted():
            return message
        attributes: dict[str, object] = {"taskiq.task_id": message.task_id}
        waited = guarded("taskiq: labels", lambda: _waited(message.labels.get(SENT_AT)), 0.0)
        if waited < 0:
            attributes["taskiq.clock_ahead"] = True
        parent = guarded("taskiq: traceparent", lambda: extract({HEADER: message.labels.get(HEADER)}), None)
        block = operation(message.task_name, parent=parent, attributes=attributes, queued=max(0.0, waited))
        stack = ExitStack()
        stack.enter_context(no_operation())  # what happens to be current in a worker has not sent the task
        stack.enter_context(block)
        _running.set((*_running.get(), (message.task_id, stack)))
        return message

    def on_error(
        self, message: taskiq.TaskiqMessage, result: taskiq.TaskiqResult[Any], exception: BaseException
    ) -> None:
        """End it as failed; `NoResultError` is no failure."""
        self._end(message, None if isinstance(exception, taskiq.NoResultError) else exception)

    def post_execute(self, message: taskiq.TaskiqMessage, result: taskiq.TaskiqResult[Any]) -> None:
        """End it."""
        self._end(message, None)

    @staticmethod
    def _end(message: taskiq.TaskiqMessage, error: BaseException | None) -> None:
        running = _running.get()
        if running and running[-1][0] == message.task_id:  # else it has ended, as failed
            _running.set(running[:-1])
            running[-1][1].__exit__(None if error is None else type(error), error, None)


def _label(labels: MutableMapping[str, Any]) -> None:
    inject(labels)
    labels[SENT_AT] = str(tracer.clock.wall_ns())


def _waited(sent_at: object) -> float:
    """Return the seconds since a message was sent; 0 where that is not known, negative where clocks disagree."""
    if isinstance(sent_at, str) and sent_at.isdecimal() and len(sent_at) < 20:
        return (tracer.clock.wall_ns() - int(sent_at)) / 1e9
    return 0.0


def install() -> Undo:
    """Trace every broker that is made from now on."""
    middleware = PerftraceMiddleware()

    def broker_made(wrapped: Any, broker: taskiq.AsyncBroker, args: Any, kwargs: Any) -> None:
        wrapped(*args, **kwargs)
        if not any(isinstance(one, PerftraceMiddleware) for one in broker.middlewares):
            broker.add_middlewares(middleware)

    undo_patch = patch(taskiq.AsyncBroker, "__init__", broker_made)

    def undo() -> None:
        middleware.is_on = False
        undo_patch()

    return undo
