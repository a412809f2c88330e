"""The redis clients on a server in memory; on a real one in `tests/peers`."""

import asyncio
import contextlib

import fakeredis
import pytest
import redis

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.testing import capture


@pytest.fixture
def clients():
    """Give what makes a client, plain and with asyncio."""
    server = fakeredis.FakeServer()
    return lambda: fakeredis.FakeRedis(server=server), lambda: fakeredis.FakeAsyncRedis(server=server)


def work(clients):
    """Do the same with either client; gives what came of it."""

    def plain():
        with clients[0]() as client:
            client.set("user:7", "secret")
            with client.pipeline() as pipe:
                pipe.get("user:7")
                pipe.incr("count:7")
                answers = pipe.execute()
            client.delete("count:7")
            with pytest.raises(redis.ResponseError):
                client.incr("user:7")
            waited = client.blpop(["nothing"], timeout=0.01)
            return answers, waited

    async def with_asyncio():
        async with clients[1]() as client:
            await client.set("user:7", "secret")
            async with client.pipeline() as pipe:
                pipe.get("user:7")
                pipe.incr("count:7")
                answers = await pipe.execute()
            await client.delete("count:7")
            with pytest.raises(redis.ResponseError):
                await client.incr("user:7")
            waited = await client.blpop(["nothing"], timeout=0.01)
            return answers, waited

    yield plain
    yield lambda: asyncio.run(with_asyncio())


def test_a_command_is_an_operation_and_a_pipeline_one(clients):
    """Named by the command, without keys and values; failures are the caller's; waiting is none."""
    instrument("redis")
    for run in work(clients):
        with capture() as records, perftrace.operation("handler"):
            assert run() == ([b"secret", 1], None)
        *commands, handler = records
        ours = [r for r in commands if "CLIENT" not in r.name]
        assert [(r.name, r.outcome) for r in ours] == [
            ("redis SET", "ok"), ("redis pipeline", "ok"), ("redis DEL", "ok"), ("redis INCRBY", "error"),
        ]  # fmt: skip
        assert {r.parent_id for r in ours} == {handler.span_id}
        assert ours[1].attributes == {"db.system.name": "redis", "db.operation.batch.size": 2}
        assert not [r for r in records if "user:7" in str(r.attributes) or "secret" in str(r.attributes)]


@pytest.mark.parametrize("off", [lambda: perftrace.configure(sinks=[]), lambda: uninstrument("redis")])
def test_nothing_is_traced_without_wish(clients, off):
    """And the answers are the same."""
    instrument("redis")
    for run in work(clients):
        with capture() as records:
            off()
            assert run() == ([b"secret", 1], None)
        assert records == []


@pytest.fixture
def client():
    """Give an instrumented client."""
    instrument("redis")
    with fakeredis.FakeRedis() as client:
        yield client
    uninstrument("redis")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["GET user:1"], "redis GET"), ([b"GET", "user:1"], "redis GET"), (["get", b"user:1"], "redis GET"),
        ([b"SET", b"user:1", "secret"], "redis SET"), (["CONFIG GET", "user:1"], "redis CONFIG"),
        (["user:1"], "redis (unnamed)"), ([7], "redis (unnamed)"),
    ],
)  # fmt: skip
def test_a_name_is_the_commands_alone(client, command, name):
    """Text or bytes, in one or in parts; what is no command has a name that says so."""
    with capture() as records, contextlib.suppress(Exception):
        client.execute_command(*command)
    assert [record.name for record in records] == [name]
    assert "user" not in str(records[0].attributes)


def test_reads_that_wait_are_no_work(client):
    """By the option, not by a stream or a group of that name."""
    client.xgroup_create("s", "BLOCK", mkstream=True)
    with capture() as records:
        client.xread({"s": "$"}, block=5)
        client.xreadgroup("BLOCK", "c", {"s": ">"}, block=5)
        assert records == []
        client.xread({"block": "0"})
        client.xreadgroup("BLOCK", "block", {"s": ">"}, count=1)
    assert [record.name for record in records] == ["redis XREAD", "redis XREADGROUP"]


def test_a_lock_that_somebody_else_was_faster_with_is_no_failure(client):
    """The next try is how it works; any other error is one."""
    with capture() as records, client.pipeline() as pipe:
        pipe.watch("counter")
        pipe.multi()
        pipe.set("counter", 2)
        client.set("counter", 3)
        with pytest.raises(redis.WatchError):
            pipe.execute()
        with pytest.raises(redis.ResponseError):
            client.lpush("counter", 1)
    found = [(record.name, record.outcome) for record in records]
    assert found[-2:] == [("redis pipeline", "ok"), ("redis LPUSH", "error")]
