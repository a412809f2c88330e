"""The fixtures, in a pytest of their own."""

import subprocess
import sys

TEST = """
import perftrace
from perftrace.testing import tree_text

@perftrace.timed(operation="click")
def click(clock):
    clock.advance(0.051)
    perftrace.checkpoint("get_user")

def test_it(perftrace_records, perftrace_clock):
    click(perftrace_clock)
    assert tree_text(perftrace_records) == "click 51ms\\n  get_user 51ms\\n"

def test_each_test_begins_empty(perftrace_records):
    assert perftrace_records == []
"""


def test_the_fixtures_are_found_without_any_set_up(tmp_path):
    """Installing perftrace is enough."""
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, timeout=50, check=False, cwd=tmp_path)
    assert b"2 passed" in result.stdout, result.stdout.decode()
