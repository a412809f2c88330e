"""Receives the image service's callbacks and hands the pictures to the users."""

import base64
from typing import Any

from aiogram import Bot
from aiogram.types import BufferedInputFile
from aiohttp import web
from database import Database
from handlers import in_background

from perftrace import checkpoint, extract, operation, timed


class Callbacks:
    """Takes `POST /studio` with `{"job": ID, "picture": base64}` or `{"job": ID, "error": text}`."""

    def __init__(self, bot: Bot, database: Database) -> None:
        self._bot = bot
        self._database = database

    async def on_callback(self, request: web.Request) -> web.Response:
        """Take a callback, in the trace of the update that started the job; the picture goes out after the answer."""
        async with operation("studio_callback", parent=extract(request.headers)) as handle:
            try:
                call: dict[str, Any] = await request.json()
                job, picture = str(call["job"]), base64.b64decode(call.get("picture", ""), validate=True)
            except (ValueError, KeyError, TypeError, AttributeError) as wrong:
                handle.fail(f"not understood: {type(wrong).__name__}")
                return web.json_response({"error": "a JSON object with job and picture is needed"}, status=400)
            checkpoint("parse", bytes=len(picture))
            user = await self._database.finish_job(job, is_done=bool(picture))
            if user is None:
                # It has ended already, which may be; or nobody began it, which may not.
                is_known = await self._database.has_job(job)
                handle.annotate(duplicate=is_known)
                if is_known:
                    return web.json_response({})
                handle.fail("unknown job")
                return web.json_response({"error": "unknown job"}, status=404)
            checkpoint("validate", job=job)
            in_background(self.deliver(user, picture))
            checkpoint("hand_over")
            return web.json_response({})

    @timed(operation="deliver_picture", key="user")
    async def deliver(self, user: int, picture: bytes) -> None:
        """Send the picture, or what went wrong."""
        if picture:
            await self._bot.send_photo(user, BufferedInputFile(picture, "picture.jpg"))
        else:
            await self._bot.send_message(user, "I am sorry, that photo cannot be read. Your credit is back.")
        checkpoint("send", bytes=len(picture))
