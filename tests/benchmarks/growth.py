"""How cost grows: nanoseconds per event with the memory sink, which should stay flat, and the CPU of the commands."""

import asyncio
import sys
import time
from pathlib import Path

import perftrace
from perftrace import checkpoint, operation, timed

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks import commands
from tests.benchmarks.goals import run as run_with_goals

REPEATS = 5


def best(measure):
    return min(measure() for _ in range(REPEATS))


def row(goals, title, cells):
    growth = cells[-1][1] / cells[len(cells) // 2][1]
    figures = "".join(f"{size:>8}: {ns:6.0f}" for size, ns in cells)
    print(f"{title:34}{figures}; {growth:.2f}x", goals.check(growth, most=1.5))


def checkpoints(count):
    """Give the cost of a checkpoint, in operations of so many."""

    @timed
    def run():
        for _ in range(count):
            checkpoint("step")

    rounds = max(1, 20_000 // count)

    def measure():
        before = time.perf_counter_ns()
        for _ in range(rounds):
            run()
        return (time.perf_counter_ns() - before) / rounds / count

    return best(measure)


def nesting(depth):
    """Give the cost of an operation, in nests of such a depth."""

    @timed
    def run(level):
        if level > 1:
            run(level - 1)

    rounds = max(1, 5_000 // depth)

    def measure():
        before = time.perf_counter_ns()
        for _ in range(rounds):
            run(depth)
        return (time.perf_counter_ns() - before) / rounds / depth

    return best(measure)


def suspensions(count):
    """Give the cost of a suspension beyond an undecorated coroutine's, in operations of so many."""

    async def bare():
        for _ in range(count):
            await asyncio.sleep(0)

    async def main(function):
        rounds = max(1, 2_000 // count)
        before = time.perf_counter_ns()
        for _ in range(rounds):
            await function()
        return (time.perf_counter_ns() - before) / rounds / count

    return best(lambda: asyncio.run(main(timed(bare)))) - best(lambda: asyncio.run(main(bare)))


def tasks(count):
    """Give the cost of an operation beyond an undecorated task's, with so many tasks at once."""

    async def bare():
        await asyncio.sleep(0)

    async def main(function):
        before = time.perf_counter_ns()
        await asyncio.gather(*(function() for _ in range(count)))
        return (time.perf_counter_ns() - before) / count

    return best(lambda: asyncio.run(main(timed(bare)))) - best(lambda: asyncio.run(main(bare)))


def main(goals):
    perftrace.configure(sinks=["memory"])
    with operation("warm"):
        pass
    print("Nanoseconds per event, by how many there are:")
    row(goals, "a checkpoint, by their number", [(n, checkpoints(n)) for n in (1, 10, 100, 1000)])
    row(goals, "an operation, by depth of nesting", [(n, nesting(n)) for n in (1, 10, 100)])
    row(goals, "a suspension, by their number", [(n, suspensions(n)) for n in (1, 10, 100, 1000)])
    row(goals, "an operation, by tasks at once", [(n, tasks(n)) for n in (1, 100, 1000, 10_000)])
    print("CPU and memory of commands, and those where there is four times as much:")
    commands.measure(goals)


if __name__ == "__main__":
    run_with_goals(main)
