"""Fixtures and a marker for tests of traced code; pytest finds them by itself where perftrace is installed."""

from collections.abc import Generator, Iterator

import pytest

from perftrace.core.record import Record
from perftrace.exceptions import MarkerError
from perftrace.integrations.pytest_budget import Limits, watching
from perftrace.testing import CountingIds, FakeClock, capture

_MARKER = (
    'perftrace(budget="50ms", max_calls={"get_user": 1}): fail if an operation that begins a trace takes longer, '
    "or an operation or checkpoint happens more often"
)


@pytest.fixture
def perftrace_clock() -> FakeClock:
    """Return the clock that `perftrace_records` lives by: it moves when the test says so."""
    return FakeClock()


@pytest.fixture
def perftrace_records(perftrace_clock: FakeClock) -> Iterator[list[Record]]:
    """Collect what the test's code traces, with ids that count from 1; the configured sinks get nothing."""
    with capture(clock=perftrace_clock, ids=CountingIds()) as records:
        yield records


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Hold a marked test against its limits; what it raises itself comes first."""
    marker = item.get_closest_marker("perftrace")
    if marker is None:
        return (yield)
    try:
        limits = Limits.of(*marker.args, **marker.kwargs)
    except (MarkerError, TypeError) as error:
        pytest.fail(f"@pytest.mark.perftrace: {error}", pytrace=False)
    with watching() as watch:
        result = yield
    faults = list(watch.faults(limits))
    if faults:
        pytest.fail("\n".join(f"perftrace: {fault}" for fault in faults), pytrace=False)
    return result
