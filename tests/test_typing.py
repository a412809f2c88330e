"""What type checkers say of decorated functions, over golden files."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed here")
@pytest.mark.parametrize("file", ["right.py", "wrong.py"])
def test_mypy(file, tmp_path):
    """Accepts what is right and refuses each wrong call."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "--config-file", "", file]
    result = subprocess.run(command, capture_output=True, timeout=55, check=False, cwd=FOLDER, text=True)
    said = {}
    for line, rule in re.findall(rf"^{file}:(\d+): error: .*\[([\w-]+)\]$", result.stdout, re.MULTILINE):
        said.setdefault(int(line), set()).add(rule)
    if file == "right.py":
        assert said == {}, result.stdout
    else:
        check({n: rules for n, rules in said.items() if rules != {"unused-coroutine"}}, "mypy")


@pytest.mark.skipif(importlib.util.find_spec("basedpyright") is None, reason="pyright is not installed here")
@pytest.mark.parametrize("file", ["right.py", "wrong.py"])
def test_pyright(file):
    """Accepts what is right and refuses each wrong call."""
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--level", "error", "--pythonpath", sys.executable]
    result = subprocess.run([*command, file], capture_output=True, timeout=55, check=False, cwd=FOLDER)
    said = {}
    for found in json.loads(result.stdout)["generalDiagnostics"]:
        if found["severity"] == "error":
            said.setdefault(found["range"]["start"]["line"] + 1, set()).add(found.get("rule"))
    if file == "right.py":
        assert said == {}, result.stdout.decode()
    else:
        check(said, "pyright")
