"""What type checkers say of decorated functions, over golden files."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TIMEOUT

pytestmark = pytest.mark.types

FILES = ("right.py", "wrong.py")
FOLDER = Path(__file__).parent / "typing"
WRONG = (FOLDER / "wrong.py").read_text(encoding="utf-8").splitlines()


def expected(checker):
    """Find the marked lines of the wrong file, with the rules of which one must be named."""
    marks = {n: re.search(rf"{checker}: (\S+)", line) for n, line in enumerate(WRONG, 1)}
    return {n: set(mark[1].split(",")) for n, mark in marks.items() if mark}


def check(said, checker):
    marked = expected(checker)
    assert said.keys() == marked.keys()
    for line, rules in said.items():
        assert rules & marked[line], f"line {line}: {rules} instead of {marked[line]}"


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Check both files in one start; return what mypy said: its whole output, and the rules by file and line."""
    pytest.importorskip("mypy")
    cache = tmp_path_factory.mktemp("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "--config-file", "", *FILES]
    result = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False, cwd=FOLDER, text=True)
    said = {file: {} for file in FILES}
    for file, line, rule in re.findall(r"^([\w.]+):(\d+): error: .*\[([\w-]+)\]$", result.stdout, re.MULTILINE):
        said[file].setdefault(int(line), set()).add(rule)
    return said


@pytest.fixture(scope="module")
def pyright():
    """Check both files in one start; return the rules by file and line."""
    pytest.importorskip("basedpyright")
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--level", "error", "--pythonpath", sys.executable]
    result = subprocess.run([*command, *FILES], capture_output=True, timeout=TIMEOUT, check=False, cwd=FOLDER)
    said = {file: {} for file in FILES}
    for found in json.loads(result.stdout)["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            said[Path(found["file"]).name].setdefault(line, set()).add(found.get("rule"))
    return said


def test_mypy(mypy):
    """Accepts what is right and refuses each wrong call."""
    assert mypy["right.py"] == {}
    check({n: rules for n, rules in mypy["wrong.py"].items() if rules != {"unused-coroutine"}}, "mypy")


def test_pyright(pyright):
    """Accepts what is right and refuses each wrong call."""
    assert pyright["right.py"] == {}
    check(pyright["wrong.py"], "pyright")
