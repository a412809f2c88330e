"""The example that `make demo` runs: real processes on loopback, and bottlenecks that were planted in them."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from perftrace import sources
from perftrace.cli import main
from tests.conftest import TIMEOUT

RUN = Path(__file__).parent.parent / "docs" / "examples" / "photo_bot" / "run.py"
USERS = 24
PLANTED = {"button_click": "check_state", "confirm_generation": "download", "call_studio": "build"}
FLOWS = {
    "button_click": ["queue", "dispatch", "check_state", "look_up", "handle"],
    "photo_message": ["queue", "dispatch", "schedule", "get_user", "photo_info", "check_state", "choose_feature"],
    "confirm_generation": [
        "queue", "dispatch", "get_user", "check_credits", "file_id", "take_credit", "download", "call_api",
        "save_job", "clear_state",
    ],
    "call_studio": ["build", "send", "receive", "parse"],
    "studio_callback": ["parse", "validate", "hand_over"],
}  # fmt: skip


@pytest.mark.parametrize("how", ["polling", "webhook"])
def test_the_planted_bottlenecks_are_named_and_whatever_goes_wrong_is_told(tmp_path, capsys, how):
    """All users hear something, and each trace goes through all processes."""
    bot = start(how, tmp_path / how)
    try:
        output, errors = bot.communicate(timeout=TIMEOUT)
        assert (bot.returncode, errors) == (0, "")
        check(output, tmp_path / how, capsys)
    finally:
        if bot.poll() is None:
            os.killpg(bot.pid, signal.SIGKILL)  # it has processes of its own
        bot.communicate()


def start(how, folder):
    folder.mkdir()
    # To measure coverage slows Python down, but not what was planted in SQLite and zlib.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    options = ["--users", str(USERS), "--folder", str(folder), *(["--webhook"] if how == "webhook" else [])]
    return subprocess.Popen(
        [sys.executable, RUN, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        env=environment,
    )


def check(output, folder, capsys):
    """Check what a run printed and left in its folder."""
    assert "heard nothing" not in output
    assert len(output.splitlines()) <= 40
    report = (folder / "report.txt").read_text(encoding="utf-8")
    assert output.split("\n\n")[1] in report
    assert all(what in output for what in ("got a picture", "got an apology", "had no credits", "cancelled"))

    assert main(["report", "--json", str(folder / "traces")]) == 0
    answer = json.loads(capsys.readouterr().out)
    operations = {operation["name"]: operation for operation in answer["operations"]}
    for name, steps in FLOWS.items():
        assert [s["name"] for s in operations[name]["segments"]] == [*steps, "(end)"]
    # Of runs that went well: how many come too late for the others is the machine's affair.
    assert main(["report", "--json", "--where", "outcome=ok", str(folder / "traces")]) == 0
    well = {operation["name"]: operation for operation in json.loads(capsys.readouterr().out)["operations"]}
    for name, step in PLANTED.items():
        assert [s["name"] for s in well[name]["segments"] if s["bottleneck"]] == [step]
        assert f"  {step} " in report
    commands = [line.split() for line in output.splitlines() if line.startswith("  ") and "perftrace" in line]
    assert len(commands) == 3
    for _, *arguments in commands:
        assert main(arguments) == 0
        assert capsys.readouterr().out
    assert operations["button_click"]["count"] == operations["photo_message"]["count"] == USERS

    assert main(["whatif", "--json", "confirm_generation", str(folder / "traces")]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert (steps[0]["operation"], steps[0]["segment"]) == ("confirm_generation", "download")

    records = sources.open(str(folder / "traces")).records
    by_span = {record.span_id: record for record in records}
    delivered = [record for record in records if record.name == "deliver_picture"]
    assert len(delivered) > USERS / 3
    for record in delivered:
        assert ancestors(record, by_span) == [
            "studio_callback", "POST 127.0.0.1", "make_picture", "POST /pictures", "POST 127.0.0.1", "call_studio",
            "confirm_generation",
        ]  # fmt: skip
    seen = Counter((record.name, record.error) for record in records if record.error)
    assert seen["confirm_generation", "insufficient credits"] == USERS // 6
    assert seen["studio_callback", "unknown job"] > 0
    assert seen["studio_callback", "not understood: JSONDecodeError"] > 0
    assert seen["confirm_generation", "500: out of paper"] > 0
    assert seen["confirm_generation", "no answer: TimeoutError"] >= 1
    assert {record.outcome for record in records if record.name == "confirm_generation"} == {"ok", "error", "cancelled"}
    marks = Counter(name for record in records for name, value in record.attributes.items() if value is True)
    assert marks["telegram.redelivered"] > 0
    assert marks["duplicate"] > 0
    assert marks["telegram.clock_ahead"] == 1


def ancestors(record, by_span):
    names = []
    while record.parent_id is not None:
        record = by_span[record.parent_id]
        names.append(record.name)
    return names
