"""What importing perftrace costs beyond wrapt and decorator, which it needs, and how long a command takes to start."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run as run_with_goals
from tests.benchmarks.processes import cpu_of
from tests.benchmarks.report import write_log

ROUNDS = 9
CODE = "import time; before = time.perf_counter(); {what}; print(time.perf_counter() - before)"
NEEDED = "import asyncio, wrapt, decorator"


def seconds(what):
    command = [sys.executable, "-c", CODE.format(what=what)]
    return min(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(ROUNDS))


def main(goals):
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each would compile the package anew
    needed, whole = seconds(NEEDED), seconds(f"{NEEDED}; from perftrace import timed, checkpoint, instrument")
    ratio = whole / needed
    print(f"import: {ratio:.2f} times that of asyncio, wrapt and decorator alone", goals.check(ratio, most=1.6))
    bare, _ = cpu_of("-c", "import json, argparse", rounds=ROUNDS)
    numpy, _ = cpu_of("-c", "import numpy", rounds=ROUNDS)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "bot.log"
        write_log(path, 600)
        small, megabytes = cpu_of("-m", "perftrace", "report", str(path), rounds=ROUNDS)
        print(
            f"report of 600 lines: {small / bare:.1f} times the CPU of `import json, argparse`, {megabytes:.0f} MB",
            goals.check(small / bare, most=4),
        )
        for command in ("trend", "advise"):
            took, megabytes = cpu_of("-m", "perftrace", command, str(path), rounds=ROUNDS)
            print(
                f"{command} of them: {took / numpy:.1f} times the CPU of Python with numpy, {megabytes:.0f} MB",
                goals.check(took / numpy, most=2),
            )


if __name__ == "__main__":
    run_with_goals(main)
