"""What every test gets: a fresh tracer state, and a failure where it leaves an operation current."""

import contextlib
import gc
import os
import time

# ruff: noqa: E402
# Before anything imports numpy, in this process or in one that a test starts: on the small matrices here its threads
# only burn time.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# The processes that tests start speak Chinese, unless a test says otherwise.
os.environ.update(LC_ALL="C.UTF-8")
os.environ.pop("PERFTRACE_LANGUAGE", None)

import pytest
from hypothesis import settings

import perftrace
from perftrace.core.tracer import current
from perftrace.testing import CountingIds, FakeClock, capture
from perftrace.tracing.configuration import tracer

perftrace.configure(language="zh")  # pytest imported the plugin, and perftrace with it, before

TIMEOUT = 240
"""Seconds that a process started by a test may take: on a loaded machine the slowest needs a tenth of it."""

_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
_SHARE = {"quick": 0.2, "ci": 1, "night": 20}
"""How many examples each profile draws, as a multiple of what `ci` does."""


def examples(count):
    """Return how many examples the chosen profile draws where `ci` draws `count`."""
    return max(1, int(count * _SHARE[_PROFILE]))


for _name in _SHARE:
    settings.register_profile(_name, deadline=None, max_examples=examples(100))
settings.load_profile(_PROFILE)


def pytest_collection_finish():
    """Take what was imported out of the garbage collector's sight: each full collection looked through all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_state_leaks():
    guards, clock, ids = tracer.guards, tracer.clock, tracer.ids
    tracer.reset_counters()
    yield
    assert current.get() is None, "the test left an operation current"
    assert tracer.enabled, "the test left tracing off"
    tracer.set_guards(guards)
    tracer.set_clock(clock)
    tracer.set_ids(ids)


@pytest.fixture
def cpu_seconds():
    """Return a context manager that fails a block which takes more processor time: a bound for quadratic work."""

    @contextlib.contextmanager
    def at_most(seconds):
        before = time.process_time()
        yield
        assert time.process_time() - before < seconds

    return at_most


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def records(clock):
    with capture(clock=clock, ids=CountingIds()) as records:
        yield records


@pytest.fixture
def english(monkeypatch):
    """Let commands speak English, whatever the log's language."""
    monkeypatch.setenv("PERFTRACE_LANGUAGE", "en")
