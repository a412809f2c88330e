"""aiogram against a stand-in for Telegram's servers, over real HTTP on loopback, by long polling."""

import asyncio
import json
import time
from typing import Any

import aiogram
import pytest
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.dispatcher.event.bases import SkipHandler
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.aiogram import AiogramTracing
from perftrace.testing import capture

from .bot_api import click, message, telegram


def play(url, router, count, prepare=lambda dispatcher, bot: None, **options):
    """Run a bot by long polling until so many updates are through."""

    async def main():
        dispatcher = aiogram.Dispatcher()
        dispatcher.include_router(router)
        bot = aiogram.Bot("42:TEST", session=AiohttpSession(api=TelegramAPIServer.from_base(url)))
        prepare(dispatcher, bot)
        done = []

        @dispatcher.message.outer_middleware()
        @dispatcher.callback_query.outer_middleware()
        async def stop_after_the_last(handler, event, data):
            try:
                return await handler(event, data)
            finally:
                done.append(event)
                if len(done) == count:
                    asyncio.get_running_loop().call_soon(asyncio.ensure_future, dispatcher.stop_polling())

        await dispatcher.start_polling(bot, handle_signals=False, polling_timeout=0, **options)

    asyncio.run(asyncio.wait_for(main(), 20))


def told(record, name) -> Any:
    return record.attributes[name]


def router():
    router = aiogram.Router()
    inner = aiogram.Router()
    router.include_router(inner)

    @inner.message(aiogram.F.text == "skip")
    async def not_mine(message):
        raise SkipHandler

    @inner.message(aiogram.F.text != "bad")
    async def on_text(message):
        perftrace.checkpoint("seen")
        time.sleep(0.02)  # blocks the loop: the updates behind it wait in the queue
        await message.answer("hello")

    @inner.message()
    async def on_bad(message):
        raise ValueError("planted")

    @inner.callback_query()
    async def on_click(query):
        pass

    return router


def test_each_update_is_an_operation_named_by_its_handler(serve):
    """With its user as key, its time in the queue first, and its API calls as children."""
    url = serve(telegram([message(1, "hi"), message(2, "again"), click(3)]))
    instrument("aiogram")
    with capture() as records:
        play(url, router(), 3)
    first, second = sorted(
        (r for r in records if r.name == "on_text"), key=lambda r: r.start_mono + r.checkpoints[0].elapsed_ns
    )
    assert [c.name for c in first.checkpoints] == ["queue", "seen"]
    assert (first.key, told(first, "telegram.type")) == ("7", "message")
    # aiogram makes a task of each: which of them comes first is the event loop's affair.
    assert {told(first, "telegram.update_id"), told(second, "telegram.update_id")} == {1, 2}
    assert 2 <= told(first, "telegram.delay_s") < 20
    # The other came in the same answer and waited while this one held the loop.
    assert second.checkpoints[0].elapsed_ns > first.checkpoints[0].elapsed_ns + 15_000_000
    sent = [r for r in records if r.name == "telegram.SendMessage"]
    assert {r.parent_id for r in sent} == {first.span_id, second.span_id}
    assert not [r for r in records if "GetUpdates" in r.name]
    assert [(r.name, r.key) for r in records if r.name == "on_click"] == [("on_click", "7")]


def test_failures_skips_redeliveries_and_strange_clocks(serve):
    """Marked as what they are; an update without a user has no key."""
    ahead = int(time.time()) + 3600
    updates = [
        message(1, "bad"),
        message(2, "skip"),
        message(3, "hi", date=ahead, **{"from": None}),
        message(1, "bad"),
        message(4, "hi", date=0),
    ]
    url = serve(telegram(updates))
    instrument("aiogram")
    with capture() as records:
        play(url, router(), 5, handle_as_tasks=False)
    bad, again = (r for r in records if r.name == "on_bad")  # one after the other: not as tasks
    assert [(r.outcome, r.error) for r in (bad, again)] == [("error", "planted")] * 2
    assert [r.attributes.get("telegram.redelivered") for r in (bad, again)] == [None, True]
    (skipped,) = (r for r in records if r.name == "not_mine")
    assert (skipped.outcome, told(skipped, "telegram.skipped")) == ("ok", True)
    by_update = {told(r, "telegram.update_id"): r for r in records if r.name == "on_text"}
    assert sorted(by_update) == [2, 3, 4]
    assert (told(by_update[3], "telegram.delay_s"), told(by_update[3], "telegram.clock_ahead")) == (0, True)
    assert by_update[3].key is None
    assert told(by_update[4], "telegram.delay_s") > 10**9


def test_an_object_of_ones_own_is_taken_away_again(serve):
    """Middlewares and all."""
    tracing = AiogramTracing()
    undos = []

    def prepare(dispatcher, bot):
        undos.extend([tracing.trace(dispatcher), tracing.watch(bot)])

    with capture() as records:
        play(serve(telegram([message(1, "hi")])), router(), 1, prepare)
        assert {r.name for r in records} >= {"on_text", "telegram.SendMessage"}
    dispatcher = aiogram.Dispatcher()
    before = json.dumps([len(o.middleware) + len(o.outer_middleware) for o in dispatcher.observers.values()])
    tracing.trace(dispatcher)()
    assert json.dumps([len(o.middleware) + len(o.outer_middleware) for o in dispatcher.observers.values()]) == before


@pytest.mark.parametrize("off", [lambda: perftrace.configure(sinks=[]), lambda: uninstrument("aiogram")])
def test_without_a_sink_or_uninstrumented_the_bot_runs_as_ever(serve, off):
    """What was made before stays silent, too."""
    seen = []
    own = aiogram.Router()

    @own.message()
    async def on_text(message, **data):
        seen.append((message.text, sorted(data)))

    plain = []
    for is_on in (False, True):
        with capture() as records:
            if is_on:
                instrument("aiogram")
            play(serve(telegram([message(1, "hi")])), own, 1, lambda dispatcher, bot: off() if is_on else None)
            plain.append(records)
        own = type(own)()
        own.message()(on_text)
    assert seen[0] == seen[1]
    assert plain == [[], []]


def test_updates_by_webhook_and_those_that_are_late(serve):
    """Through aiogram's own webhook server; a body that is no JSON makes no operation."""
    tracing = AiogramTracing(late_after=0.01)

    async def main():
        dispatcher = aiogram.Dispatcher()
        dispatcher.include_router(router())
        bot = aiogram.Bot("42:TEST", session=AiohttpSession(api=TelegramAPIServer.from_base(serve(telegram([])))))
        tracing.trace(dispatcher)
        tracing.watch(bot)
        app = web.Application()
        SimpleRequestHandler(dispatcher, bot, handle_in_background=False).register(app, "/hook")
        async with TestServer(app, host="127.0.0.1") as server, TestClient(server) as client:
            assert (await client.post("/hook", json=message(5, "hi"))).status == 200
            assert (await client.post("/hook", json=click(6))).status == 200
            assert (await client.post("/hook", data=b"{oh")).status >= 400

    with capture() as records:
        asyncio.run(main())
    (slow,) = (r for r in records if r.name == "on_text")
    (quick,) = (r for r in records if r.name == "on_click")
    assert slow.attributes["telegram.late"] is True
    assert "telegram.late" not in quick.attributes
    assert {r.name for r in records} == {"on_text", "on_click", "telegram.SendMessage"}
