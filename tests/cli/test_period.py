"""`--since` and `--until` on every command; `--operation` and `--where` choose what is reported."""

import json

import pytest

from perftrace.cli import COMMANDS, main
from perftrace.formats.jsonl import encode
from perftrace.store import compact
from tests.analysis.test_critical_path import run
from tests.ids import trace_id

START = 10**9
"""Unix seconds of the first trace; one each second."""
TRACES = 40


@pytest.fixture(params=["lines", "parquet"])
def store(request, tmp_path):
    """Give a folder with traces of a call within a handler; in the last of them it begins a second later."""
    records = []
    for number in range(TRACES):
        at, late = number * 1000, 1000 * (number == TRACES - 1)
        records += [
            run("call", 2, at + late + 10, at + late + 70, 1).replace(trace_id=trace_id(number + 1)),
            run("handler", 1, at, at + late + 100, key=str(number % 2), key_name="user").replace(
                trace_id=trace_id(number + 1)
            ),
        ]
    path = tmp_path / "1795000000000000000-1-00000001.jsonl"
    path.write_bytes(b"".join(encode(record).rstrip(b"\n") + b"\n" for record in records))
    if request.param == "parquet":
        assert compact(tmp_path).files == 1
    return str(tmp_path)


def answer(capsys, *arguments, status=0):
    assert main([*arguments, "--json", "--language", "en"]) == status
    out, err = capsys.readouterr()
    return json.loads(out) if out else None, err


def test_every_command_that_reads_records_has_a_period(capsys):
    """Those of the store aside, which go by age."""
    for command in set(COMMANDS) - {"store"}:
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        out = capsys.readouterr().out
        assert "--since" in out
        assert "--until" in out


def test_runs_of_the_period_alone_are_looked_at(store, capsys):
    """By their start: the second does not count."""
    period = ("--since", str(START + 10), "--until", str(START + 20))
    found, _ = answer(capsys, "report", store, *period)
    assert {one["name"]: one["count"] for one in found["operations"]} == {"handler": 10, "call": 10}
    for command in ("why", "whatif"):
        assert answer(capsys, command, "handler", store, *period)[0]["count"] == 10
        assert answer(capsys, command, "handler", store, "--since", str(START + 1000), status=1)[0] is None
    assert answer(capsys, "advise", store, *period)[0]["count"] == 10
    found, _ = answer(capsys, "trend", store, *period, "--window", "1s")
    assert [[window["count"] for window in one["windows"]] for one in found["operations"]] == [[1] * 10] * 2
    found, _ = answer(capsys, "slowest", store, *period, "--count", "30")
    assert len(found["slowest"]) == 20
    assert len(answer(capsys, "show", trace_id(15), store, *period)[0]["spans"]) == 2
    assert answer(capsys, "show", trace_id(5), store, *period, status=1)[0] is None
    found, _ = answer(capsys, "compare", store, store, *period)
    assert [one["count_a"] for one in found["operations"]] == [10, 10]
    halves = ("compare", f"{START}..{START + 15}", f"{START + 15}..", "--in", store, *period)
    assert {(one["count_a"], one["count_b"]) for one in answer(capsys, *halves)[0]["operations"]} == {(5, 5)}


def test_a_caller_outside_of_the_period_is_told(store, capsys):
    """The call stands there without it; nothing is told where none is missing."""
    late = ("--since", str(START + TRACES))
    for command in (["report"], ["advise"], ["why", "call"], ["whatif", "call"], ["show", trace_id(TRACES)]):
        assert "1 run has its caller outside of the period" in answer(capsys, *command, store, *late)[1]
        assert answer(capsys, *command, store, "--since", str(START))[1] == ""


def test_what_the_reported_runs_called_is_not_their_own_time(store, capsys):
    """Though it is not reported; it is not the first to fix, either."""
    for chosen, count in ((("--operation", "handler"), TRACES), (("--where", "user=1"), TRACES // 2)):
        found, _ = answer(capsys, "report", store, *chosen)
        (handler,) = found["operations"]
        assert (handler["name"], handler["count"]) == ("handler", count)
        own = 0.04 * count + 1.0
        assert handler["self"] == pytest.approx(own)
        assert found["fix_first"]["operation"] == "handler"
        assert found["fix_first"]["own"] == pytest.approx(own)
        assert found["fix_first"]["share"] == 1.0
