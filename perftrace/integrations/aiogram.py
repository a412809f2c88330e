"""aiogram 3: an operation for each update that a handler takes, with its time in the queue; one for each API call."""

import functools
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import aiogram
from aiogram.client.session.middlewares.base import NextRequestMiddlewareType
from aiogram.dispatcher.event.bases import SkipHandler
from aiogram.methods import GetUpdates, TelegramMethod
from aiogram.types import TelegramObject, Update

from perftrace.decorators import operation
from perftrace.integrations.patching import Undo, all_of, patch
from perftrace.runtime import tracer

MAX_SEEN = 10_000
"""How many update ids are remembered, to tell those that Telegram delivers again."""
Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class AiogramTracing:
    """Traces the updates of dispatchers and the API calls of bots.

    An operation is named by its handler; its key is the user's id. It begins when the update was received: by the
    answer to `getUpdates` where the bot is watched, else when the dispatcher gets it; the time from there to the
    handler is the segment `queue`. Attributes: `telegram.update_id`, `telegram.delay_s` (from the message's own
    date, by Telegram's clock, in whole seconds, to its receipt; never negative), `telegram.clock_ahead` where that
    clock is ahead of this one, `telegram.redelivered` where the same update came before.

    API calls are operations such as `telegram.SendMessage`; long polling is not work, and none.
    """

    def __init__(self) -> None:
        self._is_on = True
        self._received: OrderedDict[int, int] = OrderedDict()
        """When updates were received that wait for their handler: monotonic nanoseconds by update id."""
        self._seen: OrderedDict[int, bool] = OrderedDict()
        """Ids of updates that came, and whether they came again."""

    def stop(self) -> None:
        """Do nothing any more, wherever it is installed."""
        self._is_on = False

    def trace(self, dispatcher: aiogram.Dispatcher) -> Undo:
        """Trace the updates of a dispatcher and of all routers in it; gives what takes that away again.

        Middlewares that are registered later run inside the operation.
        """
        received, undos = self._on_update, []
        dispatcher.update.outer_middleware.register(received)
        undos.append(lambda: dispatcher.update.outer_middleware.unregister(received))
        for kind, observer in dispatcher.observers.items():
            if kind not in ("update", "error"):
                middleware = functools.partial(self._on_event, kind)
                observer.middleware.register(middleware)
                undos.append(functools.partial(observer.middleware.unregister, middleware))
        return all_of(*undos)

    def watch(self, bot: aiogram.Bot) -> Undo:
        """Trace the API calls of a bot, and note when its long polling receives updates."""
        middleware = self._on_request
        bot.session.middleware.register(middleware)
        return lambda: bot.session.middleware.unregister(middleware)

    async def _on_update(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Note the receipt of an update, unless long polling did."""
        if not self._is_on or not tracer.live or not isinstance(event, Update):
            return await handler(event, data)
        update_id = event.update_id
        self._received.setdefault(update_id, tracer.clock.monotonic_ns())
        self._seen[update_id] = update_id in self._seen
        while len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        try:
            return await handler(event, data)
        finally:
            self._received.pop(update_id, None)

    async def _on_event(self, kind: str, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Make the operation around a handler."""
        update = data.get("event_update")
        if not self._is_on or not tracer.live or not isinstance(update, Update):
            return await handler(event, data)
        now = tracer.clock.monotonic_ns()
        user = data.get("event_from_user")
        block = operation(
            _name(data.get("handler"), kind),
            key=None if user is None else user.id,
            attributes={"telegram.update_id": update.update_id, "telegram.type": kind, **self._marks(update, event)},
            queued=(now - self._received.get(update.update_id, now)) / 1e9,
        )
        skipped: SkipHandler | None = None
        async with block as handle:
            try:
                return await handler(event, data)
            except SkipHandler as skip:  # no failure: the next handler takes it
                handle.annotate(**{"telegram.skipped": True})
                skipped = skip
        raise skipped

    def _marks(self, update: Update, event: TelegramObject) -> dict[str, object]:
        """Tell what is out of the ordinary in an update, and how long Telegram held it."""
        marks: dict[str, object] = {"telegram.redelivered": True} if self._seen.get(update.update_id) else {}
        date = getattr(event, "edit_date", None) or getattr(event, "date", None)
        if isinstance(date, int):
            date = datetime.fromtimestamp(date).astimezone()
        if isinstance(date, datetime):
            waited = (tracer.clock.monotonic_ns() - self._received.get(update.update_id, 0)) / 1e9
            delay = tracer.clock.wall_ns() / 1e9 - waited - date.timestamp()
            marks["telegram.delay_s"] = round(max(0.0, delay), 3)
            if delay < 0:
                marks["telegram.clock_ahead"] = True
        return marks

    async def _on_request(
        self, make_request: NextRequestMiddlewareType[Any], bot: aiogram.Bot, method: TelegramMethod[Any]
    ) -> Any:
        """Make the operation around an API call; note what long polling brought."""
        if not self._is_on or not tracer.live:
            return await make_request(bot, method)
        if isinstance(method, GetUpdates):
            answer: Any = await make_request(bot, method)
            now = tracer.clock.monotonic_ns()
            for update in answer:
                self._received[update.update_id] = now
            while len(self._received) > MAX_SEEN:
                self._received.popitem(last=False)
            return answer
        async with operation(f"telegram.{type(method).__name__}"):
            return await make_request(bot, method)


def _name(handler: object, kind: str) -> str:
    """Name a handler by its function or class; by the kind of update where it is neither."""
    callback = getattr(handler, "callback", None)
    while isinstance(callback, functools.partial):
        callback = callback.func
    return str(getattr(callback, "__name__", "")) or kind


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
