"""redis: an operation for each command or pipeline, of clients with and without asyncio."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import redis
import redis.asyncio

from perftrace.integrations.patching import Undo, all_of, is_wanted, patch
from perftrace.tracing.blocks import operation

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


def _traced(wrapped: Any, client: Any, args: tuple[Any, ...]) -> AbstractContextManager[object]:
    """Make the operation, or what does nothing."""
    if not is_wanted():
        return nullcontext()
    attributes: dict[str, object] = {"db.system.name": "redis"}
    if wrapped.__name__ == "execute":
        return operation("redis pipeline", attributes={**attributes, "db.operation.batch.size": len(client)})
    words = [str(word).upper() for word in args if isinstance(word, str)]
    if not words or words[0] in _WAITING or (words[0].startswith("XREAD") and "BLOCK" in words):
        return nullcontext()
    return operation(f"redis {words[0]}", attributes=attributes)
