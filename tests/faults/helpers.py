"""Runs a fault in a process of its own, with a hard time-out."""

import subprocess
import sys

from tests.conftest import TIMEOUT

COUNTERS = """
def check_counters(written=None):
    counters = perftrace.stats()["sinks"][0]
    lost = sum(counters["dropped"].values())
    assert counters["accepted"] == counters["written"] + lost + counters["pending"], counters
    if written is not None:
        assert counters["written"] == written, (counters, written)
    return counters
"""
"""accepted = written + dropped + pending, and written as an independent count has it."""


def run(code, *arguments, timeout=TIMEOUT, status=0):
    """Run a script; a hang or another exit status than expected is a failure. Gives what it printed."""
    result = subprocess.run(
        [
            sys.executable,
            "-X",
            "faulthandler",
            "-c",
            f"import perftrace, os, sys, time\n{COUNTERS}\n{code}",
            *map(str, arguments),
        ],
        capture_output=True,
        timeout=timeout,
        check=False,
        text=True,
    )
    assert result.returncode == status, f"status {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout
