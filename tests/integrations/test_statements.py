"""SQL: names of statements, and who traces them where one library runs on another."""

import asyncio
import sqlite3
from sqlite3 import dbapi2

import aiosqlite
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.statements import statement_name
from perftrace.testing import capture


@pytest.fixture(autouse=True)
def _instrumented():
    instrument("sqlalchemy", "sqlite3")
    yield
    uninstrument("sqlalchemy", "sqlite3")


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("select 1", "sql SELECT"), ("/* app='bot' */ select 1", "sql SELECT"), ("-- who\nselect 1", "sql SELECT"),
        ("select(1)", "sql SELECT"), ("/* a */ -- b\n /* c */ insert into t", "sql INSERT"),
        ("(select 1)", "sql SELECT"),
        (";;\n\tUPDATE t", "sql UPDATE"), ("/* drop */with x as (select 1) select", "sql WITH"),
        ("-- only", "sql (unnamed)"),
        ("", "sql (unnamed)"), ("/* never closed", "sql (unnamed)"), ("'x'", "sql (unnamed)"), (None, "sql NONE"),
    ],
)  # fmt: skip
def test_a_statement_is_named_by_its_first_word(statement, name):
    """Whatever comments and brackets stand before and behind it."""
    assert statement_name(statement) == name


@given(st.text("/*- \n(;select", max_size=200))
def test_any_text_has_a_short_name(statement):
    """In no time: comments without end are no trap."""
    assert len(statement_name(statement)) <= len(statement) + 14
    assert statement_name("/*" * 50_000 + statement) == "sql (unnamed)"


def test_statements_of_aiosqlite_belong_to_the_handler_that_awaits_them():
    """Though a thread of its own runs them."""

    async def main():
        async with aiosqlite.connect(":memory:") as connection:
            await connection.execute("create table t (x)")
            with capture() as records:
                with perftrace.operation("handler"):
                    await connection.execute("insert into t values (1)")
                    async with connection.execute("select * from t") as rows:
                        assert [*await rows.fetchall()] == [(1,)]
                    await connection.commit()
                await connection.execute("select 2")
            return records

    *inside, handler, outside = asyncio.run(main())
    assert [record.name for record in inside] == ["sql INSERT", "sql SELECT", "sql COMMIT"]
    assert {record.parent_id for record in inside} == {handler.span_id}
    assert (outside.name, outside.parent_id) == ("sql SELECT", None)


def test_sqlalchemys_statements_are_traced_once_whatever_runs_them():
    """By the engine, not by the driver too; the engine's own at the beginning are nobody's."""

    async def with_asyncio():
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.connect() as connection:
            await connection.execute(sqlalchemy.text("select 1"))
        await engine.dispose()

    with capture() as records:
        engine = sqlalchemy.create_engine("sqlite://")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))
            with pytest.raises(sqlalchemy.exc.OperationalError):
                connection.execute(sqlalchemy.text("select nothing from nowhere"))
        engine.dispose()
        asyncio.run(with_asyncio())
        own = sqlalchemy.create_engine("sqlite://", creator=lambda: sqlite3.connect(":memory:"))  # a traced connection
        with own.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))
        own.dispose()
    texts = [record.attributes.get("db.query.text") for record in records]
    assert texts.count("select 1") == 3
    assert texts.count("select nothing from nowhere") == 1
    with capture() as records:
        bare = sqlite3.connect(":memory:")
        bare.execute("select 3")
        bare.close()
    assert [record.name for record in records] == ["sql SELECT"]  # nobody is quiet after an error


def test_connections_of_dbapi2_are_traced_too():
    """It is the same module by another name."""
    with capture() as records:
        connection = dbapi2.connect(":memory:")
        connection.execute("select 1")
        connection.close()
    assert [record.name for record in records] == ["sql SELECT"]
