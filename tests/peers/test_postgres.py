"""SQLAlchemy over PostgreSQL, plain and with asyncio."""

import asyncio

import pytest
import sqlalchemy
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import perftrace
from perftrace.integrations import instrument
from perftrace.testing import capture

STATEMENTS = ["CREATE TEMPORARY TABLE users (id INTEGER PRIMARY KEY)", "INSERT INTO users VALUES (1)"]


def plain(url):
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://{url}")
    with perftrace.operation("handler"), engine.begin() as connection:
        for statement in STATEMENTS:
            connection.execute(text(statement))
        connection.execute(text("SELECT pg_sleep(:s)"), {"s": 0.05})
        with pytest.raises(sqlalchemy.exc.IntegrityError):
            connection.execute(text(STATEMENTS[1]))
        connection.rollback()
    engine.dispose()


async def with_asyncio(url):
    engine = create_async_engine(f"postgresql+asyncpg://{url}")
    with perftrace.operation("handler"):
        async with engine.connect() as connection:
            for statement in STATEMENTS:
                await connection.execute(text(statement))
            await connection.execute(text("SELECT pg_sleep(:s)"), {"s": 0.05})
            with pytest.raises(sqlalchemy.exc.IntegrityError):
                await connection.execute(text(STATEMENTS[1]))
            await connection.rollback()
    await engine.dispose()


@pytest.mark.parametrize("run", [plain, lambda url: asyncio.run(with_asyncio(url))], ids=["psycopg", "asyncpg"])
def test_a_statement_takes_as_long_as_the_server_does(postgres, run):
    """A child of the handler; what the server refuses is a failure."""
    instrument("sqlalchemy")
    with capture() as records:
        run(postgres)
    (handler,) = (r for r in records if r.name == "handler")
    ours = [r for r in records if r.parent_id == handler.span_id][-4:]
    assert [(r.name, r.outcome) for r in ours] == [
        ("sql CREATE", "ok"), ("sql INSERT", "ok"), ("sql SELECT", "ok"), ("sql INSERT", "error"),
    ]  # fmt: skip
    assert ours[2].duration_ns >= 50_000_000
    assert ours[0].attributes["db.system.name"] == "postgresql"
