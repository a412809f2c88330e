"""ASGI applications over real HTTP on loopback."""

from __future__ import annotations

from typing import Any

import httpx
import litestar
import pytest
from fastapi import BackgroundTasks, Body, Depends, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

import perftrace
from perftrace.integrations.asgi import PerftraceMiddleware
from perftrace.testing import capture
from tests.integrations.conftest import ended


def user(name: str = "nobody") -> str:
    return name


def shop() -> FastAPI:
    """Make a FastAPI application with dependencies, postponed annotations, failures."""
    app = FastAPI()
    app.add_middleware(PerftraceMiddleware)

    @app.post("/items/{item}")
    async def buy(
        item: int, tasks: BackgroundTasks, note: str = Body(""), who: str = Depends(user)
    ) -> dict[str, object]:
        perftrace.checkpoint("bought")
        tasks.add_task(perftrace.checkpoint, "after the answer")
        return {"item": item, "who": who}

    @app.get("/broken")
    def broken() -> None:
        raise ValueError("planted")

    @app.get("/refused")
    def refused() -> None:
        raise HTTPException(404)

    @app.get("/unavailable")
    def unavailable() -> None:
        raise HTTPException(503)

    return app


def names(record):
    return [checkpoint.name for checkpoint in record.checkpoints]


def test_a_request_is_an_operation_named_by_its_route(serve):
    """In the trace of the caller; the background task is part of it, after the answer."""
    url = serve(shop())
    with capture() as records:
        with perftrace.operation("caller") as caller:
            headers = perftrace.inject({})
            answer = httpx.post(f"{url}/items/7?name=ann", headers=headers, json="x")
        assert answer.json() == {"item": 7, "who": "ann"}
        ended(records, 2)
    request = next(r for r in records if r.name != "caller")
    assert request.name == "POST /items/{item}"
    assert (request.trace_id, request.parent_id) == (caller.trace_id, caller.span_id)
    assert sorted(names(request)) == sorted(["received", "bought", "responding", "responded", "after the answer"])
    assert names(request)[-1] == "after the answer"
    assert request.attributes["http.response.status_code"] == 200


@pytest.mark.parametrize(
    ("path", "status", "outcome", "error"),
    [
        ("/broken", 500, "error", "planted"),
        ("/unavailable", 503, "error", "HTTP 503"),
        ("/refused", 404, "ok", None),
        ("/nowhere", 404, "ok", None),
        ("/items/x", 405, "ok", None),
    ],
)
def test_failures_are_the_servers_alone(serve, path, status, outcome, error):
    """An exception's own text where there is one; answers as without the middleware."""
    url = serve(shop())
    with capture() as records:
        assert httpx.get(f"{url}{path}").status_code == status
        ended(records, 1)
    (request,) = records
    assert (request.outcome, request.error) == (outcome, error)
    assert request.name == {"/nowhere": "GET", "/items/x": "GET /items/{item}"}.get(path, f"GET {path}")


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", "nonsense")],
        [("traceparent", "00-" + "0" * 32 + "-" + "1" * 16 + "-01")],
        [("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")] * 2,
        [("traceparent", "\xff\xfe")],
    ],
)
def test_a_hostile_traceparent_is_ignored(serve, headers):
    """The request begins a trace of its own."""
    url = serve(shop())
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    with capture() as records:
        assert httpx.get(f"{url}/refused", headers=raw).status_code == 404
        ended(records, 1)
    assert records[0].parent_id is None
    assert records[0].trace_id not in ("", "1" * 32)


async def stream(request):
    async def parts():
        for n in range(3):
            perftrace.checkpoint(f"part{n}")
            yield b"x"

    return StreamingResponse(parts())


async def hello(websocket):
    await websocket.accept()
    await websocket.close()


def test_mounted_routes_streams_and_websockets(serve):
    """Outside the application as well as in it; a path's template is joined over the mounts."""
    inner = [Route("/stream/{id}", stream), Route("/plain", lambda request: PlainTextResponse("x"))]
    app = Starlette(routes=[Mount("/api/{version}", routes=inner), WebSocketRoute("/ws", hello)])
    url = serve(PerftraceMiddleware(app))
    with capture() as records:
        assert httpx.get(f"{url}/api/v1/stream/5").text == "xxx"
        assert httpx.get(f"{url}/api/v1/plain").text == "x"
        ended(records, 2)
    assert [r.name for r in records] == ["GET /api/{version}/stream/{id}", "GET /api/{version}/plain"]
    assert names(records[0]) == ["received", "responding", "part0", "part1", "part2", "responded"]


def test_a_name_of_ones_own_and_an_application_without_routes(serve):
    """Whatever speaks ASGI."""

    async def bare(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    for options, name in (({}, "GET"), ({"name": lambda scope: "bare " + scope["path"]}, "bare /x")):
        with capture() as records:
            assert httpx.get(serve(PerftraceMiddleware(bare, **options)) + "/x").text == "x"
            ended(records, 1)
        assert [r.name for r in records] == [name]


def test_without_a_sink_nothing_is_done(serve):
    """No operation, the same answer."""
    perftrace.configure(sinks=[])
    assert httpx.get(serve(shop()) + "/refused").status_code == 404


def test_litestar_names_its_routes_too(serve):
    """By its own template; the handler's checkpoints are in it."""

    @litestar.get("/users/{user:int}")
    async def get_user(request: litestar.Request[Any, Any, Any]) -> int:
        perftrace.checkpoint("looked_up")
        return int(request.path_params["user"])

    url = serve(litestar.Litestar([get_user], middleware=[PerftraceMiddleware]))
    with capture() as records:
        assert httpx.get(f"{url}/users/7").json() == 7
        (record,) = ended(records, 1)
    assert record.name == "GET /users/{user}"
    assert names(record) == ["looked_up", "responding", "responded"]
