"""The explicit API: timers by an id of the caller's."""

import asyncio
import logging

import pytest

import perftrace
from perftrace.testing import FakeClock, tree_text
from perftrace.tracing.monitor import PerformanceMonitor

ID = "button_click_12345_1757421666"


@pytest.fixture
def clock():
    return FakeClock(start=1757421666.864)


@pytest.fixture
def monitor():
    return PerformanceMonitor()


def test_a_timer_is_started_marked_ended_and_summed_up(monitor, records, clock):
    """The summary says what happened, in seconds."""
    monitor.start_timer(ID, "用户 12345 点击按钮")
    clock.advance(0.051)
    assert monitor.checkpoint(ID, "get_user", "获取用户信息") == 0.051
    clock.advance(0.031)
    monitor.checkpoint(ID, "check_points")
    assert monitor.get_operation_summary(ID)["outcome"] is None
    assert monitor.get_operation_summary(ID)["duration"] == 0.082
    assert monitor.end_timer(ID, "处理完成") == 0.082
    assert monitor.get_operation_summary(ID) == {
        "operation_id": ID,
        "name": "button_click",
        "description": "用户 12345 点击按钮",
        "done": "处理完成",
        "start_time": 1757421666.864,
        "duration": 0.082,
        "outcome": "ok",
        "error": None,
        "checkpoints": [
            {"name": "get_user", "description": "获取用户信息", "elapsed": 0.051, "delta": 0.051},
            {"name": "check_points", "description": "", "elapsed": 0.082, "delta": 0.031},
        ],
    }
    assert [(r.name, r.key, r.operation_id) for r in records] == [("button_click", "12345", ID)]


def test_timer_is_a_block_that_becomes_current(monitor, records, clock):
    """`checkpoint()`, `timed` and further timers inside belong to it."""
    with monitor.timer("photo_7", "照片") as m:
        clock.advance(0.01)
        m.checkpoint("info", "照片信息")
        perftrace.checkpoint("state")
        monitor.start_timer("inner")
        clock.advance(0.002)
        monitor.end_timer("inner")
    assert tree_text(records) == "photo 12ms\n  info 10ms\n  state 0ms\n  inner 2ms\n"


def test_async_timer_is_the_same_for_coroutines(monitor, records, clock):
    """An exception goes through and is the outcome."""

    async def main():
        async with monitor.async_timer("job", "d") as m:
            m.checkpoint("a")
            await asyncio.sleep(2)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        clock.run(main())
    assert tree_text(records) == "job 2000ms error\n  a 0ms\n"
    assert monitor.get_operation_summary("job")["error"] == "ValueError: no"


def test_start_timer_takes_the_current_operation_as_parent_but_is_not_current(monitor, records):
    """Its scope is an id, not a block."""
    with perftrace.operation("outer") as outer:
        monitor.start_timer("x")
        assert perftrace.current_operation() is outer
        monitor.end_timer("x")
    assert [(r.name, r.parent_id) for r in records] == [("x", outer.span_id), ("outer", None)]


@pytest.mark.parametrize(
    ("mistake", "counter"),
    [
        (lambda m: m.checkpoint("ghost", "x"), "unknown_ids"),
        (lambda m: m.end_timer("ghost"), "unknown_ids"),
        (lambda m: m.checkpoint("done", "x"), "unknown_ids"),
        (lambda m: m.start_timer("run"), "doubled_ids"),
        (lambda m: m.end_timer("done"), "doubled_ids"),
    ],
)
def test_a_mistake_is_a_warning_and_counted_and_changes_nothing(monitor, records, caplog, mistake, counter):
    """Nothing is ever raised into the caller."""
    monitor.start_timer("run")
    monitor.start_timer("done")
    monitor.end_timer("done")
    with caplog.at_level(logging.WARNING, "performance_monitor"):
        assert mistake(monitor) is None
    assert perftrace.stats()[counter] == 1
    (warning,) = caplog.records
    assert (warning.name, warning.levelno) == ("performance_monitor", logging.WARNING)
    assert any(i in warning.getMessage() for i in ("ghost", "run", "done"))
    assert len(records) == 1


def test_a_timer_inside_a_timer_of_the_same_id_is_ignored(monitor, records, caplog):
    """What happens inside belongs to the one that runs, and that one ends once."""
    with monitor.timer("a") as outer:
        with monitor.timer("a") as inner:
            inner.checkpoint("x")
        outer.checkpoint("y")
    assert tree_text(records) == "a 0ms\n  x 0ms\n  y 0ms\n"
    assert perftrace.stats()["doubled_ids"] == 1


def test_an_id_never_seen_has_no_summary(monitor):
    """None, and no warning: asking is no mistake."""
    assert monitor.get_operation_summary("ghost") is None


def test_a_finished_id_may_start_again(monitor, records):
    """The later run's summary replaces the former's."""
    for description in ("first", "second"):
        monitor.start_timer("a", description)
        monitor.end_timer("a")
    assert monitor.get_operation_summary("a")["description"] == "second"
    assert len(records) == 2


def test_finished_summaries_are_bounded(records):
    """The oldest leave first."""
    monitor = PerformanceMonitor(max_summaries=2)
    for i in range(3):
        monitor.start_timer(i)
        monitor.end_timer(i)
    assert [monitor.get_operation_summary(i) is not None for i in range(3)] == [False, True, True]


def test_running_timers_are_bounded(records, caplog):
    """Beyond the bound the oldest are abandoned, with a warning, and their end comes too late."""
    monitor = PerformanceMonitor(max_running=2)
    for i in range(3):
        monitor.start_timer(f"t{i}")
    assert [(r.operation_id, r.outcome) for r in records] == [("t0", "abandoned")]
    assert monitor.get_operation_summary("t0")["outcome"] == "abandoned"
    assert monitor.end_timer("t0") is None
    assert monitor.end_timer("t2") == 0.0


def test_the_process_shares_one_monitor():
    """Everyone gets the same."""
    assert perftrace.get_performance_monitor() is perftrace.get_performance_monitor()
