"""What importing perftrace costs beyond wrapt and decorator, which it needs."""

import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run as run_with_goals

ROUNDS = 9
CODE = "import time; before = time.perf_counter(); import {what}; print(time.perf_counter() - before)"


def seconds(what):
    command = [sys.executable, "-c", CODE.format(what=what)]
    return min(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(ROUNDS))


def main(goals):
    needed, whole = seconds("asyncio, wrapt, decorator"), seconds("asyncio, wrapt, decorator, perftrace")
    ratio = whole / needed
    print(f"import: {ratio:.2f} times that of asyncio, wrapt and decorator alone", goals.check(ratio, most=1.6))


if __name__ == "__main__":
    run_with_goals(main)
