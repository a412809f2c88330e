"""redis: an operation for each command or pipeline, of clients with and without asyncio."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio

from perftrace.integrations.client_calls import client_call
from perftrace.integrations.guard import UNNAMED, guarded
from perftrace.integrations.patching import Undo, all_of, is_wanted, patch

_WAITING = frozenset(
    ("BLPOP", "BRPOP", "BLMOVE", "BLMPOP", "BRPOPLPUSH", "BZPOPMAX", "BZPOPMIN", "BZMPOP", "WAIT", "WAITAOF")
)
"""Commands that wait for somebody else's: no work."""


def install() -> Undo:
    """Patch the clients, not those of clusters: `redis GET`, and `redis pipeline` with the number of its commands.

    Keys and values are kept nowhere. Commands that wait, such as BLPOP or XREAD with BLOCK, are none.
    """
    return all_of(
        *(
            patch(owner, name, wrapper)
            for owner, names, wrapper in (
                (redis.Redis, ("execute_command",), _run),
                (redis.client.Pipeline, ("execute", "immediate_execute_command"), _run),
                (redis.asyncio.Redis, ("execute_command",), _run_async),
                (redis.asyncio.client.Pipeline, ("execute", "immediate_execute_command"), _run_async),
            )
            for name in names
        )
    )


def _run(wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    with _traced(wrapped, client, args):
        return wrapped(*args, **kwargs)


async def _run_async(wrapped: Any, client: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
    with _traced(wrapped, client, args):
        return await wrapped(*args, **kwargs)


@contextmanager
def _traced(wrapped: Any, client: Any, args: tuple[Any, ...]) -> Iterator[None]:
    """Trace a command or a pipeline, unless nobody wants that or it only waits."""
    name, attributes = _call(wrapped, client, args) if is_wanted() else (None, {})
    if name is None:
        yield
        return
    block = client_call(name, {"db.system.name": "redis", **attributes})
    block.__enter__()
    try:
        yield
    except redis.WatchError:  # how an optimistic lock says that somebody was faster
        block.__exit__(None, None, None)
        raise
    except BaseException as error:
        block.__exit__(type(error), error, error.__traceback__)
        raise
    block.__exit__(None, None, None)


def _call(wrapped: Any, client: Any, args: tuple[Any, ...]) -> tuple[str | None, dict[str, object]]:
    """Return the name of an operation, None for what only waits, and its attributes."""
    if wrapped.__name__ == "execute":
        size = guarded("redis: size", lambda: len(client), None)
        return "redis pipeline", {} if size is None else {"db.operation.batch.size": size}
    command = guarded("redis: name", lambda: _command(args[0]), UNNAMED)
    if command in _WAITING or (command.startswith("XREAD") and guarded("redis: block", lambda: _blocks(args), False)):
        return None, {}
    return f"redis {command}", {}


def _command(first: object) -> str:
    """Return the command alone: a text may hold its key, too."""
    word = _text(first).split(None, 1)[0]
    if not _COMMAND(word):
        raise ValueError("no command")
    return word.upper()


def _blocks(args: tuple[Any, ...]) -> bool:
    """Report whether a read of streams waits: an option before `STREAMS`, behind the group and its consumer."""
    words = [word.upper() for part in args for word in (_text(part).split() if part is args[0] else [_text(part)])]
    options = words[4:] if words[0] == "XREADGROUP" else words[1:]
    return "BLOCK" in options[: options.index("STREAMS")] if "STREAMS" in options else "BLOCK" in options


def _text(part: object) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else str(part)


_COMMAND = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}").fullmatch
