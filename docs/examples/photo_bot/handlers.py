"""The photo studio: choose what is to be made, send a photo, confirm, and get the picture."""

import asyncio
import uuid

from aiogram import Bot, F, Router
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message
from api_client import StudioClient, StudioError
from database import Database
from pictures import FEATURES

from perftrace import annotate, checkpoint, current_operation

BUTTONS = InlineKeyboardMarkup(
    inline_keyboard=[
        [InlineKeyboardButton(text="Confirm", callback_data="confirm")],
        [InlineKeyboardButton(text="Cancel", callback_data="cancel")],
    ]
)
router = Router()
running: dict[int, asyncio.Task[object]] = {}
"""The confirmations at work, by user."""
background: set[asyncio.Task[object]] = set()


def in_background(work: object) -> None:
    """Run a coroutine that nobody waits for."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    background.add(task)
    task.add_done_callback(background.discard)


def refuse(reason: str) -> None:
    """Note in the trace why the user did not get what they wanted."""
    handle = current_operation()
    if handle is not None:
        handle.fail(reason)


@router.callback_query(F.data.startswith("feature:"))
async def button_click(query: CallbackQuery, bot: Bot, database: Database) -> None:
    """Note what is to be made of the next photo."""
    visits = await database.visits(query.from_user.id)
    checkpoint("check_state", "look how often the user was here", visits=visits)
    feature = (query.data or "").partition(":")[2]
    is_known = feature in FEATURES
    checkpoint("look_up", feature=feature)
    if is_known:
        await database.choose(query.from_user.id, feature)
        await bot.send_message(query.from_user.id, f"Send me the photo for {feature}.")
    checkpoint("handle")
    await query.answer()


@router.message(F.photo)
async def photo_message(message: Message, bot: Bot, database: Database) -> None:
    """Keep a photo until the user confirms."""
    in_background(bot.send_chat_action(message.chat.id, "upload_photo"))
    checkpoint("schedule", "show that something happens")
    user = None if message.from_user is None else await database.get_user(message.from_user.id)
    checkpoint("get_user")
    photo = message.photo[-1]  # type: ignore[index]  # the filter saw to it
    checkpoint("photo_info", width=photo.width, sizes=len(message.photo or ()))
    feature = None if user is None else user[1]
    checkpoint("check_state", feature=feature or "")
    if message.from_user is None or feature is None:
        refuse("no feature chosen")
        await message.answer("Choose first what I shall make of it.")
        return
    await database.keep_photo(message.from_user.id, photo.file_id)
    await message.answer(f"Shall I make a {feature} of it? It costs a credit.", reply_markup=BUTTONS)
    checkpoint("choose_feature", "ask for the confirmation")


@router.callback_query(F.data == "confirm")
async def confirm_generation(query: CallbackQuery, bot: Bot, database: Database, studio: StudioClient) -> None:
    """Have the picture made: it comes by the image service's callback."""
    user_id = query.from_user.id
    task = asyncio.current_task()
    if task is None or user_id in running:  # the same click twice
        annotate(duplicate=True)
        return
    running[user_id] = task
    try:
        await generate(user_id, bot, database, studio)
    finally:
        del running[user_id]


async def generate(user_id: int, bot: Bot, database: Database, studio: StudioClient) -> None:
    """Go through the steps of a confirmation; whatever goes wrong, the user hears of it and keeps the credit."""
    user = await database.get_user(user_id)
    checkpoint("get_user")
    credits_left, feature, file_id = user or (0, None, None)
    if feature is None or file_id is None:
        annotate(duplicate=True)  # confirmed before, or never asked
        return
    checkpoint("check_credits", credits=credits_left)
    job = uuid.uuid4().hex
    checkpoint("file_id", job=job)
    if not await database.take_credit(user_id, job, feature):
        refuse("insufficient credits")
        await bot.send_message(user_id, "You have no credits left.")
        return
    checkpoint("take_credit")
    try:
        # Planted: the original comes slowly, where the preview would do.
        photo = await bot.download(file_id)
        data = b"" if photo is None else photo.read()
        checkpoint("download", bytes=len(data))
        await studio.order(job, feature, data)
        checkpoint("call_api")
    except StudioError as error:
        refuse(str(error))
        await database.finish_job(job, is_done=False)
        await bot.send_message(user_id, "I am sorry, the studio is closed. Your credit is back.")
        return
    except BaseException:
        await database.finish_job(job, is_done=False)
        raise
    await database.accept_job(job)
    checkpoint("save_job")
    await database.choose(user_id, None)
    await database.keep_photo(user_id, None)
    checkpoint("clear_state")


@router.callback_query(F.data == "cancel")
async def cancel(query: CallbackQuery, bot: Bot, database: Database) -> None:
    """Stop a confirmation that is at work."""
    task = running.get(query.from_user.id)
    if task is not None:
        task.cancel()
        await bot.send_message(query.from_user.id, "It is cancelled.")
    await query.answer()


@router.callback_query()
async def unknown_button(query: CallbackQuery) -> None:
    """Answer a click on a button of long ago."""
    await query.answer("That button does nothing any more.")


@router.message()
@router.channel_post()
async def other_message(message: Message) -> None:
    """Answer whatever else is written."""
    await message.answer("Click a button, then send me a photo.")
