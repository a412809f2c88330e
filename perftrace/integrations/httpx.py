"""httpx: an operation for each request, `traceparent` on it, its wait for the pool and for a connection."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from perftrace.core.record import Operation
from perftrace.integrations.client_calls import http_request, keep_status
from perftrace.integrations.guard import guarded
from perftrace.integrations.patching import Undo, all_of, is_wanted, patch
from perftrace.tracing.propagation import HEADER, inject

_WAITED = ("connect_tcp.started", "connect_unix_socket.started", "send_request_headers.started")
"""Events of httpcore, without the protocol before them, at the first of which a request has its place in the pool."""
_MOMENTS = {
    "connect_tcp.complete": "connect",
    "connect_unix_socket.complete": "connect",
    "start_tls.complete": "tls",
    "send_request_body.complete": "sent",
    "receive_response_headers.complete": "first_byte",
    "receive_response_body.complete": "read",
}
"""Those that are the end of a segment; other transports send none."""


def install() -> Undo:
    """Patch `Client.send` and `AsyncClient.send`, through which every request goes."""
    return all_of(patch(httpx.Client, "send", _send), patch(httpx.AsyncClient, "send", _send_async))


def _send(wrapped: Callable[..., httpx.Response], client: object, args: tuple[Any, ...], kwargs: Any) -> httpx.Response:
    request = args[0] if args else kwargs.get("request")
    if not is_wanted() or not isinstance(request, httpx.Request):
        return wrapped(*args, **kwargs)
    with _traced(request) as (handle, reach, asked):

        def both(event: str, info: object) -> None:
            reach(event)
            if asked is not None:
                asked(event, info)

        request.extensions = {**request.extensions, "trace": both}
        return _told(handle, wrapped(*args, **kwargs))


async def _send_async(
    wrapped: Callable[..., Awaitable[httpx.Response]], client: object, args: tuple[Any, ...], kwargs: Any
) -> httpx.Response:
    request = args[0] if args else kwargs.get("request")
    if not is_wanted() or not isinstance(request, httpx.Request):
        return await wrapped(*args, **kwargs)
    with _traced(request) as (handle, reach, asked):

        async def both(event: str, info: object) -> None:
            reach(event)
            if asked is not None:
                await asked(event, info)

        request.extensions = {**request.extensions, "trace": both}
        return _told(handle, await wrapped(*args, **kwargs))


class _Moments:
    """Takes httpcore's events of a request, and makes checkpoints of them until it is answered."""

    def __init__(self, handle: Operation) -> None:
        self._handle = handle
        self._has_place = False
        self.is_answered = False

    def reach(self, event: object) -> None:
        """Note an event; never raises."""
        guarded("httpx: event", lambda: self._reach(str(event).partition(".")[2]), None)

    def _reach(self, event: str) -> None:
        if self.is_answered:  # a streamed body is read when the operation is over
            return
        if event in _WAITED and not self._has_place:
            self._has_place = True
            self._handle.checkpoint("pool")
        moment = _MOMENTS.get(event)
        if moment is not None:
            self._handle.checkpoint(moment)
        if moment == "first_byte":  # a redirect takes a place of its own
            self._has_place = False


@contextmanager
def _traced(request: httpx.Request) -> Iterator[tuple[Operation, Callable[[object], None], Any]]:
    """Make the operation; return its handle, what takes httpcore's events, and the user's own function for them."""
    asked = request.extensions.get("trace")
    with http_request("httpx", request) as handle:
        is_new = guarded("httpx: traceparent", lambda: _inject(request.headers), False)
        moments = _Moments(handle)
        try:
            yield handle, moments.reach, asked
        finally:
            moments.is_answered = True
            # As it was, should it be sent again.
            if is_new and HEADER in request.headers:
                del request.headers[HEADER]
            rest = {name: value for name, value in request.extensions.items() if name != "trace"}
            request.extensions = rest if asked is None else {**rest, "trace": asked}


def _inject(headers: httpx.Headers) -> bool:
    """Add the header, unless the user did; return whether it was added."""
    if HEADER in headers:
        return False
    inject(headers)
    return True


def _told(handle: Operation, response: httpx.Response) -> httpx.Response:
    """Note how it was answered."""
    keep_status("httpx", handle, lambda: response.status_code)
    return response
