"""How much a sink gets: rates and numbers of names."""

import pytest

import perftrace
from perftrace import Sink
from perftrace.core.record import Record
from perftrace.pipeline import Cardinality, RateLimit
from tests.ids import span_id

SECOND = 1_000_000_000


def at(seconds, name="a", **more):
    return Record(name, start_mono=int(seconds * SECOND), **more)


def test_a_rate_is_kept_for_each_operation_by_the_time_of_its_runs():
    """The bucket holds a burst and fills at the rate; what comes out weighs what was held back."""
    kept = []
    sink = RateLimit(kept.append, per_second=2, burst=3)
    for n in range(10):
        sink.finished(at(0, sequence=n))
    sink.finished(at(0, "b"))
    sink.finished(at(0.5, sequence=10))
    sink.finished(at(0.75, sequence=11))
    sink.finished(at(60, sequence=12))
    assert [(r.name, r.sequence, r.weight) for r in kept] == [
        ("a", 0, 1.0), ("a", 1, 1.0), ("a", 2, 1.0), ("b", 0, 1.0), ("a", 10, 8.0), ("a", 12, 2.0),
    ]  # fmt: skip
    assert sink.dropped() == {"rate": 8}
    assert sum(r.weight for r in kept) == 14


def test_time_that_runs_backwards_fills_no_bucket():
    """Nor does it empty one."""
    kept = []
    sink = RateLimit(kept.append, per_second=1)
    for seconds in (10, 0, 10.5, 0, 11):
        sink.finished(at(seconds))
    assert [r.start_mono / SECOND for r in kept] == [10, 11]


def test_a_log_gets_the_whole_run_that_is_let_through():
    """Start and checkpoints with it, and nothing of the others."""
    events = []

    class All(Sink):
        def started(self, event):
            events.append(event)

        reached = finished = started

    perftrace.configure(sinks=[RateLimit(All(), per_second=0.001)])
    for _ in range(3):
        with perftrace.operation("a"):
            perftrace.checkpoint("b")
    assert [type(event).__name__ for event in events] == ["Started", "Reached", "Record"]
    assert len({event.operation_id for event in events}) == 1
    assert perftrace.stats()["sinks"][0]["dropped"] == {"rate": 2}
    perftrace.configure(sinks=[])


@pytest.mark.parametrize("options", [{"per_second": 0}, {"per_second": "1"}, {"per_second": 1, "burst": 0.5}])
def test_rates_that_make_no_sense(options):
    """The last one is named."""
    with pytest.raises(ValueError, match=f"RateLimit: {list(options)[-1]}"):
        RateLimit(Sink(), **options)


def test_names_beyond_the_cap_become_one(caplog):
    """The first ones stay; ids stay; one warning."""
    kept = []
    sink = Cardinality(kept.append, names=2)
    for name in ("a", "b", "c", "d", "a"):
        sink.finished(Record(name, span_id=span_id(1)))
    assert [r.name for r in kept] == ["a", "b", "__other__", "__other__", "a"]
    assert kept[2].operation_id == "c_0000000000000001"
    assert sink.replaced == 2
    assert [message.count("__other__") for message in caplog.messages] == [1]


def test_attributes_beyond_the_cap_share_a_name():
    """Of operations and checkpoints together; what needs no change is handed on as it is."""
    kept = []
    sink = Cardinality(kept.append, attributes=2)
    first = Record("a", attributes={"x": 1}, checkpoints=[("m", "", 1, {"y": 2})])
    sink.finished(first)
    sink.finished(Record("a", attributes={"x": 1, "z": 3}, checkpoints=[("m", "", 1, {"y": 2, "w": 4})]))
    assert kept[0] is first
    assert dict(kept[1].attributes) == {"x": 1, "__other__": 3}
    assert dict(kept[1].checkpoints[0].attributes) == {"y": 2, "__other__": 4}


def test_a_start_and_its_finish_bear_the_same_name():
    """Whatever comes between."""
    events = []

    class All(Sink):
        def started(self, event):
            events.append(event.name)

        finished = started

    perftrace.configure(sinks=[Cardinality(All(), names=1)])
    for name in ("a", "b"):
        with perftrace.operation(name):
            pass
    perftrace.configure(sinks=[])
    assert events == ["a", "a", "__other__", "__other__"]


@pytest.mark.parametrize("options", [{"names": 0}, {"attributes": True}])
def test_caps_that_make_no_sense(options):
    """Each is named."""
    with pytest.raises(ValueError, match=f"Cardinality: {next(iter(options))}"):
        Cardinality(Sink(), **options)
