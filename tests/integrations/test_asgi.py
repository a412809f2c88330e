"""ASGI applications over real HTTP on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import litestar
import pytest
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, HTTPException
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


def ask(app, *requests, **options):
    """Send requests to an application in process; give the statuses."""

    async def main():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://t", **options) as client:
            return [(await client.request(method, path)).status_code for method, path in requests]

    return asyncio.run(main())


def test_routers_that_are_included_and_mounted_are_named_whole():
    """As the newest FastAPI keeps them, and the oldest."""
    app, users, api = FastAPI(), APIRouter(prefix="/users"), APIRouter(prefix="/api")
    app.add_middleware(PerftraceMiddleware)

    @users.get("/{user}")
    async def get_user(user: int) -> int:
        return user

    @users.post("")
    async def create() -> int:
        return 1

    api.include_router(users)
    app.include_router(api)
    below = FastAPI()
    below.include_router(users)
    app.mount("/v1", below)
    with capture() as records:
        asked = ("GET", "/api/users/7"), ("POST", "/api/users"), ("GET", "/v1/users/7"), ("GET", "/v1/none")
        assert ask(app, *asked) == [200, 200, 200, 404]
    names = [record.name for record in records]
    assert names == ["GET /api/users/{user}", "POST /api/users", "GET /v1/users/{user}", "GET /v1"]


class Odd(Route):
    def matches(self, scope):
        return scope["what an inner middleware sets"]


@pytest.mark.parametrize(
    ("routes", "options"),
    [
        ([Odd("/a", lambda request: PlainTextResponse("ok"))], {}),
        ([], {"name": lambda scope: scope["route"].path}),
        ([], {"name": lambda scope: None}),
        ([], {"exclude": lambda scope: 1 / 0, "name": lambda scope: 5}),
    ],
)
def test_a_name_that_cannot_be_read_breaks_no_request_and_says_so(routes, options, caplog):
    """Told once, counted each time; the request is there."""

    async def answer(scope, receive, send):
        assert scope["type"] == "http"
        await PlainTextResponse("ok")(scope, receive, send)

    class Application:
        def __init__(self):
            self.routes = routes

        async def __call__(self, scope, receive, send):
            await answer(scope, receive, send)

    before = perftrace.stats()["unread"]
    with capture() as records:
        assert ask(PerftraceMiddleware(Application(), **options), ("GET", "/a"), ("GET", "/a")) == [200, 200]
    assert [record.name for record in records] == ["GET (unnamed)"] * 2
    assert perftrace.stats()["unread"] - before >= 2
    assert caplog.text.count("asgi: name") <= 1


def test_a_request_is_nobodys_child_unless_a_header_says_so():
    """Not of what is current where the server runs."""
    with capture() as records, perftrace.operation("main"):
        assert ask(shop(), ("GET", "/refused")) == [404]
        assert ask(shop(), ("GET", "/refused"), headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}) == [404]
        assert perftrace.current_operation().name == "main"
    free, called, main = records
    assert (free.parent_id, free.trace_id != main.trace_id, free.link) == (None, True, None)
    assert (called.parent_id, called.trace_id) == ("2" * 16, "1" * 32)


@pytest.mark.parametrize("kind", ["async", "sync", "object", "that fails"])
def test_a_handler_of_exceptions_belongs_to_its_request(kind):
    """With the status that it answers; the next request has its own."""
    app = shop()
    seen = []

    def told(request, error):
        seen.append((perftrace.current_operation().name, type(error).__name__))
        if kind == "that fails":
            raise RuntimeError("of the handler")
        return PlainTextResponse("sorry", 503)

    class Told:
        async def __call__(self, request, error):
            return told(request, error)

    async def told_later(request, error):
        return told(request, error)

    app.add_exception_handler(Exception, {"async": told_later, "object": Told()}.get(kind, told))
    with capture() as records, perftrace.operation("around"):
        statuses = ask(app, ("GET", "/broken"), ("GET", "/broken"))
        assert perftrace.current_operation().name == "around"
    assert statuses == ([500, 500] if kind == "that fails" else [503, 503])
    assert seen == [("GET /broken", "ValueError")] * 2
    first, second, _ = records
    assert (first.name, first.outcome, first.error_type) == ("GET /broken", "error", "ValueError")
    assert second.trace_id != first.trace_id
    if kind != "that fails":
        assert first.attributes["http.response.status_code"] == 503
        assert names(first) == ["responding"]


@pytest.mark.parametrize("exclude", [["/items/7"], {"POST /items/{item}"}, lambda scope: scope["path"] == "/items/7"])
def test_what_is_excluded_is_not_traced(exclude):
    """By name, by path, or by a callable; what it calls is nobody's."""
    app = FastAPI()
    app.add_middleware(PerftraceMiddleware, exclude=exclude)
    seen = []

    @app.post("/items/{item}")
    async def buy(item: int) -> int:
        seen.append(perftrace.current_operation())
        return item

    with capture() as records, perftrace.operation("around"):
        assert ask(app, ("POST", "/items/7")) == [200]
    assert seen == [None]
    assert [record.name for record in records] == ["around"]


def test_the_token_of_a_bot_is_kept_nowhere():
    """Not from a webhook's path, in any form."""
    token = "42:" + "Asecret" * 5

    async def answer(scope, receive, send):
        await PlainTextResponse("ok")(scope, receive, send)

    with capture() as records:
        app = PerftraceMiddleware(answer, name=lambda scope: "POST " + scope["path"])
        assert (
            ask(app, ("POST", f"/webhook/bot/{token}"), ("POST", f"/{token}"), ("POST", f"/bot{token}/x")) == [200] * 3
        )
    assert "secret" not in "".join(str(record.as_dict()) for record in records)
    assert [record.attributes["url.path"] for record in records] == ["/webhook/bot/***", "/***", "/bot***/x"]
