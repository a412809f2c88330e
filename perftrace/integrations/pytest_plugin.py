"""Fixtures for tests of traced code; pytest finds them by itself where perftrace is installed."""

from collections.abc import Iterator

import pytest

from perftrace.core.record import Record
from perftrace.testing import CountingIds, FakeClock, capture


@pytest.fixture
def perftrace_clock() -> FakeClock:
    """Give the clock that `perftrace_records` lives by: it moves when the test says so."""
    return FakeClock()


@pytest.fixture
def perftrace_records(perftrace_clock: FakeClock) -> Iterator[list[Record]]:
    """Collect what the test's code traces, with ids that count from 1; the configured sinks get nothing."""
    with capture(clock=perftrace_clock, ids=CountingIds()) as records:
        yield records
