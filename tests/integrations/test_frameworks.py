"""Frameworks that look at what they are given see the undecorated function."""

from __future__ import annotations

import asyncio
import inspect

import aiogram
import click
import fastapi
import httpx
import pytest
from aiogram.client.session.base import BaseSession
from click.testing import CliRunner

from perftrace import checkpoint, timed
from perftrace.testing import tree_text


def get_user(user: str = "nobody") -> str:
    return user


@timed(operation="buy", key="item")
async def buy(
    item: int, count: int = 1, user: str = fastapi.Depends(timed(operation="get_user")(get_user))
) -> dict[str, object]:
    """Postponed annotations and a dependency."""
    checkpoint("bought")
    return {"item": item, "count": count, "user": user}


@timed(operation="stock")
def stock(item: int) -> int:
    """Run in FastAPI's thread pool."""
    return item * 2


def test_fastapi_reads_parameters_and_runs_each_kind(records):
    """Validation, dependencies and the thread pool as without the decorator."""
    app = fastapi.FastAPI()
    app.post("/buy/{item}")(buy)
    app.get("/stock")(stock)

    async def main():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
            bought = await client.post("/buy/7", params={"count": 3, "user": "ann"})
            refused = await client.post("/buy/seven")
            stocked = await client.get("/stock", params={"item": 4})
            return bought.json(), refused.status_code, stocked.json()

    assert asyncio.run(main()) == ({"item": 7, "count": 3, "user": "ann"}, 422, 8)
    assert tree_text(records) == "get_user 0ms\nbuy 0ms\n  bought 0ms\nget_user 0ms\nstock 0ms\n"


def test_click_reads_options_and_docstring(records):
    """On either side of the command's own decorators."""

    @click.command()
    @click.option("--count", default=1)
    @timed(operation="hello")
    def hello(count):
        """Say hello."""
        click.echo("hello " * count)

    runner = CliRunner()
    assert runner.invoke(hello, ["--count", "2"]).output == "hello hello \n"
    assert "Say hello." in runner.invoke(hello, ["--help"]).output
    assert [r.name for r in records] == ["hello"]


class Deaf(BaseSession):
    """Answers nothing: the handlers below reply to nobody."""

    async def close(self):
        pass

    async def make_request(self, bot, method, timeout=None):
        raise AssertionError(method)

    async def stream_content(self, *arguments, **options):
        yield b""


def test_aiogram_passes_only_the_arguments_that_a_handler_takes(records):
    """It looks at the signature of what is registered."""
    seen = []
    router = aiogram.Router()

    @router.message(aiogram.F.text == "hi")
    @timed(operation="on_message", key="message.from_user.id")
    async def on_message(message: aiogram.types.Message, extra: str):
        checkpoint("seen")
        seen.append((message.text, extra))

    async def main():
        dispatcher = aiogram.Dispatcher(extra="more")
        dispatcher.include_router(router)
        bot = aiogram.Bot("42:TEST", session=Deaf())
        chat = {"id": 5, "type": "private"}
        user = {"id": 5, "is_bot": False, "first_name": "Ann"}
        message = {"message_id": 1, "date": 0, "chat": chat, "from": user, "text": "hi"}
        await dispatcher.feed_update(bot, aiogram.types.Update.model_validate({"update_id": 1, "message": message}))

    asyncio.run(main())
    assert seen == [("hi", "more")]
    assert [(r.name, r.key, r.key_name) for r in records] == [("on_message", "5", "id")]


@pytest.fixture
@timed(operation="fixture")
def made(request):
    """Give the test's name."""
    yield request.node.name  # noqa: PT022  # a generator is what is tried


def test_a_pytest_fixture_may_be_timed(made):
    """It gets what it asks for by name."""
    assert made == "test_a_pytest_fixture_may_be_timed"


@timed
@pytest.mark.parametrize("value", [1, 2])
def test_a_test_itself_may_be_timed(value):
    """Marks and arguments stay."""
    assert value in (1, 2)


def test_inspect_unwraps_to_the_undecorated_function():
    """And reads annotations in its module."""
    assert inspect.unwrap(buy) is buy.__wrapped__
    assert inspect.get_annotations(stock, eval_str=True) == {"item": int, "return": int}
