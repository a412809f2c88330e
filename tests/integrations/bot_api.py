"""A stand-in for Telegram's servers, and updates to deliver."""

import time

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

CHAT = {"id": 5, "type": "private"}
USER = {"id": 7, "is_bot": False, "first_name": "Ann"}
BOT = {"id": 42, "is_bot": True, "first_name": "Bot", "username": "bot"}


def message(update_id, text, **changes):
    fields = {"message_id": update_id, "date": int(time.time()) - 3, "chat": CHAT, "from": USER, "text": text}
    return {"update_id": update_id, "message": {**fields, **changes}}


def click(update_id):
    return {"update_id": update_id, "callback_query": {"id": "1", "from": USER, "chat_instance": "x", "data": "go"}}


def telegram(updates):
    """Stand in for Telegram: gives the updates once, in one answer, and takes whatever is sent."""
    waiting = list(updates)

    async def method(request):
        await request.body()
        name = request.path_params["method"].lower()
        if name == "getupdates":
            given, waiting[:] = list(waiting), []
            return JSONResponse({"ok": True, "result": given})
        if name == "getme":
            return JSONResponse({"ok": True, "result": BOT})
        return JSONResponse({"ok": True, "result": message(1, "sent")["message"]})

    return Starlette(routes=[Route("/bot{token}/{method}", method, methods=["GET", "POST"])])
