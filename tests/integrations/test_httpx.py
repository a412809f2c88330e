"""httpx over real HTTP on loopback."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.client_calls import http_request, keep_status
from perftrace.testing import capture


async def app(scope, receive, send):
    """Answer with the `traceparent` that came."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    status = int(scope["path"].strip("/") or 200)
    extra = [(b"location", b"/200")] if status == 302 else []
    await send({"type": "http.response.start", "status": status, "headers": extra})
    await send({"type": "http.response.body", "body": headers.get("traceparent", "").encode()})


def get(url, **options):
    """Get by either client."""

    async def async_get():
        async with httpx.AsyncClient() as client:
            return await client.get(url, **options)

    yield lambda: httpx.get(url, **options)
    yield lambda: asyncio.run(async_get())


def test_a_request_is_an_operation_with_the_moments_of_its_connection(serve):
    """And its span goes out as `traceparent`."""
    url = serve(app)
    instrument("httpx")
    for request in get(f"{url}/200?token=secret"):
        with capture() as records, perftrace.operation("handler"):
            response = request()
        call, handler = records
        assert call.name == "GET 127.0.0.1"
        assert [c.name for c in call.checkpoints] == ["pool", "connect", "sent", "first_byte", "read"]
        assert call.parent_id == handler.span_id
        assert response.text == f"00-{call.trace_id}-{call.span_id}-01"
        assert call.attributes == {
            "http.request.method": "GET", "url.path": "/200", "server.address": "127.0.0.1",
            "http.response.status_code": 200,
        }  # fmt: skip


def test_failures_are_the_callers_and_the_operations(serve):
    """A server's error is a failure without an exception; one of the network stays what it is."""
    url = serve(app)
    instrument("httpx")
    for request in get(f"{url}/503"):
        with capture() as records:
            assert request().status_code == 503
        assert (records[0].outcome, records[0].error) == ("error", "HTTP 503")
    for request in get("http://127.0.0.1:9/"):
        with capture() as records, pytest.raises(httpx.ConnectError):
            request()
        assert (records[0].outcome, records[0].error_type) == ("error", "ConnectError")


def test_what_the_user_set_stays(serve):
    """A `traceparent` and a trace function of their own; redirects are part of one operation."""
    url = serve(app)
    instrument("httpx")
    events = []
    own = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    with capture() as records, httpx.Client(follow_redirects=True) as client:
        request = client.build_request("GET", f"{url}/302", headers={"traceparent": own})
        request.extensions["trace"] = trace = lambda event, info: events.append(event)
        assert client.send(request).text == own
    assert request.extensions["trace"] is trace
    assert request.headers["traceparent"] == own
    assert "http11.send_request_body.complete" in events
    assert [c.name for c in records[0].checkpoints].count("first_byte") == 2
    assert len(records) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_waiting_for_the_pool_is_a_segment_of_its_own(serve, is_async):
    """As opening a connection is; one that is used again has none."""
    url = serve(slow)
    instrument("httpx")
    limits = httpx.Limits(max_connections=1)

    async def both():
        async with httpx.AsyncClient(limits=limits) as client:
            await asyncio.gather(client.get(url), client.get(url))

    def each():
        with httpx.Client(limits=limits) as client, ThreadPoolExecutor(2) as threads:
            list(threads.map(client.get, [url, url]))

    with capture() as records:
        asyncio.run(both()) if is_async else each()
    first, second = records
    assert [c.name for c in first.checkpoints] == ["pool", "connect", "sent", "first_byte", "read"]
    assert [c.name for c in second.checkpoints] == ["pool", "sent", "first_byte", "read"]
    assert second.checkpoints[0].elapsed_ns > 40_000_000 > first.checkpoints[0].elapsed_ns


async def slow(scope, receive, send):
    await asyncio.sleep(0.05)
    await app(scope, receive, send)


def test_what_cannot_be_read_breaks_no_request(caplog):
    """The name says so, and it is told once."""
    before = perftrace.stats()["unread"]

    class Request:
        method = "GET"
        url = None

    block = http_request("httpx", Request())
    assert block.spec.name == "request (unnamed)"
    with capture() as records, block as handle:
        keep_status("httpx", handle, lambda: {}["status"])
    assert [(r.name, r.outcome, r.attributes) for r in records] == [("request (unnamed)", "ok", {})]
    assert perftrace.stats()["unread"] == before + 3
    assert any("httpx: name" in text for text in caplog.messages)


def test_calls_are_told_at_debug_and_failures_as_ever(serve, caplog):
    """A log has room for what the application itself does."""
    url = serve(app)
    instrument("httpx")
    perftrace.configure(sinks=["log"])
    for level, expected in ((logging.INFO, 4), (logging.DEBUG, 3 + 2 * 7)):
        caplog.clear()
        with caplog.at_level(level, "performance_monitor"), perftrace.operation("handler"):
            perftrace.checkpoint("asked")
            httpx.get(f"{url}/200")
            httpx.get(f"{url}/503")
        lines = [(r.levelno, r.getMessage()) for r in caplog.records if r.name == "performance_monitor"]
        assert [number for number, line in lines if "HTTP 503" in line] == [logging.WARNING]
        assert sum("handler_" in line for number, line in lines) == 3
        assert len(lines) == expected


def test_a_streamed_body_is_read_after_the_operation(serve):
    """Nothing is late, nothing is counted; sent again it has no stale header."""
    url = serve(app)
    instrument("httpx")
    with capture() as records, httpx.Client() as client:
        request = client.build_request("GET", f"{url}/200")
        response = client.send(request, stream=True)
        first = response.read()
        assert "traceparent" not in request.headers
        assert client.send(request).content != first
    assert [c.name for c in records[0].checkpoints][-1] == "first_byte"
    assert perftrace.stats()["late"] == 0


def test_without_a_sink_or_uninstrumented_nothing_is_changed(serve):
    """No header, no operation, the original functions."""
    original = httpx.Client.__dict__["send"], httpx.AsyncClient.__dict__["send"]
    url = serve(app)
    instrument("httpx")
    instrument("httpx")
    perftrace.configure(sinks=[])
    assert [request().text for request in get(f"{url}/200")] == ["", ""]
    with capture() as records:
        uninstrument("httpx")
        assert [request().text for request in get(f"{url}/200")] == ["", ""]
    assert records == []
    assert (httpx.Client.__dict__["send"], httpx.AsyncClient.__dict__["send"]) == original


def test_names_that_are_not_known_or_not_installed(monkeypatch):
    """Say what helps; nothing is patched."""
    with pytest.raises(ValueError, match=r"no integration 'nonsense'; known: .*httpx"):
        instrument("httpx", "nonsense")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'perftrace-toolkit\[httpx\]'"):
        instrument("httpx")
    assert "FunctionWrapper" not in type(httpx.Client.__dict__["send"]).__name__
