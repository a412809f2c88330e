"""The code blocks of the documentation run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if "```python" in page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path):
    """In one process of its own, warnings as errors."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", "\n".join(blocks)]
    result = subprocess.run(command, capture_output=True, timeout=50, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stderr.decode()


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
