"""aiogram 3: an operation for each update that a handler takes, with its time in the queue; one for each API call."""

import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import aiogram
from aiogram.client.session.middlewares.base import NextRequestMiddlewareType
from aiogram.dispatcher.event.bases import SkipHandler
from aiogram.methods import GetUpdates, TelegramMethod
from aiogram.types import TelegramObject, Update

from perftrace.core.block import Block, UnnamedBlock
from perftrace.core.record import Operation
from perftrace.integrations.client_calls import api_call
from perftrace.integrations.guard import guarded
from perftrace.integrations.handler_names import HandlerNames
from perftrace.integrations.patching import Undo, all_of, patch, quiet
from perftrace.integrations.telegram_updates import Delivery, UpdateLog, update_block
from perftrace.tracing.blocks import operation
from perftrace.tracing.configuration import tracer

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class AiogramTracing:
    """Traces the updates of dispatchers and the API calls of bots.

    An operation is named by its handler; its key is the user's id. It begins when the update was received: by the
    answer to `getUpdates` where the bot is watched, else when the dispatcher gets it. The segment `queue` lasts until
    the dispatcher takes it, `dispatch` until the handler runs: middlewares and filters, whose own operations belong to
    the update. Where a middleware is an operation that the handler runs in, the update is one around both, named by its
    kind, such as `(message)`; so is an update that no handler takes (`telegram.unhandled`), if anything in it was
    traced or it failed. Updates are traces of their own, linked to what polls; below the request of a webhook that
    waits for them they belong to that.

    Attributes: `telegram.update_id`, `telegram.type`, `telegram.delay_s` (from the message's own date, by Telegram's
    clock, in whole seconds, to its receipt; never negative), `telegram.clock_ahead` where that clock is ahead of this
    one, `telegram.redelivered` where the same update came before, `telegram.late` where an update that came by webhook
    (to a bot that is watched) was at work for longer than `late_after` seconds: Telegram has given up by then, unless
    the webhook answers before its handler ends.

    API calls are operations such as `telegram.SendMessage`; long polling is not work, and none.
    """

    def __init__(self, *, late_after: float = 60.0) -> None:
        self._is_on = True
        self._is_watching = False
        self._late_after = late_after
        self._receipts = UpdateLog()

    def stop(self) -> None:
        """Do nothing any more, wherever it is installed."""
        self._is_on = False

    def trace(self, dispatcher: aiogram.Dispatcher) -> Undo:
        """Trace the updates of a dispatcher and of all routers in it; return what takes that away again.

        Middlewares that are registered later run inside the operation.
        """
        undos = []
        names = HandlerNames("aiogram", lambda: _handlers_of(dispatcher))
        outer = dispatcher.update.outer_middleware
        others = list(outer[:])
        # Around aiogram's own, of which one calls the handlers of errors, and once more within it.
        for middleware in others:
            outer.unregister(middleware)
        for middleware in (self._on_update, *others, self._on_failure):
            outer.register(middleware)
        undos += [functools.partial(outer.unregister, one) for one in (self._on_update, self._on_failure)]
        for kind, observer in dispatcher.observers.items():
            if kind not in ("update", "error"):
                middleware = functools.partial(self._on_event, kind, names)
                observer.middleware.register(middleware)
                undos.append(functools.partial(observer.middleware.unregister, middleware))
        return all_of(*undos)

    def watch(self, bot: aiogram.Bot) -> Undo:
        """Trace the API calls of a bot, and note when its long polling receives updates."""
        middleware = self._on_request
        self._is_watching = True
        if middleware in bot.session.middleware:  # of a session that bots share: each call is traced once
            return lambda: None
        bot.session.middleware.register(middleware)
        return lambda: bot.session.middleware.unregister(middleware)

    async def _on_update(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Make the operation of an update, which its handler is to name."""
        if not self._is_on or not tracer.live or not isinstance(event, Update):
            return await handler(event, data)
        delivery = self._receipts.take(event.update_id, is_polled=not self._is_watching)
        block = update_block(delivery.queue, is_own=delivery.is_polled and self._is_watching)
        work, error = _TracedUpdate(event, delivery, block, [None]), None
        block.__enter__()
        token = _work.set(work)
        try:
            return await handler(event, data)
        except BaseException as raised:
            error = raised
            raise
        finally:
            _work.reset(token)
            error = error or work.failure[0]
            if not block.is_named and (error is not None or block.is_asked_for):
                block.become(work.whole(data, **{"telegram.unhandled": True}))
            block.__exit__(type(error), error, None)
            error = work.failure[0] = None  # it holds this frame, and all above it

    async def _on_failure(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Note what goes wrong in an update, before a handler of errors makes it good."""
        work = _work.get()
        try:
            return await handler(event, data)
        except BaseException as error:
            if work is not None and work.update is event:
                work.failure[0] = error
            raise

    async def _on_event(
        self, kind: str, names: HandlerNames, handler: Handler, event: TelegramObject, data: dict[str, Any]
    ) -> Any:
        """Run a handler in the operation of its update, which has its name from here on."""
        work = _work.get()
        if not self._is_on or not tracer.live or work is None or data.get("event_update") is not work.update:
            return await handler(event, data)
        name = names.of(getattr(data.get("handler"), "callback", None), kind)
        skipped: SkipHandler | None = None
        with work.handled_by(name, kind, event, data) as handle:
            try:
                return await handler(event, data)
            except SkipHandler as skip:  # no failure: the next handler takes it
                handle.annotate(**{"telegram.skipped": True})
                skipped = skip
            finally:
                handle.annotate(**work.delivery.late_mark(self._late_after))
        raise skipped

    async def _on_request(
        self, make_request: NextRequestMiddlewareType[Any], bot: aiogram.Bot, method: TelegramMethod[Any]
    ) -> Any:
        """Make the operation around an API call; note what long polling brought."""
        if not self._is_on or not tracer.live:
            return await make_request(bot, method)
        if isinstance(method, GetUpdates):
            with quiet():
                answer: Any = await make_request(bot, method)
            for update in answer:
                self._receipts.note(update.update_id, is_polled=True)
            return answer
        async with api_call(f"telegram.{type(method).__name__}", "aiogram", lambda: str(bot.session.api.base)):
            return await make_request(bot, method)


class _TracedUpdate(NamedTuple):
    """An update that is at work, and its operation."""

    update: Update
    delivery: Delivery
    block: UnnamedBlock
    failure: list[BaseException | None]
    """What ended it, even where a handler of errors has taken that; one place."""

    def named(self, name: str, kind: str, event: object, data: Mapping[str, Any], **attributes: object) -> Block:
        """Make a block of what is known of the update."""
        user = data.get("event_from_user")
        date = getattr(event, "edit_date", None) or getattr(event, "date", None)
        known = {"telegram.update_id": self.update.update_id, "telegram.type": kind, **self.delivery.attributes(date)}
        return operation(name, key=None if user is None else user.id, attributes={**known, **attributes})

    def whole(self, data: Mapping[str, Any], **attributes: object) -> Block:
        """Make a block of the update where no handler gives its name."""
        kind = guarded("aiogram: update", lambda: self.update.event_type, "update")
        event = getattr(self.update, kind, None)
        return self.named(f"({kind})", kind, event, data, **attributes)

    @contextmanager
    def handled_by(self, name: str, kind: str, event: object, data: Mapping[str, Any]) -> Iterator[Operation]:
        """Let a handler run in its operation."""
        named, block, delivery = self.named(name, kind, event, data), self.block, self.delivery
        if block.is_named:  # another handler had it and passed it on
            next_block = update_block(delivery.queue, delivery.dispatch(), is_own=True)
            with next_block as handle:
                next_block.become(named)
                yield handle
            return
        if not block.is_current:  # a middleware is an operation of its own, which the handler is part of
            block.become(self.whole(data))
            with named as handle:
                yield handle
            return
        handle = block.become(named)
        handle.checkpoint("dispatch")
        try:
            yield handle
        except BaseException as error:
            block.end(error)
            raise
        block.end()


_work: ContextVar[_TracedUpdate | None] = ContextVar("perftrace_aiogram_update", default=None)
"""The update whose middlewares, filters and handlers run."""


def _handlers_of(dispatcher: aiogram.Dispatcher) -> Iterator[object]:
    """Return all handlers of a dispatcher and of the routers in it."""
    for router in dispatcher.chain_tail:
        for observer in router.observers.values():
            for handler in observer.handlers:
                yield handler.callback


def install() -> Undo:
    """Trace every dispatcher and every bot that is made from now on."""
    tracing = AiogramTracing()

    def dispatcher_made(wrapped: Callable[..., None], self: aiogram.Dispatcher, args: Any, kwargs: Any) -> None:
        wrapped(*args, **kwargs)
        tracing.trace(self)

    def bot_made(wrapped: Callable[..., None], self: aiogram.Bot, args: Any, kwargs: Any) -> None:
        wrapped(*args, **kwargs)
        tracing.watch(self)

    return all_of(
        patch(aiogram.Dispatcher, "__init__", dispatcher_made),
        patch(aiogram.Bot, "__init__", bot_made),
        tracing.stop,
    )
