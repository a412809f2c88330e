"""`why`, `whatif`, `advise`, `compare` and `trend` on up to 100,000 traces of five operations each: traces a second.

The records are made beforehand, in the form in which a source gives them: reading them is `report.py`'s matter.
"""

import gc
import random
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from perftrace.analysis.advice import advise
from perftrace.analysis.comparison import compare
from perftrace.analysis.predictions import whatif
from perftrace.analysis.tails import why
from perftrace.analysis.trends import trend
from perftrace.cli import GC_THRESHOLDS
from perftrace.core.record import Record

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run as run_with_goals
from tests.ids import span_id, trace_id

SIZES = (1_000, 10_000, 100_000)
MS = 1_000_000


def traces(count):
    """Make traces: a user looked up, two calls side by side, one after them."""
    dice = random.Random(1)
    records = []
    for number in range(1, count + 1):
        at = number * 1_000 * MS
        user, first, second, third, last = (
            int(dice.lognormvariate(0, 0.4) * mean * MS) for mean in (5, 60, 30, 40, 20)
        )
        together = user + max(first, second)
        end = together + third + last
        common = {"trace_id": trace_id(number), "pid": 1, "parent_id": span_id(1)}

        def run(name, span, start, length, common=common, at=at, **more):
            start += at
            return Record(
                name,
                span_id=span_id(span),
                start=10**18 + start,
                start_mono=start,
                duration_ns=length,
                **{**common, **more},
            )

        records += [
            run("get_user", 2, 0, user, key=f"u{number % 500}"),
            run("download", 3, user, first, attributes={"server.address": "files.example.org"}),
            run("notify", 4, user, second),
            run("render", 5, together, third),
            run(
                "photo", 1, 0, end, parent_id=None, key=f"u{number % 500}",
                attributes={"size": "large" if number % 10 == 0 else "small"},
                checkpoints=[("user", "", user, {}), ("fetched", "", together, {}), ("rendered", "", end - last, {})],
            ),
        ]  # fmt: skip
    return records


def main(goals):
    smaller: dict[str, float] = {}
    gc.set_threshold(*GC_THRESHOLDS)  # as the command line does
    print(f"Python {sys.version.split()[0]}")
    for size in SIZES:
        records = traces(size)
        half = len(records) // 2
        commands: dict[str, Callable[[], object]] = {
            "why": partial(why, records, "photo"),
            "whatif": partial(whatif, records, "photo"),
            "advise": partial(advise, records),
            "compare": partial(compare, records[:half], records[half:]),
            "trend": partial(trend, records),
        }
        for name, command in commands.items():
            before = time.perf_counter()
            command()
            seconds = time.perf_counter() - before
            # A trace costs the same however many there are.
            growth = seconds / size / smaller.setdefault(name, seconds / size)
            print(
                f"{name:8} {size:>8,} traces: {seconds:6.2f} s, {size / seconds:>9,.0f} a second,"
                f" {growth:.2f}x a trace among fewest",
                goals.check(growth, most=2),
                flush=True,
            )
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB of memory, records included")


if __name__ == "__main__":
    run_with_goals(main)
