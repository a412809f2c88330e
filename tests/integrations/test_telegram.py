"""python-telegram-bot against a stand-in for Telegram's servers, over real HTTP on loopback: polling and webhook."""

import asyncio
import socket
import time
from typing import Any

import httpx
import pytest
from telegram.ext import (
    Application,
    ApplicationHandlerStop,
    CallbackQueryHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.telegram import TelegramTracing
from perftrace.testing import capture

from .bot_api import click, message, telegram


def build(url):
    """Make an application that speaks to the stand-in."""
    return Application.builder().token("42:TEST").base_url(f"{url}/bot").base_file_url(f"{url}/file/bot").build()


async def run(application, count, start):
    """Run an application until so many handlers have begun and all have ended."""
    done = asyncio.Event()
    seen = []

    async def count_them(update, context):
        seen.append(update)
        if len(seen) == count:
            done.set()

    application.add_handler(MessageHandler(filters.ALL, count_them), group=99)
    application.add_handler(CallbackQueryHandler(count_them), group=99)
    async with application:
        await start(application)
        await application.start()
        await asyncio.wait_for(done.wait(), 20)
        await application.updater.stop()
        await application.stop()


def play(url, count, *handlers, prepare=lambda application: None):
    """Run a bot by long polling."""

    async def main():
        application = build(url)
        prepare(application)
        for group, handler in enumerate(handlers):
            application.add_handler(handler, group=group)

        async def start(application):
            await application.updater.start_polling(timeout=0)

        await run(application, count, start)

    asyncio.run(main())


def told(records):
    return [record for record in records if record.name != "count_them" and "telegram" not in record.name]


async def on_text(update, context):
    perftrace.checkpoint("seen")
    time.sleep(0.02)  # blocks the loop: the updates behind it wait in the queue
    await update.effective_message.reply_text("hello")


async def on_click(update, context):
    pass


def test_each_handler_is_an_operation_with_its_time_in_the_queue(serve):
    """With its user as key; API calls are children, long polling is none; httpx below it neither."""
    url = serve(telegram([message(1, "hi"), message(2, "again"), click(3)]))
    instrument("telegram", "httpx")
    with capture() as records:
        play(url, 3, MessageHandler(filters.TEXT, on_text), CallbackQueryHandler(on_click))
    first, second = (r for r in records if r.name == "on_text")
    assert [c.name for c in first.checkpoints] == ["queue", "dispatch", "seen"]
    assert (first.key, first.attributes["telegram.type"], first.attributes["telegram.update_id"]) == ("7", "message", 1)
    delay: Any = first.attributes["telegram.delay_s"]
    assert 2 <= delay < 20
    assert second.checkpoints[0].elapsed_ns > first.checkpoints[0].elapsed_ns + 15_000_000
    sent = [r for r in records if r.name == "telegram.sendMessage"]
    assert {r.parent_id for r in sent} == {first.span_id, second.span_id}
    assert {r.parent_id for r in records if r.name == "POST 127.0.0.1"} >= {r.span_id for r in sent}
    assert not [r for r in records if "getUpdates" in str((r.name, r.attributes))]
    assert [(r.key, r.attributes["telegram.type"]) for r in records if r.name == "on_click"] == [
        ("7", "callback_query")
    ]
    assert "TEST" not in str([r.attributes for r in records])


def test_failures_stops_redeliveries_and_tasks(serve):
    """Marked as what they are; a handler that is not waited for keeps its time in the queue."""
    updates = [message(1, "bad"), message(1, "bad"), message(3, "hi", **{"from": None})]
    ahead = message(4, "hi", date=int(time.time()) + 3600)
    url = serve(telegram([*updates, ahead]))
    instrument("telegram")
    errors = []

    async def on_bad(update, context):
        raise ValueError("planted")

    async def on_error(update, context):
        errors.append(str(context.error))
        if update is not None:
            await context.bot.send_message(5, "sorry")

    async def stops(update, context):
        raise ApplicationHandlerStop

    def prepare(application):
        application.add_error_handler(on_error)

    with capture() as records:
        play(
            url,
            2,
            MessageHandler(filters.Text(["bad"]), on_bad),
            MessageHandler(filters.Text(["hi"]), on_text, block=False),
            MessageHandler(filters.Text(["bad"]), stops),
            prepare=prepare,
        )
    assert errors == ["planted", "planted"]
    by_name = {name: [r for r in records if r.name == name] for name in ("on_bad", "stops", "on_text")}
    assert [(r.outcome, r.error, r.attributes.get("telegram.redelivered")) for r in by_name["on_bad"]] == [
        ("error", "planted", None),
        ("error", "planted", True),
    ]
    sorry = [
        r.parent_id
        for r in records
        if r.name == "telegram.sendMessage" and r.parent_id in {b.span_id for b in by_name["on_bad"]}
    ]
    assert sorry == [r.span_id for r in by_name["on_bad"]]  # what a handler of errors calls belongs to what failed
    assert [r.outcome for r in by_name["stops"]] == ["ok", "ok"]
    keys = {r.attributes["telegram.update_id"]: r for r in by_name["on_text"]}
    assert (keys[3].key, keys[4].key) == (None, "7")
    assert (keys[4].attributes["telegram.delay_s"], keys[4].attributes["telegram.clock_ahead"]) == (0, True)
    assert {r.checkpoints[0].name for r in by_name["on_text"]} == {"queue"}


def test_in_a_conversation_each_answer_is_an_operation_of_its_own(serve):
    """Waiting for the user is no work."""
    url = serve(telegram([message(1, "begin"), message(2, "name")]))
    instrument("telegram")

    async def begin(update, context):
        return "name"

    async def on_name(update, context):
        return ConversationHandler.END

    conversation = ConversationHandler(
        [MessageHandler(filters.Text(["begin"]), begin)], {"name": [MessageHandler(filters.TEXT, on_name)]}, []
    )
    with capture() as records:
        play(url, 2, conversation)
    assert [(r.name, r.parent_id) for r in told(records)] == [("begin", None), ("on_name", None)]


def test_updates_by_webhook_and_those_that_are_late(serve):
    """Against the library's own web server; one that is no JSON is refused by it and traced as nothing."""
    api = serve(telegram([]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tracing = TelegramTracing(late_after=0.01)

    async def main():
        application = build(api)
        application.add_handler(MessageHandler(filters.TEXT, on_text))

        async def start(application):
            await application.updater.start_webhook("127.0.0.1", port, "hook")

        async def deliver():
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                headers = {"content-type": "application/json"}
                while True:
                    try:
                        refused = await client.post("/hook", content=b"{oh", headers=headers)
                        break
                    except httpx.TransportError:  # not up yet
                        await asyncio.sleep(0.01)
                assert refused.status_code >= 400
                assert (await client.post("/hook", json=message(5, "hi"))).status_code == 200

        delivery = asyncio.create_task(deliver())
        await run(application, 1, start)
        await delivery

    undo = tracing.install()
    try:
        with capture() as records:
            asyncio.run(main())
    finally:
        undo()
    (handled,) = told(records)
    assert (handled.name, handled.attributes["telegram.late"]) == ("on_text", True)


def test_one_application_only(serve):
    """With an object of one's own; taken away again, nothing of it is left."""
    url = serve(telegram([message(1, "hi")]))
    undos = []

    def prepare(application):
        undos.append(TelegramTracing(build(url)).install())

    with capture() as records:
        play(url, 1, MessageHandler(filters.TEXT, on_text), prepare=prepare)
    assert told(records) == []
    undos[0]()


@pytest.mark.parametrize("off", [lambda: perftrace.configure(sinks=[]), lambda: uninstrument("telegram")])
def test_without_a_sink_or_uninstrumented_the_bot_runs_as_ever(serve, off):
    """What it is given and what it does."""
    seen = []

    async def on_any(update, context):
        seen.append((update.effective_message.text, update.update_id))

    instrument("telegram")
    with capture() as records:
        off()
        play(serve(telegram([message(1, "hi")])), 1, MessageHandler(filters.TEXT, on_any))
    assert (seen, records) == ([("hi", 1)], [])


def test_a_job_is_an_operation_of_its_own(serve):
    """Linked to the handler that scheduled it, as often as it runs; a failure is its own; by hand it is nobody's."""
    instrument("telegram")
    ran = []

    async def remind(context):
        ran.append(context.job.name)
        await context.bot.send_message(5, "drink water")

    async def broken(context):
        ran.append(context.job.name)
        raise ValueError("planted")

    async def subscribe(update, context):
        context.job_queue.run_repeating(remind, 0.05, first=0.01)
        context.job_queue.run_once(broken, 0.01)
        while len(ran) < 4:
            await asyncio.sleep(0.01)

    async def on_error(update, context):
        assert isinstance(context.error, ValueError)

    def prepare(application):
        application.add_error_handler(on_error)

    with capture() as records, perftrace.operation("main"):
        url = serve(telegram([message(1, "/subscribe")]))
        play(url, 1, MessageHandler(filters.ALL, subscribe), prepare=prepare)
    handler = next(record for record in records if record.name == "subscribe")
    jobs = [record for record in records if record.name == "remind"]
    (failed,) = (record for record in records if record.name == "broken")
    sent = [record for record in records if record.name == "telegram.sendMessage"]
    assert len(jobs) >= 3
    assert {job.link for job in (*jobs, failed)} == {perftrace.Link(handler.trace_id, handler.span_id)}
    assert len({record.trace_id for record in (handler, failed, *jobs)}) == 2 + len(jobs)
    assert {record.parent_id for record in sent} <= {job.span_id for job in jobs}
    assert (failed.outcome, failed.error) == ("error", "ValueError: planted")
    assert all(job.outcome == "ok" for job in jobs[:2])
