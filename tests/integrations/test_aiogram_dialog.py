"""Dialogs of aiogram-dialog: each has handlers of one name, and is told by its group of states."""

import asyncio

import aiogram
import pytest
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.memory import MemoryStorage

import perftrace
from perftrace.integrations import instrument
from perftrace.testing import capture

from .bot_api import click, message
from .test_aiogram import Silent


class Menu(StatesGroup):
    main = State()


class Order(StatesGroup):
    name = State()


class Answering(Silent):
    """Gives a message where one was sent."""

    async def make_request(self, bot, method, timeout=None):
        if type(method).__name__ in ("SendMessage", "EditMessageText"):
            return aiogram.types.Message.model_validate(message(9, "sent")["message"])
        return True


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dialogs_are_told_by_their_states():
    """What their widgets do belongs to them."""
    from aiogram_dialog import Dialog, StartMode, Window, setup_dialogs
    from aiogram_dialog.widgets.input import MessageInput
    from aiogram_dialog.widgets.kbd import Button
    from aiogram_dialog.widgets.text import Const

    async def on_click(query, button, manager):
        perftrace.checkpoint("clicked")
        await manager.start(Order.name)

    async def on_input(message, widget, manager):
        perftrace.checkpoint("read")

    dialogs = [
        Dialog(Window(Const("menu"), Button(Const("go"), id="go", on_click=on_click), MessageInput(on_input),
                      state=Menu.main)),
        Dialog(Window(Const("order"), MessageInput(on_input), state=Order.name)),
    ]  # fmt: skip

    async def main():
        dispatcher = aiogram.Dispatcher(storage=MemoryStorage())

        @dispatcher.message(aiogram.F.text == "/start")
        async def start(message, dialog_manager):
            await dialog_manager.start(Menu.main, mode=StartMode.RESET_STACK)

        dispatcher.include_routers(*dialogs)
        setup_dialogs(dispatcher)
        bot = aiogram.Bot("42:TEST", session=Answering())
        clicked = click(3)
        clicked["callback_query"] |= {"data": "go", "message": message(9, "sent")["message"]}
        for update in (message(1, "/start"), message(2, "text"), clicked, message(4, "Ann")):
            await dispatcher.feed_raw_update(bot, update)

    instrument("aiogram")
    with capture() as records:
        asyncio.run(main())
    handled = [(record.name, record.checkpoints[-1].name) for record in records if "telegram.type" in record.attributes]
    assert handled == [
        ("start", "dispatch"), ("Menu.message_handler", "read"), ("Menu.callback_handler", "clicked"),
        ("Order.message_handler", "read"),
    ]  # fmt: skip
