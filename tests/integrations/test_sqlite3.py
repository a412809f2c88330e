"""sqlite3 with a database in memory or on disk."""

import sqlite3

import pytest

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.testing import capture


def statements(records):
    return [record.name for record in records]


@pytest.fixture
def connect():
    """Connect, instrumented, to a database that has a table."""
    opened = []

    def connect(*args, **options):
        connection = sqlite3.connect(*(args or (":memory:",)), **options)
        opened.append(connection)
        connection.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        return connection

    instrument("sqlite3")
    yield connect
    for connection in opened:
        connection.close()


def test_a_statement_is_an_operation(connect):
    """By connection or cursor, with its text and without its values; commits too, where there is aught to commit."""
    connection = connect()
    with capture() as records, perftrace.operation("handler"):
        with connection:
            connection.execute("INSERT INTO users VALUES (?, ?)", (1, "secret"))
            connection.executemany("insert into users values (?, ?)", [(2, "b"), (3, "c")])
        assert connection.cursor().execute("SELECT count(*) FROM users").fetchall() == [(3,)]
        connection.executescript("DELETE FROM users; SELECT 1")
        connection.commit()
    assert statements(records) == ["sql INSERT", "sql INSERT", "sql COMMIT", "sql SELECT", "sql DELETE", "handler"]
    assert {r.parent_id for r in records[:-1]} == {records[-1].span_id}
    assert records[1].attributes == {
        "db.system.name": "sqlite", "db.query.text": "insert into users values (?, ?)", "db.many": True,
    }  # fmt: skip
    assert "secret" not in str([r.attributes for r in records])


def test_errors_and_transactions_are_sqlites_own(connect):
    """A block that fails rolls back; a commit that fails does, too, as without the patch."""
    connection = connect()
    with capture() as records, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), connection:
        connection.execute("INSERT INTO users VALUES (1, 'a')")
        connection.execute("INSERT INTO users VALUES (1, 'b')")
    assert [(r.name, r.outcome) for r in records] == [
        ("sql INSERT", "ok"), ("sql INSERT", "error"), ("sql ROLLBACK", "ok"),
    ]  # fmt: skip
    assert connection.execute("SELECT * FROM users").fetchall() == []
    with pytest.raises(TypeError):
        connection.execute()
    with pytest.raises(TypeError), capture():
        connection.execute(7)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE pets (owner REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN"), connection:
        connection.execute("INSERT INTO pets VALUES (99)")
    assert not connection.in_transaction


def test_subclasses_and_their_cursors_are_traced_once(connect):
    """Whichever way they run a statement."""

    class Rows(sqlite3.Cursor):
        def execute(self, sql, *args):
            return super().execute(sql.strip(), *args)

    class Own(sqlite3.Connection):
        def execute(self, sql, *args):
            return self.cursor(Rows).execute(sql, *args)

    connection = connect(factory=Own)
    with capture() as records:
        assert connection.execute(" SELECT 1").fetchone() == (1,)
        again = sqlite3.connect(":memory:", factory=type(connection))
        again.execute("SELECT 1")
        again.close()
    assert isinstance(connection, Own)
    assert type(connection).__name__ == "Own"
    assert statements(records) == ["sql SELECT", "sql SELECT"]


def test_rows_and_types_are_as_ever(connect):
    """Row factories, cursors' attributes, the backup of one connection into another."""
    connection = connect()
    connection.row_factory = sqlite3.Row
    connection.execute("INSERT INTO users VALUES (1, 'a')")
    assert dict(connection.execute("SELECT * FROM users").fetchone()) == {"id": 1, "name": "a"}
    assert connection.cursor().execute("INSERT INTO users VALUES (5, 'e')").lastrowid == 5
    connection.commit()
    other = connect(":memory:", timeout=1)
    connection.backup(other)
    assert other.execute("SELECT count(*) FROM users").fetchone() == (2,)


@pytest.mark.parametrize("off", [lambda: perftrace.configure(sinks=[]), lambda: uninstrument("sqlite3")])
def test_nothing_is_traced_without_wish(connect, off):
    """Nor by connections that were made before; new ones are sqlite3's."""
    connection = connect()
    with capture() as records:
        off()
        with connection:
            connection.execute("INSERT INTO users VALUES (1, 'a')")
    assert records == []
    uninstrument("sqlite3")
    fresh = sqlite3.connect(":memory:")
    assert type(fresh) is sqlite3.Connection
    fresh.close()
