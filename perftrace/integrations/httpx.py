"""httpx: an operation for each request, `traceparent` on it, checkpoints from its connection on."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from perftrace.core.record import Operation
from perftrace.core.values import masked
from perftrace.integrations.patching import Undo, all_of, is_wanted, patch
from perftrace.tracing.blocks import operation
from perftrace.tracing.propagation import HEADER, inject

MOMENTS = {
    "connect_tcp.complete": "connected",
    "start_tls.complete": "encrypted",
    "send_request_body.complete": "sent",
    "receive_response_headers.complete": "first_byte",
    "receive_response_body.complete": "read",
}
"""The events of httpcore, without the protocol before them, that become checkpoints; other transports send none."""
_FAILED = 500


def install() -> Undo:
    """Patch `Client.send` and `AsyncClient.send`, through which every request goes."""
    return all_of(patch(httpx.Client, "send", _send), patch(httpx.AsyncClient, "send", _send_async))


def _send(wrapped: Callable[..., httpx.Response], client: object, args: tuple[Any, ...], kwargs: Any) -> httpx.Response:
    request = args[0] if args else kwargs.get("request")
    if not is_wanted() or not isinstance(request, httpx.Request):
        return wrapped(*args, **kwargs)
    with _traced(request) as (handle, reach, asked):

        def both(event: str, info: object) -> None:
            reach(event, info)
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
            reach(event, info)
            if asked is not None:
                await asked(event, info)

        request.extensions = {**request.extensions, "trace": both}
        return _told(handle, await wrapped(*args, **kwargs))


@contextmanager
def _traced(request: httpx.Request) -> Iterator[tuple[Operation, Callable[[str, object], None], Any]]:
    """Make the operation; return its handle, what takes httpcore's events, and the user's own function for them."""
    url = request.url
    attributes = {"http.request.method": request.method, "url.path": masked(url.path), "server.address": url.host}
    asked = request.extensions.get("trace")
    with operation(f"{request.method} {url.host}", attributes=attributes) as handle:
        is_new = HEADER not in request.headers
        if is_new:
            inject(request.headers)
        is_sent = False

        def reach(event: str, info: object) -> None:
            moment = MOMENTS.get(event.partition(".")[2])
            if moment is not None and not is_sent:  # a streamed body is read when the operation is over
                handle.checkpoint(moment)

        try:
            yield handle, reach, asked
        finally:
            is_sent = True
            # As it was, should it be sent again.
            if is_new and HEADER in request.headers:
                del request.headers[HEADER]
            rest = {name: value for name, value in request.extensions.items() if name != "trace"}
            request.extensions = rest if asked is None else {**rest, "trace": asked}


def _told(handle: Operation, response: httpx.Response) -> httpx.Response:
    """Note how it was answered."""
    handle.annotate(**{"http.response.status_code": response.status_code})
    if response.status_code >= _FAILED:
        handle.fail(f"HTTP {response.status_code}")
    return response
