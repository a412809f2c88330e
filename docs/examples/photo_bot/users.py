"""Plays the bot's users against the stand-in for Telegram: the same ones, with the same whims, at every run."""

import asyncio
import random
import sys
from collections import Counter

from aiohttp import web
from bot_api import Answer, BotApi

FEATURES = ("restore", "sketch", "sepia", "upscale")
ARRIVE_A_SECOND = 2
PATIENCE = 20.0


class User:
    """Clicks, sends a photo, confirms, and waits for the picture."""

    def __init__(self, number: int, arrive_within: float, api: BotApi, dice: random.Random) -> None:
        self.number = number
        self.api = api
        self.arrives = dice.uniform(0, arrive_within)
        self.feature = dice.choice(FEATURES)
        self.thinks = dice.uniform(0.05, 0.3)
        self.cancels = dice.random() < 0.08
        self.stutters = dice.random() < 0.1
        """Whether Telegram delivers a confirmation twice."""

    async def play(self) -> str:
        """Go through the studio; tells what came of it."""
        await asyncio.sleep(self.arrives)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._visit()
        except TimeoutError:
            return "heard nothing"

    async def _visit(self) -> str:
        photo = [{"file_id": f"{size}/{self.number}", "file_unique_id": f"{size}{self.number}", "width": side,
                  "height": side} for size, side in (("preview", 160), ("original", 320))]  # fmt: skip
        await self._hand_in(self.api.click(self.number, f"feature:{self.feature}"))
        await self._hears("sendMessage")
        await asyncio.sleep(self.thinks)
        await self._hand_in({"message": self.api.message(self.number, photo=photo)})
        await self._hears("sendMessage")
        await asyncio.sleep(self.thinks)
        await self._hand_in(self.api.click(self.number, "confirm"), times=2 if self.stutters else 1)
        if self.cancels:
            await asyncio.sleep(0.1)
            await self._hand_in(self.api.click(self.number, "cancel"))
        while True:
            answer = await self._hears("sendMessage", "sendPhoto")
            if answer["method"] == "sendPhoto":
                return "got a picture"
            for word in ("credits", "sorry", "cancelled"):
                if word in answer["text"]:
                    return {"credits": "had no credits", "sorry": "got an apology", "cancelled": "cancelled"}[word]

    async def _hand_in(self, update: Answer, times: int = 1) -> None:
        await self.api.hand_in(update, times=times)

    async def _hears(self, *methods: str) -> Answer:
        while True:
            answer = await self.api.inbox(self.number).get()
            if answer["method"] in methods:
                return answer


async def strange_updates(api: BotApi) -> None:
    """Hand in what a bot meets one day: no user, no chat to answer in, nothing expected, a clock that is wrong."""
    await asyncio.sleep(1)
    anonymous = {name: value for name, value in api.message(999_001, text="hello").items() if name != "from"}
    no_message = {name: value for name, value in api.click(1, "confirm")["callback_query"].items() if name != "message"}
    ahead = api.message(999_002, text="from the future")
    for update in (
        {"channel_post": anonymous},
        {"callback_query": no_message},
        api.click(999_003, "no such button"),
        {"message": {**ahead, "date": ahead["date"] + 3600}},
        {"message": api.message(999_004, text="from a stranger")},
    ):  # fmt: skip
        await api.hand_in(update)


async def main(port: int, count: int) -> None:
    """Serve on a port, and when the bot is there, let so many users come; print what came of them in one line."""
    api = BotApi()
    runner = web.AppRunner(api.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.wait_for(api.is_awake.wait(), 30)
    dice = random.Random(7)
    users = [User(number, count / ARRIVE_A_SECOND, api, dice) for number in range(1, count + 1)]
    results, _ = await asyncio.gather(asyncio.gather(*(user.play() for user in users)), strange_updates(api))
    print(", ".join(f"{count} {what}" for what, count in sorted(Counter(results).items())), flush=True)
    await asyncio.Event().wait()  # the bot may still ask


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
