"""Runs a fault in a process of its own, with a hard time-out."""

import subprocess
import sys

from tests.conftest import TIMEOUT

BOOKS = """
def check_books(written=None):
    books = perftrace.stats()["sinks"][0]
    lost = sum(books["dropped"].values())
    assert books["accepted"] == books["written"] + lost + books["pending"], books
    if written is not None:
        assert books["written"] == written, (books, written)
    return books
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
            f"import perftrace, os, sys, time\n{BOOKS}\n{code}",
            *map(str, arguments),
        ],
        capture_output=True,
        timeout=timeout,
        check=False,
        text=True,
    )
    assert result.returncode == status, f"status {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout
