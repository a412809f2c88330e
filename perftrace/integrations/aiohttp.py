"""aiohttp's client: an operation for each request, `traceparent` on it, its wait for the pool and for a connection."""

from types import SimpleNamespace
from typing import Any

import aiohttp

from perftrace.core.record import Operation
from perftrace.integrations.client_calls import http_request, keep_status
from perftrace.integrations.guard import guarded
from perftrace.integrations.patching import Undo, is_wanted, patch
from perftrace.tracing.propagation import HEADER


def trace_config() -> aiohttp.TraceConfig:
    """Trace the requests of a session: `aiohttp.ClientSession(trace_configs=[trace_config()])`.

    An operation is named `METHOD host` and ends when the answer's headers are there: its body is read afterwards.
    Checkpoints: `pool` where it has its place in the pool, `connect` where it has a connection that is new (name
    resolution and TLS included), `headers_sent`, `first_byte`. Redirects are part of it (`redirect`: until the answer
    that names the next address), and what a middleware sends again (`retry`: until then). The query string is kept
    nowhere.
    """
    config = aiohttp.TraceConfig()
    config.on_request_start.append(_started)
    for callbacks in (config.on_connection_create_start, config.on_connection_reuseconn):
        callbacks.append(_placed)
    config.on_connection_create_end.append(_reaches("connect"))
    config.on_request_headers_sent.append(_reaches("headers_sent"))
    config.on_request_redirect.append(_reaches("redirect"))
    config.on_request_end.append(_ended)
    config.on_request_exception.append(_failed)
    return config


def install() -> Undo:
    """Trace every session that is made from now on."""
    is_on = True
    config = trace_config()

    def session_made(wrapped: Any, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        configs = list(kwargs.pop("trace_configs", None) or ())
        if not any(_started in given.on_request_start for given in configs):
            configs.append(config)
        wrapped(*args, trace_configs=configs, **kwargs)

    undo_patch = patch(aiohttp.ClientSession, "__init__", session_made)

    async def started_if_on(session: aiohttp.ClientSession, context: SimpleNamespace, request: Any) -> None:
        if is_on:
            await _started(session, context, request)

    config.on_request_start[:] = [started_if_on]

    def undo() -> None:
        nonlocal is_on
        is_on = False
        undo_patch()

    return undo


async def _started(
    session: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestStartParams
) -> None:
    context.block = None
    if not is_wanted():
        return
    block = http_request("aiohttp", request)
    handle = block.begin()  # never current: where no second callback comes, nothing is left behind
    context.block, context.last = block, ""
    guarded("aiohttp: traceparent", lambda: _inject(request.headers, handle), None)


def _inject(headers: Any, handle: Operation) -> None:
    if HEADER not in headers:
        headers[HEADER] = f"00-{handle.trace_id}-{handle.span_id}-01"


async def _placed(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    """Mark the end of the wait for the pool, or, where a middleware sends a request again, of the attempt before."""
    block = getattr(context, "block", None)
    if block is not None:
        block.checkpoint("retry" if context.last == "headers_sent" else "pool")
        context.last = "pool"


def _reaches(moment: str) -> Any:
    """Make a callback of aiohttp that makes a checkpoint."""

    async def reached(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
        block = getattr(context, "block", None)
        if block is not None:
            block.checkpoint(moment)
            context.last = moment

    return reached


async def _ended(
    session: aiohttp.ClientSession, context: SimpleNamespace, answer: aiohttp.TraceRequestEndParams
) -> None:
    block = getattr(context, "block", None)
    if block is not None:
        block.checkpoint("first_byte")
        keep_status("aiohttp", block.handle, lambda: answer.response.status)
        block.end()


async def _failed(
    session: aiohttp.ClientSession, context: SimpleNamespace, failure: aiohttp.TraceRequestExceptionParams
) -> None:
    block = getattr(context, "block", None)
    if block is not None:
        block.end(failure.exception)
