"""The tests of the redis clients on a real server."""

import pytest
import redis
import redis.asyncio

from tests.integrations.test_redis import (  # noqa: F401  # they run here with the fixture below
    test_a_command_is_an_operation_and_a_pipeline_one,
    test_nothing_is_traced_without_wish,
)


@pytest.fixture
def clients(redis_url):
    """Give what makes a client, plain and with asyncio."""
    return lambda: redis.Redis.from_url(redis_url), lambda: redis.asyncio.Redis.from_url(redis_url)
