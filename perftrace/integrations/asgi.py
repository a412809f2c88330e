"""ASGI: an operation for each HTTP request, named by its route, in the trace that its `traceparent` names."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from perftrace.tracing.blocks import operation
from perftrace.tracing.configuration import tracer
from perftrace.tracing.propagation import HEADER, extract

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[Any]]
"""Loose, since Starlette and Litestar type the same three things by classes of their own."""
_FAILED = 500


class PerftraceMiddleware:
    """Wraps an ASGI application: `app.add_middleware(PerftraceMiddleware)`, or `PerftraceMiddleware(app)`.

    An operation is named `METHOD route`, such as `GET /users/{id}`, where Starlette, FastAPI or Litestar know the
    route, and otherwise by its method alone: paths would make a name for each user. Checkpoints: `received` when the
    body is there, `responding` at the first byte of the answer, `responded` after the last; what comes then are
    background tasks. Status 500 and above are failures. Websockets and lifespan events pass untouched.

    app: the application. name: names an operation from its scope, in place of the above.
    """

    def __init__(self, app: App, *, name: Callable[[Mapping[str, Any]], str] | None = None) -> None:
        self.app = app
        self._name = self._by_route if name is None else name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request, or anything else that ASGI knows."""
        if scope["type"] != "http" or not tracer.live:
            await self.app(scope, receive, send)
            return
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        async with operation(self._name(scope), parent=extract(_traceparent(scope)), attributes=attributes) as handle:

            async def received() -> Message:
                message: Message = await receive()
                if message["type"] == "http.request" and not message.get("more_body", False):
                    handle.checkpoint("received")
                return message

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = int(message["status"])
                    handle.checkpoint("responding")
                    handle.annotate(**{"http.response.status_code": status})
                    if status >= _FAILED:
                        handle.fail(f"HTTP {status}")
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    handle.checkpoint("responded")

            await self.app(scope, received, sent)

    def _by_route(self, scope: Mapping[str, Any]) -> str:
        route = scope.get("path_template") or _route(getattr(scope.get("app", self.app), "routes", ()), scope)
        method = str(scope["method"])
        return f"{method} {route}" if route else method


def _traceparent(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the header if it is there once; twice it names nobody."""
    found = [value for name, value in scope["headers"] if name.lower() == HEADER.encode()]
    return {HEADER: found[0].decode("latin-1")} if len(found) == 1 else {}


def _route(routes: Iterable[Any], scope: Mapping[str, Any]) -> str:
    """Find the template of the route that Starlette will choose; empty if there is none."""
    for route in routes:
        if not hasattr(route, "matches"):
            continue
        match, inner = route.matches(scope)
        if match.name == "NONE":
            continue
        path = str(getattr(route, "path", ""))
        below = getattr(route, "routes", None)
        if below:
            return path + _route(below, {**scope, **inner})
        return path
    return ""
