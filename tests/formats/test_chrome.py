"""Records as Chrome's trace events and back; other tools' traces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace.core.record import Record
from perftrace.formats import chrome
from tests.formats.test_otlp import RECORDS
from tests.ids import span_id, trace_id

MS = 1_000_000


def run(name, span, start, end, parent=None, *, thread="MainThread", task=None, checkpoints=(), **fields):
    """Make a record of trace 1 from milliseconds."""
    return Record(
        name, trace_id=trace_id(1), span_id=span_id(span), parent_id=span_id(parent), start=start * MS,
        duration_ns=(end - start) * MS, pid=7, thread=thread,
        task=task, checkpoints=[(mark, "", at * MS, {}) for mark, at in checkpoints], **fields,
    )  # fmt: skip


def written(records):
    return json.loads(b"".join(chrome.encode(records)))["traceEvents"]


def slices(events, category=chrome.OPERATION):
    return {e["name"]: (e["tid"], e["ts"], e["dur"]) for e in events if e["ph"] == "X" and e["cat"] == category}


def read(events):
    missed = []
    return list(chrome.decode(events, lambda: missed.append(1))), len(missed)


def test_what_ran_below_on_the_same_task_is_drawn_inside():
    """And what ran in another task on a track of its own, with an arrow to it."""
    records = [
        run("inner", 2, 10, 20, 1, task="T1"),
        run("side", 3, 12, 30, 1, task="T2"),
        run("outer", 1, 0, 40, task="T1", checkpoints=[("half", 20)]),
    ]
    events = written(records)
    found = slices(events)
    assert found["outer"][0] == found["inner"][0] != found["side"][0]
    assert found["inner"][1:] == (10_000, 10_000)
    assert slices(events, chrome.SEGMENT) == {"half": (1, 0, 20_000), "(end)": (1, 20_000, 20_000)}
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert names == {1: "T1 (MainThread)", 2: "T2 (MainThread)"}
    assert [(e["ph"], e["tid"], e["ts"]) for e in events if e["ph"] in "sf"] == [("s", 1, 12_000), ("f", 2, 12_000)]


def test_what_merely_overlaps_gets_a_lane_of_its_own():
    """Two timers of one thread are not one inside the other, unless one called the other."""
    events = written([run("a", 1, 0, 10), run("b", 2, 2, 5), run("c", 3, 11, 12), run("d", 4, 3, 20, 1)])
    found = {name: place[0] for name, place in slices(events).items()}
    assert found == {"a": 1, "b": 2, "c": 1, "d": 3}
    assert [e["args"]["name"] for e in events if e["name"] == "thread_name"] == [
        "MainThread", "MainThread [2]", "MainThread [3]",
    ]  # fmt: skip


def test_tasks_beyond_a_picture_share_their_lanes():
    """A server makes one for each request; what runs below keeps its place."""
    records = [run("request", 2 * i + 1, i, i + 10, task=f"T{i}") for i in range(300)]
    records += [run("query", 2 * i + 2, i + 2, i + 4, 2 * i + 1, task=f"T{i}") for i in range(300)]
    events = written(records)
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert len(names) == 210
    assert [name for name in names.values() if name.startswith("other")][:2] == [
        "other tasks (MainThread)", "other tasks (MainThread) [2]",
    ]  # fmt: skip
    tids = {name: [e["tid"] for e in events if e["name"] == name] for name in ("request", "query")}
    assert tids["request"] == tids["query"]


def test_segments_that_an_inner_operation_lies_across_are_moments():
    """Nothing on a track may overlap without being inside."""
    events = written([run("outer", 1, 0, 10, checkpoints=[("m", 5)]), run("inner", 2, 4, 6, 1)])
    assert slices(events, chrome.SEGMENT) == {}
    assert [(e["name"], e["ts"], e["s"]) for e in events if e["ph"] == "i"] == [("m", 5000, "t")]


spans = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 3), st.booleans()), max_size=8)


@given(spans)
def test_slices_of_a_track_lie_side_by_side_or_inside(drawn):
    """And inside only below what called them, whatever overlaps."""
    records = [
        run(str(i), i + 1, start, start + length, parent if 0 < parent <= i else None, task="T" if in_task else None,
            checkpoints=[("m", length // 2)])
        for i, (start, length, parent, in_task) in enumerate(drawn)
    ]  # fmt: skip
    events = [e for e in written(records) if e["ph"] == "X"]
    parents = {record.name: int(record.parent_id or "0", 16) for record in records}
    for one in events:
        for other in events:
            if one is other or one["tid"] != other["tid"]:
                continue
            starts, ends = (one["ts"], other["ts"]), (one["ts"] + one["dur"], other["ts"] + other["dur"])
            assert ends[0] <= starts[1] or ends[1] <= starts[0] or (starts[0] - starts[1]) * (ends[0] - ends[1]) <= 0
            is_inside = starts[1] < starts[0] and ends[0] < ends[1]
            if is_inside and one["cat"] == other["cat"] == chrome.OPERATION:
                above, up = str(parents[one["name"]] - 1), set()
                while above != "-1" and above not in up:
                    up.add(above)
                    above = str(parents[above] - 1)
                assert other["name"] in up


@given(st.lists(RECORDS, max_size=3))
def test_every_record_comes_back(records):
    """Whole: the event of an operation carries its record."""
    again, missed = read(written(records))
    assert not missed
    expected = sorted(rewritten(records), key=lambda fields: (fields["start"], -fields["duration_ns"]))
    assert [record.as_dict() for record in again] == expected


def rewritten(records):
    from perftrace.formats.jsonl import decode, encode

    return [decode(encode(record)).as_dict() for record in records]


def test_times_keep_their_nanoseconds():
    """A Unix time in microseconds has no room for them as a JavaScript number, so they are counted from the first."""
    start = 1_757_421_666_864_000_123
    events = written(
        [
            Record("a", trace_id=trace_id(1), span_id=span_id(1), start=start, duration_ns=7),
            Record("b", start=start + 11),
        ]
    )
    assert [e["ts"] for e in events if e["ph"] == "X"] == [0, 0.011]
    assert next(e["args"]["base_ns"] for e in events if e["name"] == "perftrace") == str(start)


def test_half_a_surrogate_pair_becomes_its_escape():
    """Perfetto's parser takes none."""
    [event] = [e for e in written([Record("a\ud800")]) if e["ph"] == "X"]
    assert event["name"] == "a\\ud800"


