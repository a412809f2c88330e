"""aiogram 3: an operation for each update that a handler takes, with its time in the queue; one for each API call."""

import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiogram
from aiogram.client.session.middlewares.base import NextRequestMiddlewareType
from aiogram.dispatcher.event.bases import SkipHandler
from aiogram.methods import GetUpdates, TelegramMethod
from aiogram.types import TelegramObject, Update

from perftrace.integrations.handler_names import HandlerNames
from perftrace.integrations.patching import Undo, all_of, patch, quiet
from perftrace.integrations.telegram_updates import UpdateLog, current
from perftrace.tracing.blocks import operation
from perftrace.tracing.configuration import tracer

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class AiogramTracing:
    """Traces the updates of dispatchers and the API calls of bots.

    An operation is named by its handler; its key is the user's id. It begins when the update was received: by the
    answer to `getUpdates` where the bot is watched, else when the dispatcher gets it; the time from there to the
    handler is the segment `queue`. Attributes: `telegram.update_id`, `telegram.delay_s` (from the message's own
    date, by Telegram's clock, in whole seconds, to its receipt; never negative), `telegram.clock_ahead` where that
    clock is ahead of this one, `telegram.redelivered` where the same update came before, `telegram.late` where an
    update that came by webhook (to a bot that is watched) was at work for longer than `late_after` seconds: Telegram
    has given up by then, unless the webhook answers before its handler ends.

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
        received, undos = self._on_update, []
        names = HandlerNames("aiogram", lambda: _handlers_of(dispatcher))
        dispatcher.update.outer_middleware.register(received)
        undos.append(lambda: dispatcher.update.outer_middleware.unregister(received))
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
        """Note the receipt of an update, unless long polling did."""
        if not self._is_on or not tracer.live or not isinstance(event, Update):
            return await handler(event, data)
        token = current.set(self._receipts.take(event.update_id, is_polled=not self._is_watching))
        try:
            return await handler(event, data)
        finally:
            current.reset(token)

    async def _on_event(
        self, kind: str, names: HandlerNames, handler: Handler, event: TelegramObject, data: dict[str, Any]
    ) -> Any:
        """Make the operation around a handler."""
        update, delivery = data.get("event_update"), current.get()
        if not self._is_on or not tracer.live or not isinstance(update, Update) or delivery is None:
            return await handler(event, data)
        user = data.get("event_from_user")
        date = getattr(event, "edit_date", None) or getattr(event, "date", None)
        block = operation(
            names.of(getattr(data.get("handler"), "callback", None), kind),
            key=None if user is None else user.id,
            attributes={
                "telegram.update_id": update.update_id, "telegram.type": kind, **delivery.attributes(date),
            },
            queued=delivery.waited(),
        )  # fmt: skip
        skipped: SkipHandler | None = None
        async with block as handle:
            try:
                return await handler(event, data)
            except SkipHandler as skip:  # no failure: the next handler takes it
                handle.annotate(**{"telegram.skipped": True})
                skipped = skip
            finally:
                handle.annotate(**delivery.late_mark(self._late_after))
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
        async with operation(f"telegram.{type(method).__name__}"):
            return await make_request(bot, method)


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
