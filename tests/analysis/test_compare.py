"""Comparisons: few false alarms between equals however alike neighbours are, planted changes found."""

import json
import math

import numpy as np
import pytest

from perftrace.analysis.bootstrap import WeightedSample, change_of, correlation_time, students_t
from perftrace.analysis.comparison import compare
from perftrace.cli import main
from perftrace.formats.jsonl import encode
from tests.analysis.test_critical_path import run
from tests.ids import trace_id

TRIALS = 200


def noise(generator, count, correlation):
    """Give a stationary series of Gaussian noise with so much in common between neighbours."""
    steps = generator.standard_normal(count) * math.sqrt(1 - correlation**2)
    steps[0] /= math.sqrt(1 - correlation**2)
    series = [steps[0]]
    for step in steps[1:]:
        series.append(correlation * series[-1] + step)
    return np.array(series)


def durations(generator, count, correlation, factor=1.0):
    return factor * 0.05 * np.exp(0.4 * noise(generator, count, correlation))


def samples(values):
    return WeightedSample(values, np.ones(len(values)))


@pytest.mark.statistics
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("count", [150, 1000])
def test_equals_are_told_apart_no_more_often_than_the_level_says(correlation, count):
    """At most 1.5 times the nominal 5 %, with no minimal effect to help."""
    generator = np.random.default_rng(7)
    alarms = 0
    for _ in range(TRIALS):
        a, b = (samples(durations(generator, count, correlation)) for _ in "ab")
        found = change_of(a, b, 0.5, 0.95)
        alarms += not found.low <= 0 <= found.high
    assert alarms <= 0.05 * 1.5 * TRIALS


@pytest.mark.statistics
@pytest.mark.parametrize(("correlation", "factor"), [(0.0, 1.1), (0.5, 1.2), (0.9, 1.6)])
def test_a_planted_change_is_found(correlation, factor):
    """In 19 of 20 trials, and its size lies in the interval nearly always."""
    generator = np.random.default_rng(8)
    found = [
        change_of(
            samples(durations(generator, 1500, correlation)),
            samples(durations(generator, 1500, correlation, factor)),
            0.5,
            0.95,
        )
        for _ in range(20)
    ]
    assert sum(one.low > 0 for one in found) >= 19
    assert sum(one.low <= factor - 1 <= one.high for one in found) >= 17


def test_the_correlation_time_is_that_of_the_process():
    """(1 + r) / (1 - r) for a first-order process; 1 for independent and for equal values."""
    generator = np.random.default_rng(9)
    assert correlation_time(noise(generator, 20_000, 0.0)) == pytest.approx(1, abs=0.1)
    assert correlation_time(noise(generator, 20_000, 0.5)) == pytest.approx(3, rel=0.15)
    assert correlation_time(noise(generator, 20_000, 0.9)) == pytest.approx(19, rel=0.2)
    assert correlation_time(np.ones(100)) == 1.0


def test_weights_count_as_so_many_runs():
    """The percentile is that of the runs that sampling stands for."""
    values, weights = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 8.0])
    assert float(WeightedSample(values, weights).percentile(0.5)) > 2.2
    assert float(samples(values).percentile(0.5)) == 2.0


@pytest.mark.parametrize(("freedom", "value"), [(3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042)])
def test_students_t_is_that_of_the_tables(freedom, value):
    """At 97.5 %."""
    assert students_t(0.975, freedom) == pytest.approx(value, rel=0.01)


def runs(factor=1.0, count=400, seed=1, name="photo", mean_ms=50):
    """Make runs, a second apart, of a segment that takes so many times as long, and one that does not."""
    generator = np.random.default_rng(seed)
    step, rest = (mean * np.exp(0.2 * generator.standard_normal(count)) for mean in (mean_ms * factor, mean_ms / 5))
    return [
        run(name, number + 1, number * 1000, number * 1000 + a + b, checkpoints=[("download", a)]).replace(
            trace_id=trace_id(sum(name.encode()) * 10**9 + seed * 10**6 + number),
            attributes={"size": "large" if number % 2 else "small"},
        )
        for number, (a, b) in enumerate(zip(step, rest, strict=True))
    ]


def verdicts(found):
    return {
        one.name: (one.verdict, {segment.name: segment.verdict for segment in one.segments}) for one in found.operations
    }


