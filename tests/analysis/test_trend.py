"""Trends: published change points found, none cried in noise, planted ones with size and date."""

import itertools
import json
import math

import numpy as np
import pytest

from perftrace.analysis.change_points import change_points
from perftrace.analysis.trends import trend
from perftrace.cli import main
from perftrace.sources.aggregates import RunTimes
from perftrace.views.trend import sparkline
from tests.analysis.test_compare import noise, write
from tests.analysis.test_critical_path import run
from tests.ids import trace_id

STEP = [1.02, 0.95, 0.99, 1.00, 1.12, 1.00, 1.01, 0.98, 1.01, 0.96, 0.50, 0.51, 0.48, 0.48, 0.55, 0.50, 0.49, 0.51, 0.50, 0.49]  # fmt: skip  # noqa: E501
PUBLISHED = {
    "single series": (STEP, [10]),
    "series 1": ([1.02, 0.95, 0.99, 1.00, 1.12, 0.90, 0.50, 0.51, 0.48, 0.48, 0.55], [6]),
    "series 2": ([2.02, 2.03, 2.01, 2.04, 1.82, 1.85, 1.79, 1.81, 1.80, 1.76, 1.78], [4]),
    "many": ([1] * 5 + [5] * 8 + [9] * 8 + [3] * 9, [5, 13, 21]),
    "sequence": ([0.3, 2.4, 1.5, -0.9, -0.5, 99.7, 98.3, 99.1, 149.0, 149.7, 149.5, 149.1, 148.8, 150.0], [5, 8]),
    "from zero": ([0.0, 0.0, 0.0, 1.00, 1.12, 0.90, 0.50, 0.51, 0.48, 0.48, 0.55], [3, 6]),
    "none": ([1.00, 1.02, 1.05, 0.95, 0.98] * 2, []),
}
"""Series of Apache Otava's own tests (analysis_test, series_test, change_point_divisive_test) and what it finds there;
for the one from zero Otava asserts that there are two of which the first is 3."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_change_points_are_found(name):
    """No more, no fewer, at the same places."""
    series, places = PUBLISHED[name]
    found = change_points(np.array(series, dtype=float))
    assert [change.place for change in found] == places
    assert all(0 < change.p <= 0.01 for change in found)


@pytest.mark.statistics
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize(("length", "trials"), [(12, 100), (40, 40)])
def test_no_change_is_cried_in_noise(correlation, length, trials):
    """However alike neighbours are: in no more than 1 of 100 nominally, so 3 of them at most."""
    generator = np.random.default_rng(3)
    alarms = sum(bool(change_points(noise(generator, length, correlation))) for _ in range(trials))
    assert alarms <= 0.03 * trials


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("size", [6, -8])
def test_a_planted_change_is_found_within_a_window(correlation, size):
    """Six times the noise."""
    generator = np.random.default_rng(4)
    for _ in range(6):
        series = noise(generator, 30, correlation)
        series[18:] += size
        assert any(abs(change.place - 18) <= 1 for change in change_points(series))


def bot_with_load(generator, correlation, levels):
    """Make an hour of runs, sixty a minute, whose times follow a load that lasts, and a level for each minute."""
    load = 0.03 * noise(generator, 60, correlation)
    minutes = np.sort(generator.uniform(0, 60, generator.poisson(60 * 60)))
    lengths = 5e7 * np.exp((load + np.log(levels))[minutes.astype(int)] + 0.4 * generator.standard_normal(len(minutes)))
    runs = RunTimes()
    runs.names["photo"] = 0
    runs.starts.extend((1_757_448_000_000_000_000 + minutes * 6e10).astype(int).tolist())
    runs.lengths.extend(lengths.astype(int).tolist())
    runs.which.extend([0] * len(minutes))
    runs.weights.extend([1.0] * len(minutes))
    runs.failed.extend([0] * len(minutes))
    return runs


@pytest.mark.statistics
def test_changes_of_a_quarter_and_more_are_found_those_that_go_back_too():
    """Of 18, whether they last, a quarter of an hour or eight minutes: 17 within a window, at both of their ends."""
    generator = np.random.default_rng(1)
    found = 0
    for correlation, size, (start, end) in 3 * list(
        itertools.product((0.0, 0.8), (1.25, 1.5, 2.0), ((30, 60), (20, 35), (25, 33)))
    ):
        levels = [size if start <= minute < end else 1.0 for minute in range(60)]
        told = changes(trend(bot_with_load(generator, correlation, levels), 60))
        places = [at for metric, at in told if metric == "p50"]
        found += all(any(abs(place - at) <= 1 for place in places) for at in (start, end) if at < 60)
    assert found >= 3 * 17


@pytest.mark.statistics
def test_no_change_is_cried_where_there_is_none():
    """In any metric, of 40 hours: in one at most."""
    generator = np.random.default_rng(2)
    alarms = 0
    for correlation in 40 * (0.0, 0.3, 0.6):
        alarms += bool(changes(trend(bot_with_load(generator, correlation, [1.0] * 60), 60)))
    assert alarms <= 3


def test_an_operation_of_few_runs_shows_no_change_and_costs_nothing():
    """One run in each of the last windows is no change of its rate, though all others have none."""
    records = [
        run("a", n, at * 1000, at * 1000 + 5).replace(trace_id=trace_id(n)) for n, at in enumerate(range(400, 409), 1)
    ]
    records += [run("b", n, n * 1000, n * 1000 + 5).replace(trace_id=trace_id(n)) for n in range(10, 420)]
    found = {one.name: one for one in trend(records, 10).operations}
    assert found["a"].changes == []
    assert [window.count for window in found["a"].windows if window.count] == [9]


def test_a_run_that_is_there_twice_counts_once():
    """As in every command."""
    records = bot(3, lambda _: 50)
    assert trend([*records, *records[:10]]) == trend(records)


@pytest.mark.parametrize("largest", [2.0, 10.0, 100.0])
@pytest.mark.parametrize("ends", [(0, 59), (20, 40)])
def test_a_slow_rise_is_told_as_steps(largest, ends):
    """All the way or from one level to another, up or down; noise that wanders is as slow, and is told apart."""
    generator = np.random.default_rng(5)
    rise = np.interp(np.arange(60), ends, (0, math.log(largest)))
    for sign in (1, -1):
        found = change_points(sign * rise + 0.04 * generator.standard_normal(60))
        assert found
        assert any(ends[0] < change.place <= ends[1] for change in found)


def test_many_changes_in_little_noise_are_told_together():
    """Each alone looks like noise of neighbours."""
    series = np.array([(0, 0.5)[minute // 10 % 2] for minute in range(60)])
    found = change_points(series + 0.04 * np.random.default_rng(6).standard_normal(60))
    assert [change.place for change in found] == [10, 20, 30, 40, 50]


def test_what_has_no_noise_at_all():
    """Constants have no change, a step of two levels has one; too short series have none."""
    assert change_points(np.ones(50)) == []
    assert [change.place for change in change_points(np.array([1.0] * 10 + [2.0] * 10))] == [10]
    assert change_points(np.array([1.0] * 4 + [2.0] * 4)) == []


MINUTE = 60


def bot(minutes, took, *, rate=30, failing=lambda minute: 0.0, seed=1):
    """Make runs, so many a minute, with a median in milliseconds and a share of failures that the minute says."""
    generator = np.random.default_rng(seed)
    records = []
    for minute in range(minutes):
        for number in range(rate(minute) if callable(rate) else rate):
            start = (minute * MINUTE + number) * 1000 + 40_000  # whole minutes, as run() starts at 01:46:40
            length = took(minute) * math.exp(0.2 * generator.standard_normal())
            outcome = "error" if generator.random() < failing(minute) else "ok"
            record = run("photo", len(records) + 1, start - 20_000, start - 20_000 + length)
            records.append(record.replace(trace_id=trace_id(len(records) + 1), outcome=outcome))
    return records


def changes(found):
    (operation,) = found.operations
    first = operation.windows[0].start
    return [(change.metric, round((change.at - first) / found.window)) for change in operation.changes]


def test_a_change_has_its_metric_its_size_and_its_date():
    """The step of both percentiles, the failures that began, the rate that fell."""
    found = trend(bot(40, lambda minute: 50 if minute < 25 else 80), 60)
    assert changes(found) == [("p50", 25), ("p95", 25)]
    p50 = found.operations[0].changes[0]
    assert p50.before == pytest.approx(0.05, rel=0.1)
    assert p50.after == pytest.approx(0.08, rel=0.1)
    assert p50.p <= 0.01
    assert changes(trend(bot(40, lambda _: 50, failing=lambda minute: 0.3 * (minute >= 15)), 60)) == [("failures", 15)]
    assert changes(trend(bot(40, lambda _: 50, rate=lambda minute: 30 if minute < 20 else 10), 60)) == [("rate", 20)]
    assert changes(trend(bot(40, lambda _: 50), 60)) == []
    assert changes(trend(bot(40, lambda minute: 50 if minute < 20 else 51.5, seed=2), 60)) == []


def test_windows_start_at_multiples_of_their_length_and_empty_ones_are_there():
    """The default is a round length of which there are at most 60; too many are refused."""
    records = [
        run("a", n, at * 1000, at * 1000 + 5).replace(trace_id=trace_id(n)) for n, at in enumerate((0, 1, 200, 3600), 1)
    ]
    found = trend(records)
    assert found.window == 120
    (operation,) = found.operations
    assert [window.start % 120 for window in operation.windows] == [0] * len(operation.windows)
    assert [window.count for window in operation.windows if window.count] == [2, 1, 1]
    assert [window.p50 for window in operation.windows[3:5]] == [None, None]
    assert operation.needed == 7
    with pytest.raises(ValueError, match="3601 windows of 1 s are too many"):
        trend(records, 1)
    assert trend([]).operations == []
    with pytest.raises(ValueError, match="above 0"):
        trend(records, 0)
    far = [*records, run("a", 9, 0, 5).replace(trace_id=trace_id(9), start=10**18 + 10**9 * 86_400 * 5_000)]
    assert trend(far).window % 86_400 == 0


def test_a_sparkline_goes_from_the_least_to_the_largest():
    """With a blank where there is nothing."""
    assert sparkline([1.0, None, 8.0, 4.5]) == "▁ █▅"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([]) == ""


@pytest.mark.usefixtures("english")
def test_the_command_tells_changes_in_either_language_and_as_data(tmp_path, capsys):
    """Filters, bad lengths, too few windows and nothing left are told."""
    path = write(tmp_path / "a.jsonl", bot(40, lambda minute: 50 if minute < 25 else 80))
    assert main(["trend", path, "--window", "1m", "--language", "en"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Windows of 1m, 40 from 2001-09-09")
    assert "Lasting changes:" in text
    assert main(["trend", path, "--language", "zh"]) == 0
    assert "持续的变化:" in capsys.readouterr().out
    assert main(["trend", path, "--json", "--window", "60s"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["command"], answer["window"], answer["source"]["used"]) == ("trend", 60.0, 1200)
    assert [change["metric"] for change in answer["operations"][0]["changes"]] == ["p50", "p95"]
    assert main(["trend", path, "--window", "10m", "--language", "en"]) == 0
    assert "photo has runs in 5 windows; it takes 5 more to tell changes from noise" in capsys.readouterr().out
    assert main(["trend", path, "--window", "1s"]) == 2
    assert "are too many" in capsys.readouterr().err
    assert main(["trend", path, "--operation", "other"]) == 1
    assert "no record is left" in capsys.readouterr().err
    for wrong in ("0s", "5", "-1m", "m"):
        with pytest.raises(SystemExit, match="2"):
            main(["trend", path, f"--window={wrong}"])
