"""The bot's memory in SQLite: users with their credits, what they are about to do, and their jobs."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE users (id INTEGER PRIMARY KEY, credits INTEGER NOT NULL, feature TEXT, file_id TEXT);
CREATE TABLE jobs (id TEXT PRIMARY KEY, user INTEGER NOT NULL, feature TEXT NOT NULL, state TEXT NOT NULL);
-- Planted: each click counts a user's visits in here, and there is no index on `user`.
CREATE TABLE visits (user INTEGER NOT NULL);
"""
OLD_VISITS = 1_500_000


class Database:
    """A connection for each statement, in a thread beside the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @staticmethod
    def create(path: Path, users: int) -> None:
        """Make the file: each sixth user has no credits, and there were many visits before."""
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(SCHEMA)
            rows = [(user, 0 if user % 6 == 0 else 3) for user in range(1, users + 1)]
            connection.executemany("INSERT INTO users (id, credits) VALUES (?, ?)", rows)
            connection.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                "INSERT INTO visits SELECT i % ? FROM n",
                (OLD_VISITS, users),
            )

    async def visits(self, user: int) -> int:
        """How often the user was here."""
        found = await self._run("SELECT count(*) FROM visits WHERE user = ?", user)
        return 0 if found is None else int(str(found[0]))

    async def get_user(self, user: int) -> tuple[int, str | None, str | None] | None:
        """Credits, the feature chosen, the photo sent; None for a stranger."""
        return await self._run("SELECT credits, feature, file_id FROM users WHERE id = ?", user)  # type: ignore[return-value]

    async def choose(self, user: int, feature: str | None) -> None:
        """Note, or forget, what is to be made of the next photo."""
        await self._run("UPDATE users SET feature = ? WHERE id = ?", feature, user)

    async def keep_photo(self, user: int, file_id: str | None) -> None:
        """Note, or forget, the photo that waits for its confirmation."""
        await self._run("UPDATE users SET file_id = ? WHERE id = ?", file_id, user)

    async def take_credit(self, user: int, job: str, feature: str) -> bool:
        """Take a credit and open a job; False if there is none left, even if another update takes it just now."""
        sql = "UPDATE users SET credits = credits - 1 WHERE id = ? AND credits > 0 RETURNING credits"
        if await self._run(sql, user) is None:
            return False
        await self._run("INSERT INTO jobs VALUES (?, ?, ?, 'open')", job, user, feature)
        return True

    async def accept_job(self, job: str) -> None:
        """Note that the image service has a job, unless its answer was faster."""
        await self._run("UPDATE jobs SET state = 'accepted' WHERE id = ? AND state = 'open'", job)

    async def finish_job(self, job: str, *, is_done: bool) -> int | None:
        """End a job, once; None if it has ended or never was, else its user, who gets the credit of a failure back."""
        sql = "UPDATE jobs SET state = ? WHERE id = ? AND state IN ('open', 'accepted') RETURNING user"
        found = await self._run(sql, "done" if is_done else "failed", job)
        if found is None:
            return None
        user = int(str(found[0]))
        if not is_done:
            await self._run("UPDATE users SET credits = credits + 1 WHERE id = ?", user)
        return user

    async def has_job(self, job: str) -> bool:
        """Tell whether there is such a job, whatever its state."""
        return await self._run("SELECT 1 FROM jobs WHERE id = ?", job) is not None

    async def _run(self, sql: str, *values: object) -> tuple[object, ...] | None:
        """Run a statement; gives its first row."""

        def run() -> tuple[object, ...] | None:
            with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
                row: tuple[object, ...] | None = connection.execute(sql, values).fetchone()
                return row

        return await asyncio.to_thread(run)
