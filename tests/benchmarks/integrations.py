"""What an integration adds to an update and a request, beside the bare framework and OpenTelemetry's instrumentation.

All in one process, by turns, without a network: an ASGI application called as a server calls it, httpx with a transport
that answers at once, a dispatcher that is fed updates, a handler of python-telegram-bot. OpenTelemetry has no
instrumentation of aiogram or python-telegram-bot; there its spans are made by hand around the handler.
"""

import asyncio
import statistics
import sys
import time
import warnings
from pathlib import Path

import aiogram
import httpx
from aiogram.types import Update
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from telegram.ext import Application, MessageHandler, filters

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.aiogram import AiogramTracing
from perftrace.integrations.asgi import PerftraceMiddleware

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run as run_with_goals

CALLS = 100
ROUNDS = 60
MESSAGE = {"message_id": 1, "date": 1700000000, "chat": {"id": 5, "type": "private"}, "text": "hi",
           "from": {"id": 7, "is_bot": False, "first_name": "Ann"}}  # fmt: skip


class Nowhere(SpanExporter):
    """Takes spans and drops them."""

    def export(self, spans):
        return SpanExportResult.SUCCESS


async def asgi_request(app):
    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        pass

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
             "path": "/items/7", "raw_path": b"/items/7", "query_string": b"", "root_path": "", "headers": [],
             "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}  # fmt: skip
    await app(scope, receive, send)


def make_app():
    app = FastAPI()

    @app.get("/items/{item}")
    async def get_item(item: int):
        return {"item": item}

    return app


def make_dispatcher(*, spans=None):
    dispatcher = aiogram.Dispatcher()
    router = aiogram.Router()

    @router.message()
    async def on_text(message):
        if spans is not None:
            with spans.start_as_current_span("on_text", attributes={"user": message.from_user.id}):
                pass

    dispatcher.include_router(router)
    return dispatcher


def make_application(*, spans=None):
    application = Application.builder().token("42:TEST").updater(None).build()
    application._initialized = True  # noqa: SLF001

    async def on_text(update, context):
        if spans is not None:
            with spans.start_as_current_span("on_text", attributes={"user": update.effective_user.id}):
                pass

    application.add_handler(MessageHandler(filters.ALL, on_text))
    return application


async def compare(goals, title, variants):
    """Print how long each variant takes above the first, as multiples of perftrace's."""
    times = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, (before, call, after) in variants.items():
            before()
            start = time.perf_counter_ns()
            for _ in range(CALLS):
                await call()
            times[name].append((time.perf_counter_ns() - start) / CALLS)
            after()
    bare = statistics.median(times["bare"])
    print(f"{title}: bare {bare / 1000:.0f} µs;", end=" ")
    own = statistics.median(times["perftrace"]) - bare
    for name in variants:
        if name != "bare":
            extra = statistics.median(times[name]) - bare
            goal = goals.check(extra / own, least=1) if name.startswith("OpenTelemetry") else ""
            print(f"{name} +{extra / bare:.0%} ({extra / own:.1f}x perftrace) {goal}", end="; ")
    print()


def nothing():
    pass


def memory():
    perftrace.configure(sinks=["memory"])


def off():
    perftrace.configure(sinks=[])


async def main(goals):
    warnings.simplefilter("ignore")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=1_000_000))
    trace.set_tracer_provider(provider)
    spans = provider.get_tracer("bench")

    traced_app, otel_app, bare_app = PerftraceMiddleware(make_app()), OpenTelemetryMiddleware(make_app()), make_app()
    await compare(
        goals,
        "a request to FastAPI",
        {
            "bare": (nothing, lambda: asgi_request(bare_app), nothing),
            "perftrace": (memory, lambda: asgi_request(traced_app), off),
            "perftrace without a sink": (off, lambda: asgi_request(traced_app), nothing),
            "OpenTelemetry": (nothing, lambda: asgi_request(otel_app), nothing),
        },
    )

    def answer(request):
        return httpx.Response(200)

    plain, own, other = (httpx.AsyncClient(transport=httpx.MockTransport(answer)) for _ in range(3))
    HTTPXClientInstrumentor.instrument_client(other, tracer_provider=provider)
    url = "http://shop.example/items"

    def begin():
        instrument("httpx")
        memory()

    def end():
        uninstrument("httpx")
        off()

    await compare(
        goals,
        "a request by httpx",
        {
            "bare": (nothing, lambda: plain.get(url), nothing),
            "perftrace": (begin, lambda: own.get(url), end),
            "OpenTelemetry": (nothing, lambda: other.get(url), nothing),
        },
    )

    bot = aiogram.Bot("42:TEST")
    update = Update.model_validate({"update_id": 1, "message": MESSAGE}, context={"bot": bot})
    bare, traced, by_hand = make_dispatcher(), make_dispatcher(), make_dispatcher(spans=spans)
    AiogramTracing().trace(traced)
    await compare(
        goals,
        "an update through aiogram",
        {
            "bare": (nothing, lambda: bare.feed_update(bot, update), nothing),
            "perftrace": (memory, lambda: traced.feed_update(bot, update), off),
            "perftrace without a sink": (off, lambda: traced.feed_update(bot, update), nothing),
            "OpenTelemetry by hand": (nothing, lambda: by_hand.feed_update(bot, update), nothing),
        },
    )

    import telegram

    application, spanned = make_application(), make_application(spans=spans)
    theirs = telegram.Update.de_json({"update_id": 1, "message": dict(MESSAGE)}, application.bot)

    def begin_telegram():
        instrument("telegram")
        memory()

    def end_telegram():
        uninstrument("telegram")
        off()

    await compare(
        goals,
        "an update through python-telegram-bot",
        {
            "bare": (nothing, lambda: application.process_update(theirs), nothing),
            "perftrace": (begin_telegram, lambda: application.process_update(theirs), end_telegram),
            "OpenTelemetry by hand": (nothing, lambda: spanned.process_update(theirs), nothing),
        },
    )
    provider.shutdown()


if __name__ == "__main__":
    run_with_goals(lambda goals: asyncio.run(main(goals)))
