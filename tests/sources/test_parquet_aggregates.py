"""A store's Parquet files counted by SQL: the same answer as record by record."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftrace.analysis.filters import Period, RecordFilter
from perftrace.analysis.fix_first import MAX_RECORDS
from perftrace.analysis.reports import SLOWEST, report
from perftrace.analysis.trends import trend
from perftrace.cli import main
from perftrace.core.record import Record
from perftrace.formats.jsonl import encode
from perftrace.sources.aggregates import RunAggregates, RunTimes, Selection
from perftrace.sources.files import FileSource
from perftrace.store import compact
from tests.analysis.test_critical_path import run
from tests.conftest import examples
from tests.ids import span_id, trace_id

NAME = "1795000000000000000-1-0000000{}.jsonl"


@st.composite
def stores(draw):
    """Give records of some traces: nested, side by side, failed, sampled, without an end, loops of checkpoints."""
    records = []
    for trace in range(1, draw(st.integers(2, 6))):
        spans = draw(st.integers(1, 6))
        for span in range(1, spans + 1):
            start, length = draw(st.integers(0, 50)), draw(st.integers(0, 50))
            marks = [(draw(st.sampled_from("xy")), draw(st.integers(0, 60))) for _ in range(draw(st.integers(0, 3)))]
            outcome = draw(st.sampled_from(["ok", "ok", "ok", "error", "abandoned", "cancelled", None]))
            record = run(
                draw(st.sampled_from(["a", "b"])), span, start, start + length,
                draw(st.sampled_from([None, *range(1, spans + 1)])), pid=draw(st.sampled_from([1, 2])),
                checkpoints=marks,
                outcome=outcome, weight=draw(st.sampled_from([1.0, 1.0, 4.0])), start_seen=draw(st.booleans()),
                running_ns=draw(st.sampled_from([None, 5_000_000, 90_000_000])),
                error_type=draw(st.sampled_from([None, "ValueError"])) if outcome == "error" else None,
            )  # fmt: skip
            records.append(record.replace(trace_id=trace_id(trace)))
    return records


def answer(found):
    """Give a report without what depends on the order of reading."""
    given = dataclasses.asdict(found)
    for operation in given["operations"]:
        operation["segments"].sort(key=lambda one: one["name"])
        for segment in operation["segments"]:
            segment["bottleneck"] = None
    given["slowest"] = [one["duration"] for one in given["slowest"]]
    given["never_ended"].sort(key=lambda one: one["operation_id"])
    return rounded(given)


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 9) if isinstance(value, float) else value


def by_records(folder):
    source = FileSource([folder])
    return answer(report(source.reading()))


def counted(folder):
    shapes = RunAggregates(SLOWEST, MAX_RECORDS)
    source = FileSource([folder], shapes)
    found = report(source.reading())
    assert shapes.counts
    assert not source.errors
    return answer(found)


def write(folder, name, records):
    (folder / name).write_bytes(b"".join(encode(record).rstrip(b"\n") + b"\n" for record in records))


@settings(max_examples=examples(40))
@given(stores(), stores())
def test_counted_is_the_same_as_record_by_record(tmp_path_factory, old, new):
    """Own time, running time, failures, weights, segments: of what is compacted, beside what is still in lines."""
    folder = tmp_path_factory.mktemp("store")
    write(folder, NAME.format(1), old)
    assert compact(folder).files == 1
    write(folder, NAME.format(2), [record.replace(trace_id=trace_id(int(record.trace_id, 16) + 100)) for record in new])
    assert counted(str(folder)) == by_records(str(folder))


@settings(max_examples=examples(40))
@given(
    stores(),
    stores(),
    st.sampled_from([None, "a", "c'"]),
    st.sampled_from([None, 10**9, 10**9 + 0.02]),
    st.sampled_from([None, 10**9 + 0.03]),
)
def test_a_selection_of_a_store_is_the_same_as_record_by_record(tmp_path_factory, old, new, name, since, until):
    """What a report, the slowest and a trend take of it; how many have lost their callers."""
    folder = tmp_path_factory.mktemp("store")
    write(folder, NAME.format(1), old)
    assert compact(folder).files == 1
    write(folder, NAME.format(2), [record.replace(trace_id=trace_id(int(record.trace_id, 16) + 100)) for record in new])
    chosen, wanted = RecordFilter(name, since, until), Selection(name, since, until)

    def found(aggregates):
        source, period = FileSource([str(folder)], aggregates), Period(since, until)
        told = report(period.filter_reading(source.reading()), selection=chosen)
        return told, period.cut_off + sum(one.cut_off for one in (aggregates.counts if aggregates else ()))

    (counted, counted_cut_off), (read, cut_off) = found(RunAggregates(SLOWEST, MAX_RECORDS, wanted)), found(None)
    assert (answer(counted), counted_cut_off) == (answer(read), cut_off)
    slowest, _ = found(RunAggregates(SLOWEST, 0, wanted, is_slowest_only=True))
    assert [one.duration for one in slowest.slowest] == [one.duration for one in read.slowest]
    times, records = RunTimes(wanted), RunTimes()
    times.add_all(chosen.filter(FileSource([str(folder)], times)))
    records.add_all(chosen.filter(FileSource([str(folder)])))
    assert trend(times) == trend(records)


@settings(max_examples=examples(60))
@given(
    stores(),
    st.integers(0, 10),
    st.booleans(),
    st.sampled_from([None, "a"]),
    st.sampled_from([None, 10**9 + 0.02]),
)
def test_traces_that_lie_in_both_kinds_of_files_are_whole(tmp_path_factory, records, cut, is_first, name, since):
    """A process went on to another file in the midst of them, and one of the two is compacted."""
    folder = tmp_path_factory.mktemp("store")
    parts = records[:cut], records[cut:]
    old, new = parts if is_first else parts[::-1]
    write(folder, NAME.format(1), old)
    compact(folder)
    write(folder, NAME.format(2), new)
    chosen, wanted = RecordFilter(name, since), Selection(name, since)

    def found(aggregates):
        source, period = FileSource([str(folder)], aggregates), Period(since)
        told = answer(report(period.filter_reading(source.reading()), selection=chosen))
        return told, period.cut_off + sum(one.cut_off for one in (aggregates.counts if aggregates else ()))

    assert found(RunAggregates(SLOWEST, MAX_RECORDS, wanted)) == found(None)


def test_a_record_that_lies_in_two_stores_counts_once(tmp_path):
    """Compacted or not; also where one is named twice."""
    records = [run("a", n, n, n + 5).replace(trace_id=trace_id(n)) for n in range(1, 4)]
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        write(folder, NAME.format(1), records)
    for folders in ([one, other], [one, one]):
        for _ in range(2):
            paths = [str(folder) for folder in folders]
            found = report(FileSource(paths, RunAggregates(SLOWEST, MAX_RECORDS)).reading())
            assert [operation.count for operation in found.operations] == [3]
            times = RunTimes()
            times.add_all(FileSource(paths, times))
            assert len(times.starts) == 3
            compact(one)


@pytest.mark.parametrize("content", [b"PAR1 no parquet", b""])
def test_a_damaged_file_is_told_and_the_others_are_read(tmp_path, capsys, content):
    """As without counting."""
    write(tmp_path, NAME.format(1), [run("a", 1, 0, 5)])
    assert compact(tmp_path).files == 1
    (tmp_path / NAME.format(2).replace("jsonl", "parquet")).write_bytes(content)
    assert main(["report", str(tmp_path), "--language", "en"]) == 2
    out, err = capsys.readouterr()
    assert NAME.format(2).replace("jsonl", "parquet") in err
    assert "1 used" in out


def test_what_knows_no_trace_has_no_time_of_its_own(tmp_path):
    """Imported from a log: compacted as before."""
    records = [
        Record("logged", duration_ns=9),
        Record("traced", trace_id=trace_id(1), span_id=span_id(1), duration_ns=7),
    ]
    write(tmp_path, NAME.format(1), records)
    assert compact(tmp_path).files == 1
    found = counted(str(tmp_path))
    assert found == by_records(str(tmp_path))
    assert {one["name"]: one["share"] for one in found["operations"]} == {"logged": None, "traced": 1.0}


def test_what_is_there_twice_counts_once_before_compaction_and_after(tmp_path):
    """By trace, span, name and start: imported again, or written to two files."""
    records = [Record("a", trace_id=trace_id(n), span_id=span_id(1), start=n, duration_ns=7) for n in range(1, 4)]
    write(tmp_path, NAME.format(1), records)
    write(tmp_path, NAME.format(2), records[:2])
    before = by_records(str(tmp_path))
    assert (before["operations"][0]["count"], before["duplicates"]) == (3, 2)
    assert compact(tmp_path).files == 2
    write(tmp_path, NAME.format(3), records[1:2])  # and once more, by a process that still runs
    before["duplicates"] += 1
    source = FileSource([str(tmp_path)], RunAggregates(SLOWEST, MAX_RECORDS))
    assert answer(report(source.reading())) == before
