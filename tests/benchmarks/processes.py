"""What processes cost: their CPU, and the most memory that they held."""

import os
import subprocess
import sys
import tempfile
import time


def run(*command):
    """Give seconds, those of CPU, and peak megabytes of a command that must succeed."""
    before = time.perf_counter()
    # Into a file: what is to be thrown away, grep does not count.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - before, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def cpu_of(*arguments, rounds=2):
    """Give the least CPU seconds and peak megabytes that Python took with these arguments."""
    return min(run(sys.executable, *arguments)[1:] for _ in range(rounds))
