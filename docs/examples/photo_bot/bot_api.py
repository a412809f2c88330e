"""Stands in for Telegram: the part of its Bot API that the bot uses, and its users' side of the chats."""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from typing import Any

import aiohttp
from aiohttp import web
from pictures import old_photo

BYTES_PER_SECOND = 40_000
"""How fast files come."""
SIZES = {"preview": (160, 120), "original": (320, 240)}
BOT = {"id": 42, "is_bot": True, "first_name": "Photo studio", "username": "photo_studio_bot"}
Answer = dict[str, Any]


class BotApi:
    """Serves the bot by long polling or webhook; users hand in updates and wait for what the bot sends them."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._message_ids = itertools.count(1)
        self._updates: list[Answer] = []
        self._changed = asyncio.Condition()
        self._webhook = ""
        self._inboxes: defaultdict[int, asyncio.Queue[Answer]] = defaultdict(asyncio.Queue)
        self.is_awake = asyncio.Event()
        """Set when the bot has asked for its updates, one way or the other."""

    def app(self) -> web.Application:
        """Make the web application."""
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/bot{token}/{method}", self._on_call)
        app.router.add_get("/file/bot{token}/{size}/{number}", self._on_file)
        return app

    def inbox(self, user: int) -> asyncio.Queue[Answer]:
        """Give what the bot sends to a user: method and parameters."""
        return self._inboxes[user]

    async def hand_in(self, update: Answer, *, times: int = 1) -> None:
        """Deliver an update; more than once, as Telegram does when it did not hear of the first delivery."""
        update = {"update_id": next(self._ids), **update}
        for _ in range(times):
            if self._webhook:
                async with aiohttp.ClientSession() as session, session.post(self._webhook, json=update) as answer:
                    await answer.read()
            else:
                async with self._changed:
                    self._updates.append(update)
                    self._changed.notify_all()

    def message(self, user: int, **fields: Any) -> Answer:
        """Make a user's message."""
        who = {"id": user, "is_bot": False, "first_name": f"User {user}"}
        chat = {"id": user, "type": "private"}
        common = {"message_id": next(self._message_ids), "date": int(time.time()), "chat": chat, "from": who}
        return {**common, **fields}

    def click(self, user: int, data: str) -> Answer:
        """Make a user's click on a button."""
        message = self.message(user, text="…")
        return {"callback_query": {"id": str(next(self._message_ids)), "from": message["from"], "message": message,
                                   "chat_instance": "1", "data": data}}  # fmt: skip

    async def _on_call(self, request: web.Request) -> web.Response:
        """Answer a method of the Bot API."""
        parameters = dict(await request.post())
        method = request.match_info["method"]
        answers = {"getMe": self._get_me, "getUpdates": self._get_updates, "setWebhook": self._set_webhook,
                   "deleteWebhook": self._set_webhook, "getFile": self._get_file}  # fmt: skip
        result = await answers.get(method, self._send)(parameters, method)
        return web.json_response({"ok": True, "result": result})

    async def _get_me(self, parameters: Answer, method: str) -> Answer:
        return BOT

    async def _set_webhook(self, parameters: Answer, method: str) -> bool:
        self._webhook = parameters.get("url", "") if method == "setWebhook" else ""
        if self._webhook:
            self.is_awake.set()
        return True

    async def _get_updates(self, parameters: Answer, method: str) -> list[Answer]:
        """Wait for updates, and give them away."""
        self.is_awake.set()
        async with self._changed:
            try:
                async with asyncio.timeout(float(parameters.get("timeout", 0))):
                    await self._changed.wait_for(lambda: self._updates)
            except TimeoutError:
                return []
            # One after the other: an update that is delivered again comes with another answer.
            return [self._updates.pop(0)]

    async def _get_file(self, parameters: Answer, method: str) -> Answer:
        file_id = parameters["file_id"]
        return {"file_id": file_id, "file_unique_id": file_id, "file_path": file_id}

    async def _send(self, parameters: Answer, method: str) -> Answer | bool:
        """Take whatever the bot sends to a chat."""
        if "chat_id" not in parameters:
            return True
        user = int(parameters["chat_id"])
        self.inbox(user).put_nowait({"method": method, **parameters})
        return self.message(user, text="…") if method != "sendChatAction" else True

    async def _on_file(self, request: web.Request) -> web.StreamResponse:
        """Give a photo, as fast as the line is."""
        size = request.match_info["size"]
        photo = await asyncio.to_thread(old_photo, int(request.match_info["number"]), *SIZES[size])
        response = web.StreamResponse(headers={"content-length": str(len(photo))})
        with contextlib.suppress(ConnectionError):  # a download that is cancelled
            await response.prepare(request)
            for start in range(0, len(photo), 1024):
                await response.write(photo[start : start + 1024])
                await asyncio.sleep(1024 / BYTES_PER_SECOND)
        return response
