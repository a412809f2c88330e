"""Calls of other services: their operations, told at DEBUG, and what HTTP requests have in common."""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from perftrace.core.block import Block
from perftrace.core.record import Operation
from perftrace.core.values import masked
from perftrace.integrations.guard import UNNAMED, guarded
from perftrace.tracing.blocks import operation

_FAILED = 500


def client_call(name: str, attributes: Mapping[str, object]) -> Block:
    """Make the operation of a call: in a log there are more of them than of anything else, so its level is DEBUG."""
    block = operation(name, attributes=attributes)
    block.spec.level = logging.DEBUG
    return block


def http_request(library: str, request: Any) -> Block:
    """Make the operation of a request, named `METHOD host`; its query string is kept nowhere.

    library: told where something cannot be read. request: has `method`, and `url` with `host` and `path`.
    """
    name = guarded(f"{library}: name", lambda: f"{request.method} {request.url.host}", f"request {UNNAMED}")
    return client_call(name, guarded(f"{library}: url", lambda: _attributes(request.method, request.url), {}))


def _attributes(method: str, url: Any) -> dict[str, object]:
    return {"http.request.method": method, "url.path": masked(str(url.path)), "server.address": url.host or ""}


def api_call(name: str, library: str, read_url: Callable[[], str]) -> Block:
    """Make the operation of a call of Telegram's API, whose URL holds a token: its host alone is kept."""
    host = guarded(f"{library}: host", lambda: urlsplit(read_url()).hostname, None)
    return operation(name, attributes={"http.request.method": "POST", "server.address": host or ""})


def keep_status(library: str, handle: Operation, read: Callable[[], object]) -> None:
    """Note how a request was answered; 500 and above are failures."""
    status = guarded(f"{library}: status", lambda: int(read()), None)  # type: ignore[call-overload]
    if status is not None:
        handle.annotate(**{"http.response.status_code": status})
        if status >= _FAILED:
            handle.fail(f"HTTP {status}")
