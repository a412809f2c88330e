"""The fixtures, in a pytest of their own."""

import subprocess
import sys

from tests.conftest import TIMEOUT

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
    result = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False, cwd=tmp_path)
    assert b"2 passed" in result.stdout, result.stdout.decode()


MARKED = """
import asyncio
import perftrace
import pytest

@perftrace.timed
def get_user(clock):
    clock.advance(0.004)

@perftrace.timed(operation="photo")
def photo(clock, users=1, wait=0.02):
    for _ in range(users):
        get_user(clock)
    perftrace.checkpoint("user")
    clock.advance(wait)
    perftrace.checkpoint("download")

@pytest.fixture
def clock(perftrace_records, perftrace_clock):
    return perftrace_clock

@pytest.mark.perftrace(budget="50ms", max_calls={"get_user": 1, "download": 1})
def test_within(clock):
    photo(clock)

@pytest.mark.perftrace(budget="50ms")
def test_too_slow(clock):
    photo(clock, wait=0.1)

@pytest.mark.perftrace(budget={"get_user": "3ms"})
def test_of_one_operation(clock):
    photo(clock)

@pytest.mark.perftrace(max_calls={"get_user": 1, "download": 0})
def test_too_often(clock):
    photo(clock, users=3)

@pytest.mark.perftrace(budget=1)
def test_nothing_traced():
    pass

@pytest.mark.perftrace(budget="fast")
def test_unusable():
    photo(None)

@pytest.mark.perftrace(budget="50ms")
def test_its_own_failure_comes_first(clock):
    photo(clock, wait=9)
    assert 1 == 2

@pytest.mark.perftrace(budget="10s")
def test_an_async_one():
    @perftrace.timed(operation="click")
    async def click():
        await asyncio.sleep(0)
        perftrace.checkpoint("x")

    asyncio.run(click())
"""


def test_a_marked_test_fails_with_the_segment_and_the_line(tmp_path):
    """Where it takes too long or calls too often; what cannot be used is told; a failure of its own comes first."""
    (tmp_path / "test_it.py").write_text(MARKED)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False, cwd=tmp_path)
    text = result.stdout.decode()
    line = MARKED.splitlines().index('    perftrace.checkpoint("download")') + 1
    call = MARKED.splitlines().index("        get_user(clock)") + 1
    assert f"perftrace: photo took 104.0ms, budget 50.0ms: 100.0ms in download, test_it.py:{line}" in text
    assert f"perftrace: get_user took 4.0ms, budget 3.0ms: 4.0ms in (end), called at test_it.py:{call}" in text
    assert f"get_user was called 3 times, 1 allowed: {', '.join([f'test_it.py:{call}'] * 3)}" in text
    assert f"download was called 1 times, 0 allowed: test_it.py:{line}" in text
    assert "no operation was traced while the test ran" in text
    assert "budget='fast' is not like \"50ms\"" in text
    assert "assert 1 == 2" in text
    assert "6 failed, 2 passed" in text
