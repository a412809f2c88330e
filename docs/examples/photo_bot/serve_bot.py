"""Runs the bot: by long polling, or by webhook, until the process is asked to end."""

import argparse
import asyncio
import signal
from pathlib import Path

import aiohttp
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web
from api_client import StudioClient
from callbacks import Callbacks
from database import Database
from handlers import background, router

import perftrace


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    is_over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, is_over.set)
    database = Database(options.database)
    bot = Bot("42:DEMO", session=AiohttpSession(api=TelegramAPIServer.from_base(options.telegram)))
    here = f"http://127.0.0.1:{options.port}"
    app = web.Application(client_max_size=10_000_000)
    async with aiohttp.ClientSession() as session:
        studio = StudioClient(session, options.studio, f"{here}/studio")
        dispatcher = Dispatcher(database=database, studio=studio)
        dispatcher.include_router(router)
        app.router.add_post("/studio", Callbacks(bot, database).on_callback)
        if options.webhook:
            SimpleRequestHandler(dispatcher, bot).register(app, "/telegram")
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", options.port).start()
        if options.webhook:
            await bot.set_webhook(f"{here}/telegram")
            await is_over.wait()
        else:
            polling = asyncio.create_task(dispatcher.start_polling(bot, handle_signals=False))
            await is_over.wait()
            await dispatcher.stop_polling()
            await polling
        await asyncio.gather(*background, return_exceptions=True)
        await runner.cleanup()
    await bot.session.close()


def main() -> None:
    """Read the arguments, trace what the bot uses, and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--telegram", required=True, help="base URL of the Bot API")
    parser.add_argument("--studio", required=True, help="base URL of the image service")
    parser.add_argument("--database", required=True, type=Path)
    parser.add_argument("--port", required=True, type=int, help="where callbacks and webhooks come in")
    parser.add_argument("--webhook", action="store_true", help="be called by Telegram in place of asking it")
    perftrace.instrument("aiogram", "aiohttp", "sqlite3")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