def event(ph, name, ts, **fields):
    return {"ph": ph, "name": name, "ts": ts, "pid": 1, "tid": 2, **fields}


def test_another_tools_threads():
    """Complete events and pairs nest by time; an instant is a checkpoint of what it happened in."""
    events = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": 2, "args": {"name": "main"}},
        event("X", "request", 0, dur=100.5, cat="http", args={"path": "/", "list": [1]}),
        event("B", "query", 10), event("i", "connected", 15), event("E", "query", 30, args={"rows": 3}),
        event("X", "render", 40, dur=20), event("i", "lost", 500), event("C", "memory", 5, args={"mb": 1}),
        event("B", "never ends", 200),
    ]  # fmt: skip
    records, missed = read(events)
    assert not missed
    found = {record.name: record for record in records}
    assert {n: (r.start, r.duration_ns, r.outcome) for n, r in found.items()} == {
        "request": (0, 100_500, "ok"), "query": (10_000, 20_000, "ok"), "render": (40_000, 20_000, "ok"),
        "never ends": (200_000, 0, None),
    }  # fmt: skip
    request, query = found["request"], found["query"]
    assert (request.parent_id, query.parent_id, found["render"].parent_id) == (None, request.span_id, request.span_id)
    assert query.trace_id == request.trace_id != found["never ends"].trace_id
    assert request.attributes == {"path": "/", "list": "[1]", "cat": "http"}
    assert query.attributes == {"rows": 3}
    assert [(mark.name, mark.elapsed_ns) for mark in query.checkpoints] == [("connected", 5000)]
    assert (request.pid, request.thread) == (1, "main")


def test_asynchronous_pairs_nest_by_their_id():
    """Of one category and id; others may overlap them."""
    events = [
        event("b", "job", 0, id=1, cat="a"), event("b", "job2", 1, id="0x2", cat="a"),
        event("b", "step", 2, id=1, cat="a"), event("n", "moment", 3, id=1, cat="a"),
        event("e", "step", 4, id=1, cat="a"), event("e", "job2", 5, id="0x2", cat="a"),
        event("e", "job", 6, id=1, cat="a"),
        event("b", "own", 1, id2={"local": 1}), event("e", "own", 2, id2={"local": 1}),
    ]  # fmt: skip
    records, missed = read(events)
    assert not missed
    found = {record.name: record for record in records}
    assert found["step"].parent_id == found["job"].span_id
    assert found["job2"].parent_id is found["own"].parent_id is None
    assert [mark.name for mark in found["step"].checkpoints] == ["moment"]
    assert found["job2"].duration_ns == 4000


@pytest.mark.parametrize(
    "damaged",
    [
        5, None, [], {}, event("X", 5, 0), event("X", "a", "x"), event("X", "a", None), event("X", "a", 1e300),
        event("X", "a", 0, args=5), event("E", "a", 0), event("e", "a", 0, id=1), event("b", "a", 0),
        event("X", "a", 0, tid=[]), event("b", "a", 0, id={}), event("n", "a", 0, id=1), event("X", "a", 0, dur="y"),
        event("X", "a", 0, cat="operation", args={"v": 1, "span_id": 5}), event("X", "a", True),
        event("X", "a", 0, pid={}), {"ph": "M", "name": "thread_name"},
    ],
)  # fmt: skip
def test_a_damaged_event_is_counted(damaged):
    """What is whole around it is read."""
    records, missed = read([event("X", "good", 0, dur=1), damaged])
    assert [record.name for record in records] == ["good"]
    assert missed == 1


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(["name", "ts", "dur", "pid", "tid", "args", "id", "id2", "cat", "scope"])
hostile = st.builds(
    lambda ph, fields: {"ph": ph, "name": "a", "ts": 1, **fields},
    st.sampled_from([*"XBEiIbnepSTFMC", ""]),
    st.dictionaries(keys, values, max_size=3),
)


@given(st.lists(hostile | values, max_size=6))
def test_any_event_is_read_or_counted(events):
    """Never an exception."""
    read(events)
