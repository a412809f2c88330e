"""aiogram against a stand-in for Telegram's servers, over real HTTP on loopback, by long polling."""

import asyncio
import json
import time
from typing import Any

import aiogram
import pytest
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.base import BaseSession
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
    assert [c.name for c in first.checkpoints] == ["queue", "dispatch", "seen"]
    assert (first.key, told(first, "telegram.type")) == ("7", "message")
    # aiogram makes a task of each: which of them comes first is the event loop's affair.
    assert {told(first, "telegram.update_id"), told(second, "telegram.update_id")} == {1, 2}
    assert 2 <= told(first, "telegram.delay_s") < 20
    # The other came in the same answer and waited while this one held the loop: in the queue or in middlewares.
    assert second.checkpoints[1].elapsed_ns > first.checkpoints[1].elapsed_ns + 15_000_000
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


class Silent(BaseSession):
    """Answers every call at once."""

    async def close(self):
        pass

    async def stream_content(self, *args, **kwargs):
        yield b""

    async def make_request(self, bot, method, timeout=None):
        return True


def feed(prepare, *updates, around=None):
    """Hand updates to a dispatcher, one after the other; return the records."""

    async def main():
        dispatcher = aiogram.Dispatcher()
        prepare(dispatcher)
        bot = aiogram.Bot("42:TEST", session=Silent())
        with perftrace.operation("main"):
            for update in updates:
                if around is None:
                    await asyncio.create_task(dispatcher.feed_raw_update(bot, update))
                else:
                    await around(dispatcher.feed_raw_update(bot, update))

    instrument("aiogram")
    with capture() as records:
        asyncio.run(main())
    return {record.name: record for record in records}


async def load_user(handler, event, data):
    """Do what most bots do before any handler."""
    perftrace.checkpoint("loading")
    perftrace.annotate(premium=True)
    async with perftrace.operation("load_user"):
        pass
    return await handler(event, data)


async def timed_around(handler, event, data):
    async with perftrace.operation("session"):
        return await handler(event, data)


async def failing(handler, event, data):
    raise ValueError("no database")


def with_middleware(middleware, text=True):
    def prepare(dispatcher):
        dispatcher.message.outer_middleware(middleware)

        @dispatcher.message(aiogram.F.text == "hi")
        async def on_text(message):
            perftrace.checkpoint("seen")

    return prepare


def test_what_middlewares_do_belongs_to_the_update():
    """Operations, checkpoints and attributes, though its name comes after them; the polling is linked, not a parent."""
    records = feed(with_middleware(load_user), message(1, "hi"))
    text = records["on_text"]
    assert [c.name for c in text.checkpoints] == ["queue", "loading", "dispatch", "seen"]
    assert (text.attributes["premium"], text.attributes["telegram.update_id"]) == (True, 1)
    assert (records["load_user"].trace_id, records["load_user"].parent_id) == (text.trace_id, text.span_id)
    assert (text.parent_id, text.link.span_id) == (None, records["main"].span_id)
    assert text.trace_id != records["main"].trace_id


def test_an_update_that_nobody_takes_is_kept_where_something_belongs_to_it():
    """Named by its kind; with nothing in it, it is none."""
    records = feed(with_middleware(load_user), message(1, "unknown"))
    whole = records["(message)"]
    assert set(records) == {"load_user", "(message)", "main"}
    assert (whole.attributes["telegram.unhandled"], whole.key, whole.outcome) == (True, "7", "ok")
    assert records["load_user"].parent_id == whole.span_id
    assert set(feed(lambda dispatcher: None, message(2, "unknown"))) == {"main"}


def test_an_update_fails_before_its_handler():
    """It is told all the same."""

    async def on_error(event):
        await event.update.message.answer("sorry")

    for handles_errors in (False, True):

        def prepared(dispatcher):
            with_middleware(failing)(dispatcher)
            if handles_errors:
                dispatcher.errors()(on_error)

        if handles_errors:
            records = feed(prepared, message(1, "hi"))
            assert records["telegram.SendMessage"].parent_id == records["(message)"].span_id
        else:
            records = feed(prepared, message(1, "hi"), around=ignored)
        assert (records["(message)"].outcome, records["(message)"].error) == ("error", "no database")


async def ignored(work):
    with pytest.raises(ValueError, match="no database"):
        await work


def test_what_a_handler_of_errors_calls_belongs_to_the_update():
    """Though its operation has ended."""

    def prepare(dispatcher):
        @dispatcher.message()
        async def on_text(message):
            raise ValueError("planted")

        @dispatcher.errors()
        async def on_error(event):
            await event.update.message.answer("sorry")

    records = feed(prepare, message(1, "hi"))
    assert (records["on_text"].outcome, records["on_text"].error) == ("error", "planted")
    assert records["telegram.SendMessage"].parent_id == records["on_text"].span_id


def test_a_middleware_that_the_handler_runs_in_counts_its_time_once():
    """The update is around both; the handler begins when it does."""
    records = feed(with_middleware(timed_around), message(1, "hi"))
    whole, middleware, text = records["(message)"], records["session"], records["on_text"]
    assert (text.parent_id, middleware.parent_id) == (middleware.span_id, whole.span_id)
    assert [c.name for c in text.checkpoints] == ["seen"]
    assert text.start_mono >= middleware.start_mono
    assert [c.name for c in whole.checkpoints] == ["queue"]
    assert "telegram.unhandled" not in whole.attributes


def test_a_webhook_that_waits_for_its_update_is_its_parent():
    """As the request is still at work then."""

    @perftrace.timed(operation="POST /hook")
    async def request(update):
        await update

    records = feed(with_middleware(load_user), message(1, "hi"), around=request)
    assert records["on_text"].parent_id == records["POST /hook"].span_id
    assert [c.name for c in records["on_text"].checkpoints] == ["loading", "dispatch", "seen"]


def test_log_lines_name_an_update_by_its_handler(caplog):
    """Also those of what was reached before its name was known."""
    with caplog.at_level("INFO"):
        perftrace.configure(sinks=["log"])
        instrument("aiogram")

        async def main():
            dispatcher = aiogram.Dispatcher()
            with_middleware(load_user)(dispatcher)
            await dispatcher.feed_raw_update(aiogram.Bot("42:TEST", session=Silent()), message(1, "hi"))

        asyncio.run(main())
    lines = [r.getMessage() for r in caplog.records if "on_text_7_" in r.getMessage()]
    assert len(lines) == 6
    assert [any(f".{name}" in line for line in lines) for name in ("queue", "loading", "dispatch", "seen")] == [
        True
    ] * 4
