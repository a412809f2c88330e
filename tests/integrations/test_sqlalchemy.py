"""SQLAlchemy over SQLite."""

import asyncio

import pytest
import sqlalchemy
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine

import perftrace
from perftrace.integrations import instrument, uninstrument


@pytest.fixture
def engine():
    engine = sqlalchemy.create_engine("sqlite://")
    yield engine
    engine.dispose()


def test_each_statement_is_an_operation_without_its_values(engine, records):
    """A child of the current operation, and current no more when it is over."""
    instrument("sqlalchemy")
    with perftrace.operation("handler") as handler, engine.begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER, name TEXT)"))
        connection.execute(text("insert into users values (:id, :name)"), [{"id": n, "name": "secret"} for n in (1, 2)])
        assert connection.execute(text("SELECT count(*) FROM users WHERE name = :n"), {"n": "secret"}).scalar() == 2
        assert perftrace.current_operation() == handler
    *statements, _ = records
    assert [r.name for r in statements] == ["sql CREATE", "sql INSERT", "sql SELECT"]
    assert {r.parent_id for r in statements} == {handler.span_id}
    assert statements[2].attributes["db.query.text"] == "SELECT count(*) FROM users WHERE name = ?"
    assert [r.attributes["db.many"] for r in statements] == [False, True, False]
    assert not any("secret" in str(r.attributes) for r in records)


def test_a_failure_is_the_callers_and_the_operations(engine, records):
    """The driver's own error is told; nothing stays current."""
    instrument("sqlalchemy")
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError):
        connection.execute(text("SELECT * FROM nowhere"))
    (record,) = records
    assert (record.outcome, record.error_type, record.error) == ("error", "OperationalError", "no such table: nowhere")


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), ValueError("odd")])
def test_whatever_ends_a_statement_ends_its_operation(engine, records, error):
    """Exceptions that are not the driver's, too."""
    instrument("sqlalchemy")

    @event.listens_for(engine, "do_execute")
    def fail(*arguments):
        raise error

    with pytest.raises(type(error)), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert [r.outcome for r in records] == ["cancelled" if isinstance(error, asyncio.CancelledError) else "error"]


def test_another_listener_that_raises_leaves_nothing_current(engine, records):
    """The statement never ran; there is nothing to tell."""
    instrument("sqlalchemy")

    @event.listens_for(engine, "before_cursor_execute")
    def refuse(*arguments):
        raise PermissionError("refused")

    with engine.connect() as connection, pytest.raises(PermissionError):
        connection.execute(text("SELECT 1"))
    assert perftrace.current_operation() is None


def test_without_a_sink_or_uninstrumented_nothing_is_done(engine, records):
    """Of engines that were made before, too."""
    instrument("sqlalchemy")
    guards = perftrace.tracing.configuration.tracer.guards
    perftrace.tracing.configuration.tracer.set_guards(())
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    perftrace.tracing.configuration.tracer.set_guards(guards)
    uninstrument("sqlalchemy")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert records == []


def test_an_engine_with_asyncio_is_traced_too(records):
    """Its statements belong to the operation of the coroutine."""
    instrument("sqlalchemy")

    async def main():
        engine = create_async_engine("sqlite+aiosqlite://")
        async with perftrace.operation("handler"), engine.connect() as connection:
            assert (await connection.execute(text("SELECT 7"))).scalar() == 7
        await engine.dispose()

    asyncio.run(main())
    assert [r.name for r in records] == ["sql SELECT", "handler"]
    assert records[0].parent_id == records[1].span_id
