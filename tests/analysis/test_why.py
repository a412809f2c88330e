"""Why the slow ones are slow: what was planted comes first, and nothing where nothing is."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings

from perftrace.analysis.associations import differences, fisher, kolmogorov
from perftrace.analysis.tails import why
from perftrace.cli import main
from perftrace.core.record import Record
from tests.analysis.test_compare import write
from tests.analysis.test_critical_path import run, traces
from tests.conftest import examples
from tests.ids import span_id, trace_id

RUNS = 400


def world(seed, *, planted):
    """Make a bot's traces; if planted, `download` of large pictures, a tenth of them, takes five times as long."""
    generator = np.random.default_rng(seed)
    records = []
    for number in range(RUNS):
        size = "large" if generator.random() < 0.1 else "small"
        menu, download, notify, render = np.array([20, 60, 30, 40]) * np.exp(0.3 * generator.standard_normal(4))
        download *= 5 if planted and size == "large" else 1
        end = menu + max(download, notify) + render
        carried = {"size": size, "bytes": int(generator.integers(1, 10**6)), "lang": f"l{generator.integers(4)}"}
        start = number * 10_000
        whole = run("photo", 1, start, start + end, checkpoints=[("menu", menu), ("fetched", end - render)])
        children = [
            run("download", 2, start + menu, start + menu + download, 1),
            run("notify", 3, start + menu, start + menu + notify, 1),
        ]
        key = f"u{generator.integers(60)}"
        records += [
            record.replace(trace_id=trace_id(number + 1))
            for record in (whole.replace(key=key, key_name="user_id", attributes=carried), *children)
        ]
    return records


@pytest.mark.parametrize("seed", range(10))
def test_what_was_planted_comes_first(seed):
    """The step by its gap, the attribute by its name, and the size is right."""
    found = why(world(seed, planted=True), "photo")
    first = found.parts[0]
    assert (first.operation, first.segment) == ("download", "(end)")
    assert 0.8 < first.share < 1.2
    assert (found.attributes[0].name, found.attributes[0].value) == ("size", "large")
    assert found.attributes[0].tail > 0.9
    assert found.enough


@pytest.mark.statistics
def test_nothing_is_named_where_nothing_differs():
    """In 40 worlds without a plant at most 4 attributes are, as 5 % may be."""
    named = [attribute for seed in range(100, 140) for attribute in why(world(seed, planted=False), "photo").attributes]
    assert len(named) <= 4


@settings(max_examples=examples(50))
@given(traces())
def test_the_parts_sum_to_the_whole(records):
    """Whatever the trees look like; gaps in seconds, variance shares to 1."""
    everything = [record.replace(trace_id=trace_id(trace)) for trace in range(1, 4) for record in records]
    longer = [
        record.replace(
            trace_id=trace_id(10), duration_ns=record.duration_ns + (10**9 if record.parent_id is None else 0)
        )
        for record in records
    ]
    name = records[0].name
    found = why([*everything, *longer], name)
    assert math.fsum(part.gap for part in found.parts) == pytest.approx(found.gap, abs=1e-9)
    if found.gap > 0:
        assert math.fsum(part.share for part in found.parts) == pytest.approx(1, abs=1e-9)
        assert math.fsum(part.variance_share for part in found.parts) == pytest.approx(1, abs=1e-6)


def test_a_step_off_the_critical_path_has_no_part():
    """`notify` runs beside the longer `download`; it is seldom the later one."""
    found = why(world(1, planted=True), "photo")
    assert abs(sum(part.share for part in found.parts if part.operation == "notify")) < 0.05


def test_a_quantity_is_named_by_its_bound_and_a_key_as_an_attribute():
    """Kolmogorov and Smirnov's test; the user that is behind all slow runs."""
    generator = np.random.default_rng(5)
    typical = [{"bytes": int(generator.integers(1, 1000)), "user": f"u{n % 30}"} for n in range(200)]
    tail = [{"bytes": int(generator.integers(5000, 6000)), "user": "u7"} for _ in range(20)]
    found = {one.name: one for one in differences(tail, typical)}
    assert set(found) == {"bytes", "user"}
    assert found["bytes"].value.startswith(">= 5")
    assert (found["bytes"].tail, found["bytes"].typical) == (1.0, 0.0)
    assert (found["user"].value, found["user"].tail) == ("u7", 1.0)
    assert found["user"].typical == pytest.approx(7 / 200, abs=0.01)


