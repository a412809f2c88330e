"""ASGI: an operation for each HTTP request, named by its route, in the trace that its `traceparent` names."""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from typing import Any

from perftrace.core.block import Block
from perftrace.core.record import Operation
from perftrace.core.values import masked
from perftrace.integrations.guard import UNNAMED, guarded
from perftrace.integrations.patching import no_operation
from perftrace.tracing.blocks import operation
from perftrace.tracing.configuration import tracer
from perftrace.tracing.propagation import HEADER, extract

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[Any]]
"""Loose, since Starlette and Litestar type the same three things by classes of their own."""
_FAILED = 500
_KEY = "perftrace.request"
"""Under which the scope holds a request whose answer Starlette's handler of exceptions is still to make."""


class PerftraceMiddleware:
    """Wraps an ASGI application: `app.add_middleware(PerftraceMiddleware)`, or `PerftraceMiddleware(app)`.

    An operation is named `METHOD route`, such as `GET /users/{id}`, where Starlette, FastAPI or Litestar know the
    route, and otherwise by its method alone: paths would make a name for each user. Where the name cannot be read it is
    `METHOD (unnamed)`, and that is told once. Its parent is what `traceparent` names, never what happens to be current.
    Checkpoints: `received` when the body is there, `responding` at the first byte of the answer, `responded` after the
    last; what comes then are background tasks. Status 500 and above are failures. Websockets and lifespan events pass
    untouched.

    app: the application. name: names an operation from its scope, in place of the above. exclude: names or paths of
    requests that are not traced, such as health checks, or a callable of the scope.
    """

    def __init__(
        self,
        app: App,
        *,
        name: Callable[[Mapping[str, Any]], str] | None = None,
        exclude: Collection[str] | Callable[[Mapping[str, Any]], object] = (),
    ) -> None:
        self.app = app
        self._name = self._by_route if name is None else name
        self._exclude = exclude

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request, or anything else that ASGI knows."""
        if scope["type"] != "http" or not tracer.live:
            await self.app(scope, receive, send)
            return
        name = guarded("asgi: name", lambda: self._read_name(scope), f"{scope.get('method')} {UNNAMED}")
        if guarded("asgi: exclude", lambda: self._is_excluded(name, scope), False):
            with no_operation():
                await self.app(scope, receive, send)
            return
        link = guarded("asgi: traceparent", lambda: extract(_traceparent(scope)), None)
        path = guarded("asgi: path", lambda: masked(str(scope["path"])), "")
        attributes = {"http.request.method": scope.get("method"), "url.path": path}
        block = operation(name, parent=link, attributes=attributes)
        await _Request(block).handle(self.app, scope, receive, send)

    def _read_name(self, scope: Mapping[str, Any]) -> str:
        name = self._name(scope)
        if not isinstance(name, str) or not name:
            raise TypeError(f"a name is text, not {name!r}")
        return masked(name)

    def _is_excluded(self, name: str, scope: Mapping[str, Any]) -> bool:
        if callable(self._exclude):
            return bool(self._exclude(scope))
        return name in self._exclude or scope["path"] in self._exclude

    def _by_route(self, scope: Mapping[str, Any]) -> str:
        # In a scope of its own: matching leaves notes in it.
        routes = getattr(scope.get("app", self.app), "routes", ())
        route = scope.get("path_template") or _route(routes, {**scope}) or _chosen(routes, scope.get("route_handler"))
        method = str(scope["method"])
        return f"{method} {route}" if route else method


class _Request:
    """One request and its operation."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._outside = no_operation()
        self._has_begun_to_respond = False

    def _end(self, error: BaseException | None) -> None:
        self._block.__exit__(type(error), error, None)
        self._outside.__exit__(None, None, None)

    async def handle(self, app: App, scope: Any, receive: Any, send: Any) -> None:
        """Call the application."""
        self._outside.__enter__()
        handle = self._block.__enter__()

        async def received() -> Message:
            message: Message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                handle.checkpoint("received")
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._has_begun_to_respond = True
                handle.checkpoint("responding")
                guarded("asgi: status", lambda: _keep_status(handle, message["status"]), None)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                handle.checkpoint("responded")

        try:
            await app(scope, received, sent)
        except BaseException as error:
            if self._has_begun_to_respond or not guarded("asgi: handler", lambda: self._await_handler(scope), False):
                self._end(error)
            raise
        self._end(None)

    def _await_handler(self, scope: Any) -> bool:
        """Leave the operation to the application's handler of exceptions, if it has one; return whether it has.

        Starlette calls it outside of all middlewares, from the outermost one, with the exception that is on its way.
        """
        outermost = getattr(scope.get("app"), "middleware_stack", None)
        handler = getattr(outermost, "handler", None)
        if outermost is None or handler is None or getattr(outermost, "debug", False):
            return False
        if not isinstance(handler, _Handler):
            outermost.handler = _Handler(handler)
        scope[_KEY] = self
        return True

    async def answer(self, handler: Any, request: Any, error: Exception) -> Any:
        """Let the application's handler make the answer; it belongs to the request."""
        try:
            response = await _answered(handler, request, error)
            handle = self._block.handle
            handle.checkpoint("responding")
            guarded("asgi: status", lambda: _keep_status(handle, response.status_code), None)
            return response
        finally:
            self._end(error)


class _Handler:
    """An application's handler of exceptions, called within the operation of its request."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    async def __call__(self, request: Any, error: Exception) -> Any:
        pending: _Request | None = request.scope.pop(_KEY, None)
        if pending is None:  # it has its answer from elsewhere
            return await _answered(self._handler, request, error)
        return await pending.answer(self._handler, request, error)


async def _answered(handler: Any, request: Any, error: Exception) -> Any:
    """Call a handler as Starlette does: a plain function in a thread."""
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        return await handler(request, error)
    from starlette.concurrency import run_in_threadpool

    return await run_in_threadpool(handler, request, error)


def _keep_status(handle: Operation, status: Any) -> None:
    number = int(status)
    handle.annotate(**{"http.response.status_code": number})
    if number >= _FAILED:
        handle.fail(f"HTTP {number}")


def _traceparent(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the header if it is there once; twice it names nobody."""
    found = [value for name, value in scope["headers"] if name.lower() == HEADER.encode()]
    return {HEADER: found[0].decode("latin-1")} if len(found) == 1 else {}


def _route(routes: Iterable[Any], scope: MutableMapping[str, Any]) -> str:
    """Find the template of the route that Starlette will choose; empty if there is none."""
    partial = ""
    for route in routes:
        if not hasattr(route, "matches"):
            continue
        match, inner = route.matches(scope)
        if match.name == "NONE":
            continue
        path = _path(route, {**scope, **inner})
        if match.name == "FULL":
            return path
        partial = partial or path
    return partial


def _chosen(routes: Iterable[Any], handler: Any) -> str:
    """Find the template of the one route that has the handler that Litestar, before it told templates, has chosen."""
    if handler is None:
        return ""
    found = {str(route.path_format) for route in routes if handler in getattr(route, "route_handlers", ())}
    return found.pop() if len(found) == 1 else ""


def _path(route: Any, scope: MutableMapping[str, Any]) -> str:
    """Return the template of a route that matches, with what is mounted or included below it."""
    # FastAPI from 0.137 on keeps a router that was included as one route, which names those below it.
    included = getattr(route, "effective_candidates", None)
    if included is not None:
        return _route(included(), scope)
    path = str(getattr(route, "path", ""))
    below = getattr(route, "routes", None)
    return path + _route(below, scope) if below else path
