"""How deep timed functions, coroutines and generators may call each other, beside plain ones.

`python tests/benchmarks/recursion.py [LIMIT...]` prints a line for each recursion limit: calls in a row without and
with `@timed`, by kind.
"""

import asyncio
import sys
import threading
import warnings
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
import perftrace

KINDS = ("function", "coroutine", "generator")


def depth(kind, wrap):
    """Call one in the other until Python refuses; return how many there were."""
    deepest = 0

    def reached(level):
        nonlocal deepest
        deepest = max(deepest, level)

    if kind == "function":

        @wrap
        def call(level):
            reached(level)
            call(level + 1)
    elif kind == "coroutine":

        @wrap
        async def call(level):
            reached(level)
            await call(level + 1)
    else:

        @wrap
        def call(level):
            reached(level)
            yield from call(level + 1)

    try:
        if kind == "coroutine":
            asyncio.run(call(0))
        else:
            list(call(0) or ())
    except RecursionError:
        pass
    return deepest


def depths(limit):
    """Return the numbers of calls in a row, plain and timed, by kind."""
    sys.setrecursionlimit(limit)
    return {kind: (depth(kind, lambda function: function), depth(kind, perftrace.timed)) for kind in KINDS}


def main():
    """Measure in a thread with a large stack, so that Python's own limits are what is met."""
    warnings.simplefilter("ignore")  # of coroutines that were refused
    perftrace.configure(sinks=["memory"])
    for limit in map(int, sys.argv[1:] or ("1000", "10000")):
        found = ", ".join(f"{kind} {plain} / {timed}" for kind, (plain, timed) in depths(limit).items())
        print(f"Python {sys.version.split()[0]}, limit {limit}: {found}")


if __name__ == "__main__":
    threading.stack_size(512 << 20)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
