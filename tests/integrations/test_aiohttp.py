"""aiohttp's client over real HTTP on loopback."""

import asyncio

import aiohttp
import httpx
import pytest

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.aiohttp import trace_config
from perftrace.testing import capture

from .test_httpx import app, slow


def get(url, *, session_options=None, **options):
    """Get a body by a session of its own."""

    async def main():
        async with (
            aiohttp.ClientSession(**(session_options or {})) as session,
            session.get(url, **options) as response,
        ):
            return response.status, await response.text()

    return asyncio.run(main())


def test_a_request_is_an_operation_with_the_moments_of_its_connection(serve):
    """And its span goes out as `traceparent`."""
    url = serve(app)
    instrument("aiohttp")
    with capture() as records, perftrace.operation("handler"):
        status, body = get(f"{url}/200?token=secret")
    call, handler = records
    assert call.name == "GET 127.0.0.1"
    assert [c.name for c in call.checkpoints] == ["pool", "connect", "headers_sent", "first_byte"]
    assert (call.parent_id, status) == (handler.span_id, 200)
    assert body == f"00-{call.trace_id}-{call.span_id}-01"
    assert call.attributes == {
        "http.request.method": "GET", "url.path": "/200", "server.address": "127.0.0.1",
        "http.response.status_code": 200,
    }  # fmt: skip


def test_waiting_for_the_pool_is_a_segment_of_its_own(serve):
    """As opening a connection is; one that is used again has none."""
    url = serve(slow)
    instrument("aiohttp")

    async def both():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            await asyncio.gather(read(session), read(session))

    async def read(session):
        async with session.get(url) as response:
            await response.read()

    with capture() as records:
        asyncio.run(both())
    first, second = records
    assert [c.name for c in first.checkpoints] == ["pool", "connect", "headers_sent", "first_byte"]
    assert [c.name for c in second.checkpoints] == ["pool", "headers_sent", "first_byte"]
    assert second.checkpoints[0].elapsed_ns > 40_000_000 > first.checkpoints[0].elapsed_ns


def test_failures_are_the_callers_and_the_operations(serve):
    """A server's error is a failure without an exception; one of the network, or a cancellation, stays what it is."""
    url = serve(app)
    instrument("aiohttp")
    with capture() as records:
        assert get(f"{url}/503")[0] == 503
    assert (records[0].outcome, records[0].error) == ("error", "HTTP 503")
    with capture() as records, pytest.raises(aiohttp.ClientConnectorError):
        get("http://127.0.0.1:9/")
    assert (records[0].outcome, records[0].error_type) == ("error", "ClientConnectorError")

    async def never(scope, receive, send):
        await receive()
        await receive()  # until the client is gone

    with capture() as records, pytest.raises(TimeoutError):
        get(serve(never), timeout=aiohttp.ClientTimeout(0.05))
    assert [(r.outcome, r.error_type) for r in records] == [("error", "TimeoutError")]


def test_what_the_user_set_stays_and_redirects_are_part_of_it(serve):
    """A `traceparent` and trace configurations of their own."""
    url = serve(app)
    own = aiohttp.TraceConfig()
    seen = []

    async def started(session, context, params):
        seen.append(params.url.path)

    own.on_request_start.append(started)
    instrument("aiohttp")
    parent = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    with capture() as records:
        _, body = get(f"{url}/302", headers={"traceparent": parent}, session_options={"trace_configs": [own]})
    assert (body, seen, len(records)) == (parent, ["/302"], 1)
    names = [checkpoint.name for checkpoint in records[0].checkpoints]
    assert names[:2] == ["pool", "connect"]
    asked = [name for name in names if name != "connect"]  # the server may have closed the first connection
    assert asked == ["pool", "headers_sent", "redirect", "pool", "headers_sent", "first_byte"]


@pytest.mark.skipif(not hasattr(aiohttp, "ClientHandlerType"), reason="this version of aiohttp has no middlewares")
def test_what_a_middleware_sends_again_is_part_of_the_operation(serve):
    """The attempt before it is no wait for the pool."""
    url = serve(app)
    instrument("aiohttp")

    async def twice(request, handler):
        await handler(request)
        return await handler(request)

    with capture() as records:
        assert get(f"{url}/503", middlewares=[twice])[0] == 503
    (record,) = records
    names = [checkpoint.name for checkpoint in record.checkpoints]
    assert [name for name in names if name != "connect"] == [
        "pool",
        "headers_sent",
        "retry",
        "headers_sent",
        "first_byte",
    ]


def test_a_session_of_ones_own_and_no_trace_without_wish(serve):
    """By its trace configuration alone, once even if both are there; gone when uninstrumented, sessions made too."""
    url = serve(app)
    with capture() as records:
        get(url, session_options={"trace_configs": [trace_config()]})
        instrument("aiohttp")
        get(url, session_options={"trace_configs": [trace_config()]})
    assert len(records) == 2

    async def main():
        async with aiohttp.ClientSession() as session:
            uninstrument("aiohttp")
            async with session.get(url) as response:
                return await response.text()

    with capture() as records:
        assert asyncio.run(main()) == ""
        assert get(url)[1] == ""
    assert records == []
    instrument("aiohttp")
    perftrace.configure(sinks=[])
    assert get(url) == (200, "")


def test_the_token_of_a_bot_is_kept_nowhere(serve):
    """Telegram has it in the path."""

    async def any_path(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    url = serve(any_path)
    instrument("aiohttp", "httpx")
    with capture() as records:
        get(f"{url}/file/bot42:SECRET-token/photos/1.jpg")
        httpx.get(f"{url}/bot42:SECRET-token/getMe")
    assert [r.attributes["url.path"] for r in records] == ["/file/bot***/photos/1.jpg", "/bot***/getMe"]
