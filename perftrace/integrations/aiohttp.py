"""aiohttp's client: an operation for each request, `traceparent` on it, checkpoints from its connection on."""

from types import SimpleNamespace
from typing import Any

import aiohttp

from perftrace.core.values import masked
from perftrace.integrations.patching import Undo, is_wanted, patch
from perftrace.tracing.blocks import operation
from perftrace.tracing.propagation import HEADER

_FAILED = 500


def trace_config() -> aiohttp.TraceConfig:
    """Trace the requests of a session: `aiohttp.ClientSession(trace_configs=[trace_config()])`.

    An operation is named `METHOD host` and ends when the answer's headers are there: its body is read afterwards.
    Checkpoints: `connected` (not on a connection that is used again), `headers_sent`, `first_byte`. Redirects are part
    of it. The query string is kept nowhere.
    """
    config = aiohttp.TraceConfig()
    config.on_request_start.append(_started)
    config.on_connection_create_end.append(_connected)
    config.on_request_headers_sent.append(_headers_sent)
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
    url = request.url
    attributes: dict[str, object] = {
        "http.request.method": request.method, "url.path": masked(url.path), "server.address": url.host or "",
    }  # fmt: skip
    context.block = block = operation(f"{request.method} {url.host}", attributes=attributes)
    handle = block.begin()  # never current: where no second callback comes, nothing is left behind
    if HEADER not in request.headers:
        request.headers[HEADER] = f"00-{handle.trace_id}-{handle.span_id}-01"


def _reach(context: SimpleNamespace, moment: str) -> None:
    block = getattr(context, "block", None)
    if block is not None:
        block.checkpoint(moment)


async def _connected(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    _reach(context, "connected")


async def _headers_sent(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    _reach(context, "headers_sent")


async def _ended(
    session: aiohttp.ClientSession, context: SimpleNamespace, answer: aiohttp.TraceRequestEndParams
) -> None:
    block = getattr(context, "block", None)
    if block is not None:
        status = answer.response.status
        block.checkpoint("first_byte")
        block.handle.annotate(**{"http.response.status_code": status})
        if status >= _FAILED:
            block.handle.fail(f"HTTP {status}")
        block.end()


async def _failed(
    session: aiohttp.ClientSession, context: SimpleNamespace, failure: aiohttp.TraceRequestExceptionParams
) -> None:
    block = getattr(context, "block", None)
    if block is not None:
        block.end(failure.exception)
