"""How the commands' cost grows with what there is, for `growth.py`: four times the data, at most five times the CPU."""

import json
import random
import tempfile
from pathlib import Path

from tests.benchmarks.processes import cpu_of
from tests.ids import span_id, trace_id

FIRST = 1_757_448_000_000_000_000
"""Unix nanoseconds."""
MS = 1_000_000
TRACES = 30
"""How many there are where it is a trace that grows."""
COMMANDS = {
    "report": ("report",),
    "slowest": ("slowest",),
    "show": ("show", trace_id(1)),
    "why": ("why", "handler"),
    "whatif": ("whatif", "handler"),
    "advise": ("advise",),
    "trend": ("trend",),
}


def record(trace, span, parent, name, at, took, **more):
    """Give a record as its JSON line has it; times in nanoseconds."""
    found = {
        "v": 1,
        "trace_id": trace_id(trace),
        "span_id": span_id(span),
        "operation_id": f"{name}_{span_id(span)}",
        "name": name,
        "start": FIRST + int(at),
        "start_mono": int(at) + 1,
        "duration_ns": int(took),
        "outcome": "ok",
        "pid": 7,
        "checkpoints": [],
    }
    return {**found, **({"parent_id": span_id(parent)} if parent else {}), **more}


def handler(number, at, name="handler", calls=("fetch", "render"), **more):
    """Give a handler that makes two calls, one after the other."""
    dice = random.Random(number)
    first, second = (dice.lognormvariate(0, 0.4) * 20 * MS for _ in calls)
    span = number * 10
    yield record(number, span + 1, span, calls[0], at, first)
    yield record(number, span + 2, span, calls[1], at + first, second)
    keyed = {"key": f"u{number % 500}", "key_name": "user", **more}
    yield record(number, span, None, name, at, first + second + 2 * MS, **keyed)


def at_once(count):
    for number in range(1, count + 1):
        yield from handler(number, random.Random(number).random() * 1000 * MS)


def names(count):
    for number in range(1, count + 1):
        name = "handler" if number % 2 else f"operation{number}"
        yield from handler(number, number * 50 * MS, name, (f"fetch{number}", f"render{number}"))


def checkpoints(count):
    """Each run with two of its own."""
    for number in range(1, count + 1):
        marks = [{"name": f"item_{2 * number + half}", "elapsed_ns": (half + 1) * MS} for half in (0, 1)]
        yield from handler(number, number * 50 * MS, checkpoints=marks)


def processes(count):
    for number in range(1, count + 1):
        yield from ({**one, "pid": number} for one in handler(number, number * 50 * MS))


def values(count):
    for number in range(1, count + 1):
        attributes = {"id": f"v{number}", "size": random.Random(number).random(), "kind": f"k{number % 7}"}
        yield from handler(number, number * 50 * MS, attributes=attributes)


def children(count):
    """Half of them one after the other, half side by side."""
    dice = random.Random(1)
    for trace in range(1, TRACES + 1):
        at, end = 0.0, 0.0
        for number in range(2, count + 2):
            took, span = dice.random() * MS, trace * 100_000 + number
            if number % 2:
                yield record(trace, span, trace * 100_000, "call", at, took, key=f"k{number % 50}")
                at += took
            else:
                yield record(trace, span, trace * 100_000, f"part{number % 30}", 0, took * 100, task=f"t{number}")
                end = max(end, took * 100)
        yield record(trace, trace * 100_000, None, "handler", 0, max(at, end) + MS)


def depth(count):
    for trace in range(1, TRACES + 1):
        for level in range(count, 0, -1):
            parent = trace * 100_000 + level - 1 if level > 1 else None
            name = f"level{level}" if parent else "handler"
            yield record(trace, trace * 100_000 + level, parent, name, level * 1000, (2 * count - level) * 3000 + trace)


WORLDS = {
    "runs at once": (at_once, 4_000),
    "names": (names, 4_000),
    "names of checkpoints": (checkpoints, 2_000),
    "children of a span": (children, 400),
    "depth": (depth, 150),
    "processes": (processes, 4_000),
    "values of attributes": (values, 4_000),
    "files": (at_once, 500),
}
"""What grows, and how much of it there is at first."""


def write(folder, what, count):
    """Write records: into one file, or each trace into its own."""
    folder.mkdir()
    for number, one in enumerate(WORLDS[what][0](count)):
        path = folder / f"{FIRST + (number // 3 if what == 'files' else 0)}-7-00000000.jsonl"
        with path.open("a") as file:
            file.write(json.dumps(one) + "\n")
    return str(folder)


def measure(goals):
    """Print the CPU and the memory of each command, and those where there is four times as much."""
    for what, (_, count) in WORLDS.items():
        with tempfile.TemporaryDirectory() as name:
            folders = [write(Path(name, str(size)), what, size) for size in (count, 4 * count)]
            for command, arguments in COMMANDS.items():
                (least, few), (most, many) = (cpu_of("-m", "perftrace", *arguments, one) for one in folders)
                print(
                    f"{what:20} {command:8} {count:>6,}: {least:5.2f} s, {few:4.0f} MB; {most:5.2f} s, {many:4.0f} MB; "
                    f"{most / least:.1f}x",
                    goals.check(most / least, most=5),
                    flush=True,
                )
