"""What importing perftrace costs beyond wrapt and decorator, which it needs."""

import subprocess
import sys

ROUNDS = 9
CODE = "import time; before = time.perf_counter(); import {what}; print(time.perf_counter() - before)"


def seconds(what):
    command = [sys.executable, "-c", CODE.format(what=what)]
    return min(float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(ROUNDS))


def main():
    needed, whole = seconds("asyncio, wrapt, decorator"), seconds("asyncio, wrapt, decorator, perftrace")
    print(f"import: {whole / needed:.2f} times that of asyncio, wrapt and decorator alone")


if __name__ == "__main__":
    main()
