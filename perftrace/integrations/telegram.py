"""python-telegram-bot 22: an operation for each handler of an update, its time in the queue; one for each API call."""

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import telegram
from telegram.ext import Application, ApplicationHandlerStop, BaseHandler, ConversationHandler, Job
from telegram.request import BaseRequest

from perftrace.core.record import Operation, run_of
from perftrace.core.run import Run
from perftrace.core.values import plain
from perftrace.integrations import job_origins
from perftrace.integrations.client_calls import api_call
from perftrace.integrations.guard import guarded
from perftrace.integrations.handler_names import HandlerNames
from perftrace.integrations.patching import Undo, all_of, is_wanted, no_operation, patch, quiet, within
from perftrace.integrations.telegram_updates import Delivery, UpdateLog, update_block
from perftrace.tracing.blocks import operation
from perftrace.tracing.configuration import tracer

AnyApplication = Application[Any, Any, Any, Any, Any, Any]
_job: ContextVar[tuple[Any, Operation] | None] = ContextVar("perftrace_telegram_job", default=None)
"""The job that runs, and its operation."""


class _UpdateAtWork(NamedTuple):
    """An update that is at work."""

    delivery: Delivery
    failed: list[tuple[Exception, Run]]
    """What its handlers raised, until the application's handlers of errors have it."""


_work: ContextVar[_UpdateAtWork | None] = ContextVar("perftrace_telegram_update", default=None)
"""The update whose handlers run."""
_is_polling: ContextVar[bool] = ContextVar("perftrace_is_polling", default=False)


