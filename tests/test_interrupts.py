"""Tracing where Python interrupts itself: signal handlers and finalizers, in processes of their own."""

import os
import subprocess
import sys

import pytest

from tests.conftest import TIMEOUT

COMMON = """
import gc, signal, time
import perftrace
from perftrace import checkpoint, timed
perftrace.configure(sinks=["memory", lambda record: count.append(1)])
count = []

@timed(operation="work", key="n")
def work(n):
    checkpoint("x")

def balanced():
    for counters in perftrace.stats()["sinks"]:
        assert counters["accepted"] == counters["written"] == len(count), (counters, len(count))
        assert counters["errors"] == 0
    assert perftrace.current_operation() is None
"""


def run(code):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", COMMON + code],
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    assert result.stderr == b""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals")
def test_a_signal_handler_may_trace():
    """Whatever it interrupts: nothing raises, and the counters balance."""
    run("""
made = []

@timed(operation="handler")
def handler(number, frame):
    made.append(1)
    checkpoint("y")

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for n in range(50_000):
    work(n)
signal.setitimer(signal.ITIMER_REAL, 0)
assert len(made) > 10
handled = len(count) - 50_000
assert handled + perftrace.stats()["reentrant"] // 2 == len(made), (handled, len(made), perftrace.stats())
balanced()
""")


def test_a_finalizer_may_trace():
    """Called by a collector that runs at every other allocation."""
    run("""
class Cyclic:
    def __init__(self):
        self.me = self

    @timed(operation="finalizer")
    def __del__(self):
        checkpoint("z")

for n in range(3_000):
    Cyclic()
    work(n)
gc.collect()
assert len(count) + perftrace.stats()["reentrant"] // 2 == 6_000, (len(count), perftrace.stats())
balanced()
""")
