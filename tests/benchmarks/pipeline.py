"""What a wrapper costs the traced thread: one operation with four checkpoints, as a ratio to the memory sink alone."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import perftrace
from perftrace.pipeline import Background, Cardinality, FlightRecorder, RateLimit, Redact, Sampling
from perftrace.sinks.memory import MemorySink

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run as run_with_goals

CALLS = 500
ROUNDS = 60
CHECKPOINTS = ("get_user", "check_points", "set_state", "send_reply")
SINKS: dict[str, Callable[[], perftrace.Sink]] = {
    "memory": MemorySink,
    "Background": lambda: Background(MemorySink(), capacity=10**6, interval=60, batch=10**6),
    "Sampling (all healthy)": lambda: Sampling(MemorySink(), slow=10),
    "FlightRecorder": lambda: FlightRecorder(MemorySink()),
    "RateLimit (held back)": lambda: RateLimit(MemorySink(), per_second=0.001),
    "Redact (nothing found)": lambda: Redact(MemorySink()),
    "Cardinality (all known)": lambda: Cardinality(MemorySink()),
}


@perftrace.timed(operation="button_click")
def function():
    for name in CHECKPOINTS:
        perftrace.checkpoint(name)


@perftrace.timed(operation="button_click")
async def coroutine():
    for name in CHECKPOINTS:
        perftrace.checkpoint(name)


def sync():
    before = time.perf_counter_ns()
    for _ in range(CALLS):
        function()
    return (time.perf_counter_ns() - before) / CALLS


def async_():
    async def main():
        before = time.perf_counter_ns()
        for _ in range(CALLS):
            await coroutine()
        return (time.perf_counter_ns() - before) / CALLS

    return asyncio.run(main())


def main(goals):
    costs = {name: [] for name in SINKS}
    for _ in range(ROUNDS):
        for name, make in SINKS.items():
            perftrace.configure(sinks=[make()])
            costs[name].append((sync(), async_()))
            perftrace.configure(sinks=[])
    minima = {name: [min(column) for column in zip(*rounds, strict=True)] for name, rounds in costs.items()}
    base = minima["memory"]
    print(f"Python {sys.version.split()[0]}, one operation with four checkpoints, against the memory sink alone")
    for name, (one, other) in minima.items():
        dearest = max(one / base[0], other / base[1])
        print(f"{name:26}{one / base[0]:8.2f}x sync {other / base[1]:8.2f}x async", goals.check(dearest, most=3))


if __name__ == "__main__":
    run_with_goals(main)
