"""What an OTLP receiver that others wrote gets, held against the records field by field."""

import asyncio
import socket

import pytest
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

import perftrace
from perftrace import checkpoint, operation, timed
from perftrace.pipeline.background import Background
from perftrace.sinks.otlp import OtlpSink

pytestmark = pytest.mark.timeout(60)


def work():
    """Do a bit of everything that a span can tell."""

    @timed(operation="click", key="user", description="用户 {user} 点击", done="done", capture=("size",))
    async def click(user, size):
        checkpoint("got_user", "获取", hit=True, ratio=0.5)
        with operation("inner", detached=False):
            checkpoint("bare")
        try:
            await fail()
        except ValueError:
            checkpoint("caught", n=2**40)

    @timed(operation="fail")
    async def fail():
        raise ValueError("bad ⚡ text")

    @timed(operation="job", detached=True)
    async def job():
        perftrace.annotate(nothing=None, text="ü")

    @timed(operation="never")
    async def never():
        await asyncio.sleep(60)

    @timed(operation="root")
    async def root():
        await click("u-7", "large")
        await job()
        task = asyncio.ensure_future(never())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return root()


def plain(value):
    """Give what an OTLP value says."""
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)


def attributes_of(message):
    return {one.key: plain(one.value) for one in message.attributes}


def named(name):
    return lambda span: span.name == name


def event_named(name):
    return lambda log: log.event_name == name


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize("form", ["span", "logs", "both"])
def test_every_field_arrives(form):
    """In all three forms of checkpoints: names, times, ids, attributes, events, links, status."""
    asyncio.run(arrives(form))


async def arrives(form):
    port = free_port()
    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=port)) as tap:
        perftrace.configure(sinks=["memory", Background(OtlpSink(f"http://127.0.0.1:{port}", checkpoints=form))])
        await work()
        records = {record.name: record for record in perftrace.records()}
        waiting = [asyncio.ensure_future(tap.await_trace(named(name), 30)) for name in records]
        names = [mark.name for record in records.values() for mark in record.checkpoints] if form != "span" else []
        waiting_logs = [asyncio.ensure_future(tap.await_log(event_named(name), 30)) for name in names]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(perftrace.flush, 10)
        spans = {span.name: span for span in await asyncio.gather(*waiting)}
        logs = {log.event_name: log for log in await asyncio.gather(*waiting_logs)}
        perftrace.configure(sinks=[])
    assert set(records) == {"root", "click", "inner", "fail", "job", "never"}
    for name, record in records.items():
        check(spans[name], record, with_events=form != "logs")
        if form != "span":
            for mark in record.checkpoints:
                log = logs[mark.name]
                assert (log.trace_id.hex(), log.span_id.hex()) == (record.trace_id, record.span_id)
                assert log.time_unix_nano == record.start + mark.elapsed_ns
                assert attributes_of(log) == dict(mark.attributes)
                assert log.body.string_value == (mark.description or mark.name)


def check(span, record, with_events):
    assert (span.trace_id.hex(), span.span_id.hex()) == (record.trace_id, record.span_id)
    assert span.parent_span_id.hex() == (record.parent_id or "")
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (record.start, record.start + record.duration_ns)
    assert span.status.code == (2 if record.outcome == "error" else 0)
    assert span.status.message == (record.error or "" if record.outcome == "error" else "")
    found = attributes_of(span)
    assert {name: found[name] for name in record.attributes} == dict(record.attributes)
    assert found.get("error.type") == record.error_type
    assert found.get("perftrace.outcome") == (record.outcome if record.outcome not in ("ok", "error") else None)
    assert found.get("perftrace.description", "") == record.description
    assert found.get("perftrace.done") == record.done
    if record.key_name:
        assert found[record.key_name] == record.key
    assert found["thread.name"] == record.thread
    assert found.get("perftrace.task") == record.task
    assert found.get("perftrace.running_ns") == record.running_ns
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in span.links] == ([record.link] if record.link else [])
    events = [
        (mark.name, record.start + mark.elapsed_ns, mark.description, dict(mark.attributes))
        for mark in record.checkpoints
    ]  # fmt: skip
    arrived = []
    for event in span.events:
        own = attributes_of(event)
        arrived.append((event.name, event.time_unix_nano, own.pop("perftrace.description", ""), own))
    assert arrived == (events if with_events else [])
