"""A worker's tasks: `taskiq worker tests.peers.worker:broker`, with a Redis server's URL in PERFTRACE_TEST_REDIS."""

import os

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

import perftrace

perftrace.instrument("taskiq")
url = os.environ["PERFTRACE_TEST_REDIS"]
broker = ListQueueBroker(url).with_result_backend(RedisAsyncResultBackend(url))


@broker.task("resize")
async def resize(width: int) -> int:
    """Do nothing that takes long."""
    perftrace.checkpoint("resized")
    return width
