"""A small photo bot. Everything that perftrace needs is in the lines with `timed` and `checkpoint`."""

import asyncio
import sqlite3
import urllib.parse
from contextlib import closing
from pathlib import Path

from perftrace import checkpoint, timed


class Refused(Exception):  # noqa: N818  # it is an answer, not a fault
    """The user has no credits left."""


class Bot:
    """Answers clicks, photos and confirmations; keeps its users in SQLite, asks an HTTP service for pictures."""

    def __init__(self, database: Path, service: str) -> None:
        self.database = database
        self.host, _, port = service.partition(":")
        self.port = int(port)

    @timed(operation="button_click", key="user_id", description="用户 {user_id} 点击按钮", done="按钮处理完成")
    async def on_button(self, user_id: int) -> str:
        """Answer a click: look up the user, remember the state, reply."""
        user = await self.get_user(user_id)
        checkpoint("get_user", "获取用户信息")
        await self.query("UPDATE users SET state = 'waiting' WHERE id = ?", user_id)
        checkpoint("set_state", "设置用户状态")
        reply = await self.fetch(f"/reply?to={user_id}")
        checkpoint("send_reply", "发送回复消息")
        return f"{user}: {reply}"

    @timed(operation="photo_message", key="user_id", description="用户 {user_id} 发送照片")
    async def on_photo(self, user_id: int) -> str:
        """Answer a photo: look up the user, fetch the file."""
        await self.get_user(user_id)
        checkpoint("get_user", "获取用户信息")
        photo = await self.fetch(f"/photo?of={user_id}")
        checkpoint("download", "下载照片", bytes=len(photo))
        return photo

    @timed(operation="confirm_generation", key="user_id", description="用户 {user_id} 确认生成", slow=0.5)
    async def on_confirm(self, user_id: int) -> str:
        """Answer a confirmation: take a credit, have the picture made, keep it."""
        await self.get_user(user_id)
        checkpoint("get_user", "获取用户信息")
        if not await self.query("UPDATE users SET credits = credits - 1 WHERE id = ? AND credits > 0", user_id):
            raise Refused(f"user {user_id} has no credits")
        checkpoint("take_credit", "扣除积分")
        picture = await self.fetch(f"/generate?for={user_id}")
        checkpoint("call_api", "调用生成接口")
        await self.query("INSERT INTO pictures VALUES (?, ?)", user_id, picture)
        checkpoint("save", "保存结果")
        return picture

    async def get_user(self, user_id: int) -> str:
        """Look up a user's name."""
        rows = await self.query("SELECT name FROM users WHERE id = ?", user_id)
        return str(rows)

    async def query(self, sql: str, *values: object) -> object:
        """Run a statement in a thread: the rows of a SELECT, else how many rows changed."""

        def run() -> object:
            with closing(sqlite3.connect(self.database, timeout=30)) as connection, connection:
                connection.execute("PRAGMA synchronous = OFF")  # a demo waits for no disk
                cursor = connection.execute(sql, values)
                return cursor.fetchall() if cursor.description else cursor.rowcount

        return await asyncio.to_thread(run)

    async def fetch(self, path: str) -> str:
        """GET a path of the service; raises ConnectionError if it answers with anything but 200."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        with closing(writer):
            writer.write(f"GET {urllib.parse.quote(path, safe='/?=')} HTTP/1.0\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1]
        if status != b"200":
            raise ConnectionError(f"the service answers {status.decode()}")
        return body.decode()
