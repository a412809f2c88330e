"""The example that `make quickstart` runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

from perftrace.cli import main
from tests.conftest import TIMEOUT

DEMO = Path(__file__).parent.parent / "docs" / "examples" / "quickstart" / "demo.py"


def test_the_demo_ends_with_the_table_that_names_the_slow_step(capsys):
    """All users got an answer of some kind, and the log says the same as the demo."""
    result = subprocess.run([sys.executable, DEMO], capture_output=True, timeout=TIMEOUT, check=True)
    output = result.stdout.decode()
    counts = {what: int(count) for count, what in re.findall(r"(\d+) (answered|failed|left early)", output)}
    log = re.search(r"perftrace report (.+)", output)[1].strip()
    assert main(["report", "--json", log]) == 0
    answer = json.loads(capsys.readouterr().out)
    operations = {operation["name"]: operation for operation in answer["operations"]}
    assert {name: operation["count"] for name, operation in operations.items()} == {
        "button_click": 150, "photo_message": 80, "confirm_generation": 70,
    }  # fmt: skip
    confirm = operations["confirm_generation"]
    assert (confirm["failures"], confirm["cancelled"]) == (counts["failed"], counts["left early"])
    assert counts["failed"] > 0
    assert counts["left early"] > 0
    assert [s["name"] for s in confirm["segments"] if s["bottleneck"]] == ["call_api"]
    assert answer["operations"][0]["name"] == "confirm_generation"
    assert "call_api" in output
    assert (answer["source"]["not_understood"], answer["never_ended"]) == (0, [])
