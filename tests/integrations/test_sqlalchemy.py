"""SQLAlchemy over SQLite."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.patching import is_quiet
from perftrace.testing import capture


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
    connect, *statements, _ = records
    assert (connect.name, connect.attributes) == ("sql connect", {"db.system.name": "sqlite"})
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
    (record,) = records  # nobody waits for the connection
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
    assert not is_quiet()


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
    assert [r.name for r in records] == ["sql connect", "sql SELECT", "handler"]
    assert {r.parent_id for r in records} == {records[2].span_id, None}


@pytest.mark.parametrize("is_async", [False, True])
def test_waiting_for_the_pool_is_an_operation(tmp_path, is_async):
    """Only where there is a wait; one that takes too long fails with the caller's own error."""
    instrument("sqlalchemy")
    url, options = tmp_path / "bot.db", {"pool_size": 1, "max_overflow": 0, "pool_timeout": 10}

    async def asyncio_bot():
        engine = create_async_engine(f"sqlite+aiosqlite:///{url}", poolclass=AsyncAdaptedQueuePool, **options)

        async def query(name):
            async with perftrace.operation(name), engine.connect() as connection:
                await asyncio.sleep(0.05)
                await connection.execute(text("SELECT 7"))

        await asyncio.gather(query("first"), query("second"))
        await engine.dispose()

    def threads():
        engine = sqlalchemy.create_engine(f"sqlite:///{url}", poolclass=QueuePool, **options)
        taken = threading.Event()

        def query(name):
            if name == "second":
                taken.wait(10)
            with perftrace.operation(name), engine.connect() as connection:
                taken.set()
                time.sleep(0.05)
                connection.execute(text("SELECT 7"))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(query, ["first", "second"]))
        engine.dispose()

    with capture() as records:
        asyncio.run(asyncio_bot()) if is_async else threads()
    assert sorted(r.name for r in records) == ["first", "second", "sql SELECT", "sql SELECT", "sql connect", "sql pool"]
    found = {r.name: r for r in records}
    assert found["sql connect"].parent_id == found["first"].span_id
    assert found["sql pool"].parent_id == found["second"].span_id
    assert found["sql pool"].duration_ns > 20_000_000

    engine = sqlalchemy.create_engine(f"sqlite:///{url}", poolclass=QueuePool, **{**options, "pool_timeout": 0.01})
    with (
        capture() as records,
        perftrace.operation("late"),
        engine.connect(),
        pytest.raises(sqlalchemy.exc.TimeoutError),
    ):
        engine.connect()
    engine.dispose()
    outcomes = [("sql connect", "ok"), ("sql pool", "error"), ("late", "ok")]
    assert [(r.name, r.outcome) for r in records] == outcomes
