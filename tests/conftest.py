"""What every test gets: a fresh tracer state, and a failure where it leaves an operation current."""

import pytest
from hypothesis import settings

from perftrace.core.engine import current
from perftrace.runtime import tracer
from perftrace.testing import CountingIds, FakeClock, capture

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def _no_state_leaks():
    outlets, clock, ids = tracer.outlets, tracer.clock, tracer.ids
    tracer.reset_counters()
    yield
    assert current.get() is None, "the test left an operation current"
    assert tracer.enabled, "the test left tracing off"
    tracer.set_outlets(outlets)
    tracer.set_clock(clock)
    tracer.set_ids(ids)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def records(clock):
    with capture(clock=clock, ids=CountingIds()) as records:
        yield records
