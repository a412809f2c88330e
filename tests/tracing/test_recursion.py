"""Depth: what a decorator costs of the recursion limit, as the guide has it for each version."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import TIMEOUT

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "recursion.py"
LEVELS = 3 if sys.version_info < (3, 12) else 2
"""Of a timed function: its own frame, perftrace's, and on CPython 3.11 the call of an object."""
FEWEST = {"function": 490, "coroutine": 290, "generator": 290}
"""Calls in a row that CPython 3.12 allows, whatever its limit: it counts calls of C apart."""


def test_a_timed_call_costs_one_level():
    """One more than the call itself, and one more on 3.11; at each limit."""
    options = {"capture_output": True, "text": True, "timeout": TIMEOUT}
    done = subprocess.run([sys.executable, SCRIPT, "1000", "3000"], check=True, **options)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        found = {kind: (int(plain), int(timed)) for kind, plain, timed in re.findall(r"(\w+) (\d+) / (\d+)", line)}
        assert set(found) == set(FEWEST)
        for kind, (plain, timed) in found.items():
            least = FEWEST[kind] if sys.version_info[:2] == (3, 12) else plain // LEVELS - 10
            if sys.version_info >= (3, 13):
                least = min(least, 900)
            assert timed >= least, (kind, plain, timed)