class TelegramTracing:
    """Traces the handlers of applications, and the API calls of bots.

    An operation is named by its handler's callback; its key is the user's id. It begins when the update was received
    and read, by polling or webhook; the segment `queue` lasts until the application takes it, `dispatch` until the
    handler runs: filters, and handlers of earlier groups. It is a trace of its own, linked to what the application was
    started in. Attributes are those of aiogram's integration. In a `ConversationHandler` the handler of its state is
    the operation: waiting for the user's answer is no work. A job of the `JobQueue` is an operation of its own, named
    by its callback, in a trace of its own that is linked to the handler that scheduled it. API calls are operations
    such as `telegram.sendMessage`; long polling is none.

    application: whose handlers are traced; None means all of the process. API calls are traced of all.
    late_after: seconds after which an update that came by webhook is `telegram.late`.
    """

    def __init__(self, application: AnyApplication | None = None, *, late_after: float = 60.0) -> None:
        self._application = application
        self._late_after = late_after
        self._receipts = UpdateLog()
        self._names: WeakKeyDictionary[object, HandlerNames] = WeakKeyDictionary()
        """By application."""

    def install(self) -> Undo:
        """Patch python-telegram-bot; return what takes that away again."""
        return all_of(
            _watch_jobs(),
            patch(telegram.Update, "de_json", self._on_receipt),
            patch(telegram.Bot, "get_updates", self._on_polling),
            patch(Application, "process_update", self._on_taking),
            patch(BaseHandler, "handle_update", self._on_update),
            patch(BaseRequest, "post", self._on_request),
            patch(Job, "run", self._on_job),
            patch(Application, "process_error", self._on_error),
        )

    def _on_receipt(self, wrapped: Any, owner: Any, args: Any, kwargs: Any) -> Any:
        """Note that an update was read."""
        update = wrapped(*args, **kwargs)
        if tracer.live and isinstance(update, telegram.Update):
            self._receipts.note(update.update_id, is_polled=_is_polling.get())
        return update

    async def _on_polling(self, wrapped: Any, bot: object, args: Any, kwargs: Any) -> Any:
        """Tell apart what is received in here and what comes by webhook."""
        token = _is_polling.set(True)
        try:
            with quiet():
                return await wrapped(*args, **kwargs)
        finally:
            _is_polling.reset(token)

    async def _on_taking(self, wrapped: Any, application: Any, args: Any, kwargs: Any) -> None:
        """Process an update by its handlers, of which some may run as tasks."""
        update = args[0] if args else kwargs.get("update")
        if not tracer.live or not isinstance(update, telegram.Update):
            await wrapped(*args, **kwargs)
            return
        work = _UpdateAtWork(self._receipts.take(update.update_id, is_polled=True), [])
        token = _work.set(work)
        try:
            await wrapped(*args, **kwargs)
        finally:
            _work.reset(token)
            work.failed.clear()

    async def _on_update(self, wrapped: Any, handler: Any, args: Any, kwargs: Any) -> Any:
        """Make the operation around a handler."""
        arguments = dict(zip(("update", "application"), args, strict=False)) | kwargs
        update, application = arguments.get("update"), arguments.get("application")
        work = _work.get()
        is_ours = self._application is None or application is self._application
        if work is None or not is_ours or not is_wanted() or not isinstance(update, telegram.Update):
            return await wrapped(*args, **kwargs)
        delivery = work.delivery
        user, message = update.effective_user, update.effective_message
        date = None if message is None or update.callback_query else message.edit_date or message.date
        kind = next((name for name in telegram.Update.ALL_TYPES if getattr(update, name, None) is not None), "update")
        attributes = {"telegram.update_id": update.update_id, "telegram.type": kind, **delivery.attributes(date)}
        name = self._names_of(application).of(handler.callback, kind)
        block = update_block(delivery.queue, delivery.dispatch())
        stopped: ApplicationHandlerStop | None = None
        with block as handle:
            block.become(operation(name, key=None if user is None else user.id, attributes=attributes))
            try:
                return await wrapped(*args, **kwargs)
            except ApplicationHandlerStop as stop:  # no failure: it keeps the update from other handlers
                stopped = stop
            except Exception as error:
                work.failed.append((error, run_of(handle)))
                raise
            finally:
                handle.annotate(**delivery.late_mark(self._late_after))
        raise stopped

    def _names_of(self, application: object) -> HandlerNames:
        names = self._names.get(application)
        if names is None:
            whose = ref(application)
            names = self._names[application] = HandlerNames("telegram", lambda: _handlers_of(whose()))
        return names

    async def _on_job(self, wrapped: Any, job: Any, args: Any, kwargs: Any) -> Any:
        """Make the operation of a job: its own trace, linked to the handler that scheduled it, if there is one."""
        application = args[0] if args else kwargs.get("application")
        if not is_wanted() or not (self._application is None or application is self._application):
            return await wrapped(*args, **kwargs)
        name = self._names_of(application).of(job.callback, "job")
        origin = guarded("telegram: job", lambda: job_origins.origin_of(job.job.id), None)
        block = operation(name, detached=True, parent=origin, attributes={"telegram.type": "job"})
        with no_operation(), block as handle:  # what is current woke the queue up, perhaps for another job
            token = _job.set((job, handle))
            try:
                return await wrapped(*args, **kwargs)
            finally:
                _job.reset(token)

    async def _on_error(self, wrapped: Any, application: Any, args: Any, kwargs: Any) -> Any:
        """Let handlers of errors run within what has failed; a job's error goes to them, not to its caller."""
        running, work = _job.get(), _work.get()
        error = args[1] if len(args) > 1 else kwargs.get("error")
        failed = [] if work is None else work.failed
        for pair in failed[:]:
            if pair[0] is error:
                failed.remove(pair)
                with within(pair[1]):
                    return await wrapped(*args, **kwargs)
        if running is not None and kwargs.get("job") is running[0] and error is not None:
            running[1].fail(f"{type(error).__name__}: {plain(error)}")
        return await wrapped(*args, **kwargs)

    async def _on_request(self, wrapped: Any, owner: object, args: Any, kwargs: Any) -> Any:
        """Make the operation around an API call."""
        url = args[0] if args else kwargs.get("url")
        if not is_wanted() or not isinstance(url, str):
            return await wrapped(*args, **kwargs)
        async with api_call(f"telegram.{url.rpartition('/')[2]}", "telegram", lambda: url):
            return await wrapped(*args, **kwargs)


def _watch_jobs() -> Undo:
    """Note who schedules jobs; without APScheduler there are none."""
    try:
        from apscheduler.schedulers.base import BaseScheduler
    except ImportError:
        return lambda: None
    return job_origins.watch(BaseScheduler)


def _handlers_of(application: Any) -> Iterator[object]:
    """Return all handlers of an application, those of conversations too."""
    waiting = [handler for group in application.handlers.values() for handler in group]
    while waiting:
        handler = waiting.pop(0)
        if isinstance(handler, ConversationHandler):
            states = (inner for group in handler.states.values() for inner in group)
            waiting += [*handler.entry_points, *states, *handler.fallbacks]
        else:
            yield handler.callback


def install() -> Undo:
    """Trace all applications and bots."""
    return TelegramTracing().install()