def test_each_operation_and_segment_has_its_verdict():
    """Slower, faster and the same; what one side alone has is named; the worst comes first."""
    a = [*runs(), *runs(name="menu"), *runs(name="old"), *runs(name="tiny", mean_ms=0.1)]
    b = [*runs(1.3, seed=2), *runs(0.7, seed=2, name="menu"), *runs(name="new", seed=2)]
    found = compare(a, [*b, *runs(1.5, seed=2, name="tiny", mean_ms=0.1)])
    assert verdicts(found) == {
        "photo": ("slower", {"download": "slower", "(end)": "same"}),
        "menu": ("faster", {"download": "faster", "(end)": "same"}),
        "tiny": ("same", {"download": "same", "(end)": "same"}),
    }
    assert [one.name for one in found.operations] == ["photo", "menu", "tiny"]
    assert (found.only_a, found.only_b) == (["old"], ["new"])
    photo = found.operations[0]
    assert photo.low is not None
    assert photo.change is not None
    assert photo.high is not None
    assert photo.low <= photo.change <= photo.high
    assert [decile.share for decile in photo.deciles] == pytest.approx([n / 10 for n in range(1, 10)])
    assert all(decile.after > decile.before for decile in photo.deciles)


def test_too_few_runs_decide_nothing_and_the_number_needed_is_said():
    """Fewer than 20; and an interval that is too wide."""
    (few,) = compare(runs(count=12), runs(2.0, count=30, seed=2)).operations
    assert (few.verdict, few.needed, few.change) == ("inconclusive", 8, None)
    (wide,) = compare(runs(count=30), runs(1.05, count=30, seed=2)).operations
    assert wide.verdict == "inconclusive"
    assert 30 < wide.needed < 2000


def test_the_same_span_counts_once_and_odd_records_do_no_harm():
    """Twice the same file; runs without time; an end before the start."""
    a = runs(count=30)
    (one,) = compare(a + a, runs(count=30, seed=2)).operations
    assert one.count_a == 30
    zero = [run("z", n, n, n).replace(trace_id=trace_id(n)) for n in range(1, 40)]
    later = [run("z", n, n, n + 5).replace(trace_id=trace_id(n)) for n in range(1, 40)]
    negative = [record.replace(duration_ns=-5) for record in zero]
    assert [one.verdict for one in compare(zero, negative).operations] == ["same"]
    (grown,) = compare(zero, later).operations
    assert (grown.before, grown.after, grown.change) == (0.0, 0.005, None)
    assert not compare([], []).operations


def write(path, records):
    path.write_bytes(b"".join(encode(record).rstrip(b"\n") + b"\n" for record in records))
    return str(path)


def test_the_command_fails_a_build_only_if_wished(tmp_path, capsys):
    """Status 1 with `--fail-on`; text in both languages, data."""
    a, b = write(tmp_path / "a.jsonl", runs()), write(tmp_path / "b.jsonl", runs(1.3, seed=2))
    assert main(["compare", a, b, "--language", "en"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("1 slower, 0 faster, 0 the same, 0 inconclusive, of the operations.\n")
    assert "slower ▲" in text
    assert main(["compare", a, b, "--language", "zh", "--fail-on", "slower"]) == 1
    assert "变慢 ▲" in capsys.readouterr().out
    assert main(["compare", a, a, "--fail-on", "slower", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["command"], answer["level"], answer["source"]["used"]) == ("compare", 0.95, 800)
    assert answer["operations"][0]["verdict"] == "same"
    assert main(["compare", a, b, "--fail-on", "slower", "--min-change", "50"]) == 0
    assert main(["compare", a, b, "--fail-on", "slower", "--min-ms", "500"]) == 0
    assert main(["compare", a, b, "--operation", "none", "--language", "en"]) == 0
    assert capsys.readouterr().out.endswith("The two have no operation in common.\n")


def test_periods_and_groups_of_one_source(tmp_path, capsys):
    """By time, by an attribute or a key; what is neither is said."""
    source = write(tmp_path / "a.jsonl", runs(count=100))
    start = 10**9
    assert main(["compare", f"..{start + 50}", f"{start + 50}..", "--in", source, "--json"]) == 0
    (operation,) = json.loads(capsys.readouterr().out)["operations"]
    assert (operation["count_a"], operation["count_b"]) == (50, 50)
    assert main(["compare", "size=small", "size=large", "--in", source, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [(one["count_a"], one["count_b"]) for one in answer["operations"]] == [(50, 50)]
    assert answer["source"]["used"] == 100
    for wrong in ("yesterday", "2..1", "1800000000..1700000000", "=x", ".."):
        assert main(["compare", wrong, "size=large", "--in", source]) == 2
        assert capsys.readouterr().err.startswith("perftrace: ")


@pytest.mark.usefixtures("english")
def test_sources_that_are_not_there_or_can_be_read_once_only(tmp_path, capsys):
    """Each is named, status 2."""
    a = write(tmp_path / "a.jsonl", runs(count=30))
    assert main(["compare", a, str(tmp_path / "none")]) == 2
    assert "none: No such file" in capsys.readouterr().err
    (tmp_path / "empty").touch()
    assert main(["compare", str(tmp_path / "empty"), a]) == 2
    assert "empty: empty" in capsys.readouterr().err
    assert main(["compare", "-", "-"]) == 2
    assert "save it in a file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["compare", a, a, "--min-ms", "nan"])
