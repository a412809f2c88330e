"""Which segment to fix first: by own time on critical paths, with client calls as their caller's own."""

import json
import random

import pytest

from perftrace.analysis.fix_first import Caller, TraceCollector, fix_first
from perftrace.analysis.reports import report
from perftrace.cli import main
from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES
from perftrace.formats.jsonl import encode
from perftrace.sources.base import Reading
from tests.ids import span_id, trace_id

MS = 1_000_000
SQL = {"db.system.name": "sqlite"}
HTTP = {"server.address": "api.example.org", "http.request.method": "GET"}


def run(name, start, duration, *marks, trace=1, span=1, parent=None, **more):
    """Make a record: milliseconds from the beginning of the trace."""
    ids = {"trace_id": trace_id(trace), "span_id": span_id(span), "parent_id": parent and span_id(parent)}
    checkpoints = [(mark, "", at * MS, NO_ATTRIBUTES) for mark, at in marks]
    times = {"start": start * MS + 1, "start_mono": start * MS + 1, "duration_ns": duration * MS}
    return Record(name, **ids, **times, checkpoints=checkpoints, **{"pid": 1, **more})


def first(*records):
    collector = TraceCollector()
    for record in records:
        collector.add(record)
    return fix_first(collector)


def told(found):
    return found.operation, found.segment, pytest.approx(found.own), found.count


def test_the_called_operation_is_named_and_not_its_callers_segment():
    """Where the time goes; with who calls it, the most first."""
    records = []
    for trace in (1, 2, 3):
        caller = "menu" if trace == 3 else "photo"
        records += [
            run(caller, 0, 100, ("got_user", 80), trace=trace),
            run("get_user", 10, 60, ("opened", 20), trace=trace, span=2, parent=1),
        ]
    found = first(*records)
    assert told(found) == ("get_user", "(end)", 0.12, 3)
    assert found.share == pytest.approx(0.12 / 0.3)
    assert [(one.name, round(one.share, 3)) for one in found.callers] == [("photo", 0.667), ("menu", 0.333)]
    assert (found.where, found.code, found.held, found.blocked, found.sampled) == (None,) * 5


def test_client_calls_are_their_callers_own_time():
    """What one can mend is where they are made; what they call elsewhere is a call of their caller."""
    records = [
        run("photo", 0, 100, ("download", 80), ("saved", 95)),
        run("GET api.example.org", 5, 70, ("first_byte", 69), span=2, parent=1, attributes=HTTP),
        run("sql INSERT", 81, 10, span=3, parent=1, attributes=SQL),
    ]
    assert told(first(*records)) == ("photo", "download", 0.08, 1)
    served = run("GET /picture", 15, 50, span=4, parent=2, pid=2, attributes={**HTTP, "span.kind": "server"})
    found = first(*records, served)
    assert told(found) == ("GET /picture", "(end)", 0.05, 1)
    assert found.callers == [Caller("photo", 1.0)]
    assert told(first(records[1])) == ("GET api.example.org", "first_byte", 0.069, 1)  # whose caller is not there


def test_calls_side_by_side_count_once_and_what_nobody_awaits_for_itself():
    """Only what the end of a trace waited for."""
    side_by_side = [run("get_item", 10, 60, span=span, parent=1, task="other") for span in range(2, 12)]
    assert told(first(run("photo", 0, 100), *side_by_side)) == ("get_item", "(end)", 0.06, 1)
    unawaited = run("log_it", 90, 500, span=2, parent=1)
    found = first(run("photo", 0, 100), unawaited)
    assert told(found) == ("log_it", "(end)", 0.5, 1)


def test_never_first_are_queues_and_cancelled_runs():
    """Somebody else's work, and nobody's; their time counts in the share."""
    records = [
        run("photo", 0, 100, ("queue", 80)),
        run("photo", 0, 500, ("download", 400), trace=2, outcome="cancelled"),
    ]
    found = first(*records)
    assert told(found) == ("photo", "(end)", 0.02, 1)
    assert found.share == pytest.approx(0.02 / 0.6)
    assert first() is None
    assert first(run("photo", 0, 0)) is None


def test_a_plain_log_tells_its_longest_stretch():
    """Its share of all own time is not known."""
    marks = [("queue", "", 90 * MS, NO_ATTRIBUTES), ("download", "", 96 * MS, NO_ATTRIBUTES)]
    found = report(Reading([Record("photo", duration_ns=100 * MS, checkpoints=marks)])).fix_first
    assert told(found) == ("photo", "download", 0.006, 1)
    assert found.share is None
    assert report(Reading([])).fix_first is None


def test_of_many_records_whole_traces_are_looked_at():
    """Chosen by their ids; times and counts stand for all, whatever the order."""
    records = []
    for trace in range(1, 1001):
        records += [run("photo", 0, 100, ("got_user", 80), trace=trace),
                    run("get_user", 10, 60, trace=trace, span=2, parent=1)]  # fmt: skip
    answers = []
    for seed in range(3):
        random.Random(seed).shuffle(records)
        collector = TraceCollector(limit=300)
        list(collector.watch(records))
        assert len(collector.records) <= 300
        answers.append(found := fix_first(collector))
        assert told(found) == ("get_user", "(end)", 60, 1000)
        assert (found.sampled.traces, found.sampled.of) == (125, 1000)
        assert found.callers == [Caller("photo", 1.0)]
    assert answers[1:] == answers[:-1]


def test_circles_and_weights_do_no_harm():
    """Damaged data; sampled records stand for as many as they weigh."""
    circle = [
        run("a", 0, 10, span=1, parent=2, attributes=HTTP), run("b", 0, 10, span=2, parent=1, attributes=HTTP),
        run("c", 1, 5, span=3, parent=1),
    ]  # fmt: skip
    assert first(*circle) is not None
    heavy = [run("rare", 0, 10, weight=4.0), run("often", 0, 30, trace=2)]
    assert told(first(*heavy)) == ("rare", "(end)", 0.04, 4)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_says_it_first(tmp_path, capsys, language):
    """In words and as data; one segment alone is the operation."""
    path = tmp_path / "a.jsonl"
    records = [run("photo", 0, 100, ("got_user", 80)), run("get_user", 10, 60, span=2, parent=1)]
    path.write_bytes(b"".join(encode(record) for record in records))
    assert main(["report", str(path), "--language", language]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert (
        lines[:2]
        == {
            "en": ["Fix first: get_user (60.0% of all own time: 60ms in 1 run)", "  called by photo 100%"],
            "zh": ["最值得先优化: get_user（占全部自身耗时的 60.0%，1 次共 60ms）", "  调用者: photo 100%"],
        }[language]
    )
    assert main(["report", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fix_first"] == {
        "operation": "get_user", "segment": "(end)", "where": None, "code": None, "own": 0.06, "share": 0.6,
        "count": 1, "held": None, "blocked": None, "callers": [{"name": "photo", "share": 1.0}], "sampled": None,
    }  # fmt: skip
