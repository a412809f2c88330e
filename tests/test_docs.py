"""The code blocks of the documentation run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TIMEOUT

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parent.parent
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if "```python" in page.read_text(encoding="utf-8"))

RUN_PAGES = """
import asyncio, json, os, sys, traceback
import perftrace

status = {}
for name, code in json.load(sys.stdin).items():
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            os.makedirs(name)
            os.chdir(name)
            exec(compile(code, name, "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        sys.exit()
    status[name] = os.waitpid(child, 0)[1]
print("\\n" + json.dumps(status))
"""
"""Each page in a fork of one process: fresh as a new interpreter, without its start."""


def code_of(page):
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run all pages; return the exit status of each by name, and what they wrote to standard error."""
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")): code_of(page) for page in PAGES}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN_PAGES],
        input=json.dumps(pages), capture_output=True, timeout=TIMEOUT, check=True, text=True,
        cwd=tmp_path_factory.mktemp("pages"),
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, run):
    """In one process of its own, warnings as errors."""
    status, errors = run
    assert status[str(page.relative_to(ROOT / "docs").with_suffix(""))] == 0, errors


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_the_links_of_a_readme_lead_somewhere(readme):
    """Inside the repository."""
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / readme).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_every_promise_names_a_test_that_there_is():
    """By file and name."""
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 15
    for file, name in named:
        assert f"def {name}" in (ROOT / file).read_text(encoding="utf-8"), (file, name)
