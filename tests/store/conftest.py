"""What the tests of the store share."""

import pytest

import perftrace


@pytest.fixture(autouse=True)
def _closed():
    yield
    perftrace.configure(sinks=[])
