"""Predictions against a simulated bot that is really changed, on a fake clock."""

import asyncio
import json
import random

import pytest

import perftrace
from perftrace import checkpoint, timed
from perftrace.analysis.predictions import MOST_STEPS, whatif
from perftrace.cli import main
from perftrace.formats.jsonl import encode
from perftrace.testing import FakeClock, capture
from tests.analysis.test_critical_path import run
from tests.ids import trace_id

RUNS = 300


def simulate(download=1.0, notify=1.0, render=1.0):
    """Run the bot with its steps so much slower or faster; the same dice each time."""
    dice = random.Random(3)

    def took(mean, factor):
        return dice.lognormvariate(0, 0.5) * mean * factor

    @timed(operation="download")
    async def get_photo(seconds):
        await asyncio.sleep(seconds)

    @timed(operation="notify")
    async def tell_user(seconds):
        await asyncio.sleep(seconds)

    @timed(operation="photo")
    async def on_photo(waits):
        await asyncio.sleep(waits[0])
        checkpoint("get_user")
        await asyncio.gather(get_photo(waits[1]), tell_user(waits[2]))
        checkpoint("fetched")
        await asyncio.sleep(waits[3])
        checkpoint("render")

    async def everybody():
        for _ in range(RUNS):
            await on_photo((took(0.02, 1), took(0.2, download), took(0.01, notify), took(0.08, render)))

    clock = FakeClock()
    perftrace.configure(clock=clock)
    with capture() as records:
        clock.run(everybody())
    perftrace.configure(clock=None)
    return records


def p(records, share):
    lengths = sorted(record.duration_ns / 1e9 for record in records if record.name == "photo")
    return lengths[round((len(lengths) - 1) * share)]


@pytest.mark.parametrize(("step", "change"), [(("download", "(end)"), "download"), (("photo", "render"), "render")])
@pytest.mark.parametrize("faster", [0.25, 0.5])
def test_the_prediction_comes_true(step, change, faster):
    """Within 5 % at p50 and 10 % at p95; the interval holds what came."""
    found = whatif(simulate(), "photo")
    (predicted,) = (s for s in found.steps if (s.operation, s.segment, s.faster) == (*step, faster))
    really = simulate(**{change: 1 - faster})
    assert predicted.p50.then == pytest.approx(p(really, 0.5), rel=0.05)
    assert predicted.p95.then == pytest.approx(p(really, 0.95), rel=0.10)
    assert predicted.p50.low <= p(really, 0.5) <= predicted.p50.high


def test_the_order_is_that_of_the_gain_and_what_a_branch_hides_gains_next_to_nothing():
    """`notify` ends long before `download` in nearly all runs."""
    found = whatif(simulate(), "photo")
    order = list(dict.fromkeys((s.operation, s.segment) for s in found.steps))
    assert order[:3] == [("download", "(end)"), ("photo", "render"), ("photo", "get_user")]
    hidden = [s for s in found.steps if s.operation == "notify"]
    assert all(s.gain < 0.001 * RUNS * 0.2 for s in hidden)
    assert found.count == RUNS


def write(tmp_path, records):
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b"".join(encode(record).rstrip(b"\n") + b"\n" for record in records))
    return str(path)


@pytest.mark.usefixtures("english")
def test_the_command_says_it_in_a_sentence_and_as_data(tmp_path, capsys):
    """In either language; too few runs and none are said."""
    path = write(tmp_path, simulate())
    assert main(["whatif", "photo", path, "--language", "en"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("photo (300 runs): download.(end) in half its time saves ")
    assert "queueing for processors, locks and connections is not modelled" in text
    assert main(["whatif", "photo", path, "--language", "zh"]) == 0
    assert "把 download.(end) 的耗时减半" in capsys.readouterr().out
    assert main(["whatif", "photo", path, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["command"], answer["operation"], answer["count"], answer["needed"]) == ("whatif", "photo", 300, 0)
    first = answer["steps"][0]
    assert (first["operation"], first["segment"], first["faster"]) == ("download", "(end)", 0.25)
    assert set(first["p50"]) == {"now", "then", "low", "high"}
    assert main(["whatif", "pho\x1bto", path]) == 1
    assert capsys.readouterr().err == "perftrace: no run of an operation pho\\x1bto\n"
    few = write(tmp_path, [run("a", 1, 0, 5)])
    assert main(["whatif", "a", few, "--language", "en"]) == 0
    assert capsys.readouterr().out == "a has 1 run; a prediction needs 19 more.\n"


def test_without_numpy_the_command_names_the_cure(tmp_path, capsys, monkeypatch):
    """And fails."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["whatif", "photo", write(tmp_path, [])]) == 2
    assert "pip install 'perftrace-toolkit[analysis]'" in capsys.readouterr().err


def test_of_thousands_of_steps_those_that_take_the_most_time_are_replayed():
    """No other saves as much; how many were left out is told."""
    records = []
    for number in range(1, 201):
        at, length = number * 1000, 100 + number
        child = run(f"call{number}", 2, at, at + length, 1).replace(trace_id=trace_id(number))
        records += [child, run("photo", 1, at, at + length + 500).replace(trace_id=trace_id(number))]
    found = whatif(records, "photo")
    assert found.left_out == 201 - MOST_STEPS
    names = [step.operation for step in found.steps if step.faster == 0.5]
    assert names == ["photo", *(f"call{number}" for number in range(200, 101, -1))]
