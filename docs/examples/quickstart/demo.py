"""Plays some hundred users of the bot at once, then asks perftrace where the time went."""

import asyncio
import logging
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bot import Bot, Refused
from service import running_service

from perftrace.cli import main as perftrace

USERS = 60
CLICKS, PHOTOS, CONFIRMATIONS = 150, 80, 70
IMPATIENT = 0.1
"""The share of users who leave before their picture is there."""


def make_database(path: Path) -> None:
    """Create the users; each sixth has no credits."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, state TEXT, credits INTEGER)")
        connection.execute("CREATE TABLE pictures (user_id INTEGER, picture TEXT)")
        rows = [(user, f"user {user}", "idle", 0 if user % 6 == 0 else 9) for user in range(USERS)]
        connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", rows)


async def play(bot: Bot) -> dict[str, int]:
    """Let the users come over two seconds, in an order that is the same at every run."""
    dice = random.Random(7)
    visits = [bot.on_button] * CLICKS + [bot.on_photo] * PHOTOS + [bot.on_confirm] * CONFIRMATIONS
    dice.shuffle(visits)

    async def visit(number: int) -> str:
        handler, user = visits[number], dice.randrange(USERS)
        patience = 0.15 if handler == bot.on_confirm and dice.random() < IMPATIENT else 30
        await asyncio.sleep(2 * number / len(visits))
        try:
            await asyncio.wait_for(handler(user), patience)
        except TimeoutError:
            return "left early"
        except (Refused, ConnectionError):
            return "failed"
        return "answered"

    results = await asyncio.gather(*(visit(number) for number in range(len(visits))))
    return {result: results.count(result) for result in ("answered", "failed", "left early")}


def main() -> int:
    """Run the bot and the report on its log; returns the report's exit status."""
    folder = Path(tempfile.mkdtemp(prefix="perftrace-quickstart-"))
    log = folder / "bot.log"
    logging.basicConfig(
        filename=log,
        encoding="utf-8",
        level=logging.INFO,
        format="%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    )
    make_database(folder / "bot.sqlite")
    began = time.monotonic()
    with running_service() as service:
        print(f"Playing {CLICKS} clicks, {PHOTOS} photos and {CONFIRMATIONS} confirmations against {service} ...")
        results = asyncio.run(play(Bot(folder / "bot.sqlite", service)))
    print(f"{time.monotonic() - began:.1f}s: {', '.join(f'{count} {what}' for what, count in results.items())}")
    print(f"\n$ perftrace report {log}\n", flush=True)
    return perftrace(["report", str(log)])


if __name__ == "__main__":
    sys.exit(main())