def test_the_tests_are_those_of_the_books():
    """Fisher's tea (1935): 4 of 4 cups right is 1 in 70; Kolmogorov's limit at 1.36 is 5 %; impossible is 0, sure 1."""
    assert fisher(4, 4, 4, 8) == pytest.approx(1 / 70)
    assert fisher(3, 4, 4, 8) == pytest.approx(17 / 70)
    assert fisher(0, 4, 4, 8) == pytest.approx(1)
    assert kolmogorov(1.358 / math.sqrt(5000), 10_000, 10_000) == pytest.approx(0.05, abs=0.001)
    assert kolmogorov(0.0, 10, 10) == 1.0


def test_odd_values_and_missing_groups_do_no_harm():
    """Not-a-number, texts among numbers, truth values, nothing at all."""
    tail = [{"x": float("nan"), "y": "a", "z": True}] * 8
    typical = [{"x": n, "y": n} for n in range(40)]
    assert {(one.name, one.value) for one in differences(tail, typical)} == {("x", "nan"), ("y", "a"), ("z", "true")}
    assert differences([], typical) == []
    assert differences([], []) == []
    assert why([], "photo").count == 0
    same = [run("a", 1, n * 10, n * 10 + 5).replace(trace_id=trace_id(n + 1)) for n in range(200)]
    found = why(same, "a")
    assert (found.gap, found.attributes) == (0.0, [])
    with pytest.raises(ValueError, match="tail"):
        why(same, "a", 0.3)


def test_the_command_says_a_sentence_first(tmp_path, capsys):
    """In either language and as data; too few runs are said, with the number needed."""
    path = write(tmp_path / "a.jsonl", world(1, planted=True))
    assert main(["why", "photo", path, "--language", "en"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("The slowest 5% of photo take ")
    assert "of it is download.(end); 100% of them have size=large (typical: " in text
    assert main(["why", "photo", path, "--language", "zh"]) == 0
    assert capsys.readouterr().out.startswith("photo 最慢的 5% 比通常多用 ")
    assert main(["why", "photo", path, "--json", "--tail", "0.99", "--language", "en"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["sentence"].startswith("The slowest 1% of photo")
    assert (answer["count"], answer["enough"], answer["needed"]) == (400, False, 100)
    assert set(answer["parts"][0]) == {"operation", "segment", "gap", "share", "variance_share"}
    assert main(["why", "none", path]) == 1
    assert main(["why", "photo", str(tmp_path / "none")]) == 2
    few = write(
        tmp_path / "few.jsonl", [run("a", 1, n * 10, n * 10 + n).replace(trace_id=trace_id(n + 1)) for n in range(30)]
    )
    assert main(["why", "a", few, "--language", "en"]) == 0
    assert "There are 30 runs only; what follows needs 70 more to be relied on." in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["why", "a", few, "--tail", "1"])


def test_what_does_not_fit_into_trees_is_told(tmp_path, capsys):
    """Records that are there twice, runs whose caller is not: in the text and as data, by each command on trees."""
    records = [record for record in world(1, planted=True) if record.trace_id != trace_id(7) or record.parent_id]
    records = [
        r.replace(pid=2, start=r.start + 10**9) if (r.trace_id, r.name) == (trace_id(9), "notify") else r
        for r in records
    ]
    path = write(tmp_path / "a.jsonl", [*records, records[0]])
    for command in (["why", "photo"], ["whatif", "photo"], ["advise"]):
        assert main([*command, path, "--language", "en"]) == 0
        text = capsys.readouterr().out
        assert "\n1 record was there more than once; it counts once.\n" in text
        assert "\n2 runs have their callers not in the source: each begins a trace of its own.\n" in text
        assert "\n1 run lies outside of the time of its caller in another process" in text
        assert main([*command, path, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["unused"] == {"duplicates": 1, "orphans": 2, "clipped": 1}


def test_an_operation_that_calls_itself_is_looked_at_whole():
    """Where it is called first; what it waits for inside is a part of that, and what nobody waits for is not."""

    def level(number, parent, start, duration, span):
        return Record("walk", trace_id=trace_id(number), span_id=span_id(span), parent_id=parent and span_id(parent),
                      start=start, start_mono=start + 1, duration_ns=duration, pid=1)  # fmt: skip

    records = []
    for number in range(1, 41):
        records += [level(number, None, 0, 100 + number, 1), level(number, 1, 10, 50, 2), level(number, 2, 20, 20, 3)]
    found = why(records, "walk")
    assert found.count == 40
    assert [part.operation for part in found.parts] == ["walk"]
