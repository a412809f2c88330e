"""taskiq with its own broker in memory, whose messages are bytes like any broker's."""

import asyncio
import inspect
import time

import pytest
import taskiq

import perftrace
from perftrace.integrations import instrument, uninstrument
from perftrace.integrations.taskiq import SENT_AT, PerftraceMiddleware
from perftrace.testing import capture, tree_text


def make_broker():
    """Make a broker with the tasks of these tests."""
    broker = taskiq.InMemoryBroker()

    @broker.task("resize")
    async def resize(width: int) -> int:
        perftrace.checkpoint("resized")
        with perftrace.operation("save"):
            pass
        return width

    @broker.task("blocking")
    def blocking(width: int) -> int:
        perftrace.checkpoint("resized")
        return width

    @broker.task("broken")
    async def broken() -> None:
        raise ValueError("planted")

    @broker.task("no_result")
    async def no_result() -> None:
        raise taskiq.NoResultError

    return broker


def send(broker, name, *arguments, labels=None):
    """Send a task from an operation, and wait for its end."""

    async def main():
        await broker.startup()
        async with perftrace.operation("handler"):
            task = await broker.find_task(name).kicker().with_labels(**(labels or {})).kiq(*arguments)
        await asyncio.gather(*broker._running_tasks)  # noqa: SLF001  # wait_all() is younger
        result = None if name == "no_result" else await task.wait_result(timeout=5)
        await broker.shutdown()
        return result

    return asyncio.run(main())


@pytest.mark.parametrize("name", ["resize", "blocking"])
def test_a_task_is_an_operation_in_the_trace_of_its_sender(name):
    """With its time in the broker first; what it does inside belongs to it, in threads too."""
    instrument("taskiq")
    with capture() as records:
        assert send(make_broker(), name, 640).return_value == 640
    (handler,) = (r for r in records if r.name == "handler")
    (task,) = (r for r in records if r.name == name)
    assert (task.parent_id, task.trace_id) == (handler.span_id, handler.trace_id)
    assert [c.name for c in task.checkpoints] == ["queue", "resized"]
    assert task.checkpoints[0].elapsed_ns > 0
    assert {r.parent_id for r in records if r.name == "save"} == ({task.span_id} if name == "resize" else set())
    assert set(task.attributes) == {"taskiq.task_id"}


def test_failures_are_the_tasks_own():
    """The result is what it is without; a task that wants no result has not failed."""
    broker = make_broker()
    broker.add_middlewares(PerftraceMiddleware())
    with capture() as records:
        result = send(broker, "broken")
        send(broker, "no_result")
    assert (result.is_err, str(result.error)) == (True, "planted")
    outcomes = {r.name: (r.outcome, r.error) for r in records}
    assert outcomes["broken"] == ("error", "planted")
    assert outcomes["no_result"] == ("ok", None)


@pytest.mark.parametrize("sent_at", ["soon", "-5", "9" * 400, "", 12, None])
def test_strange_labels_are_no_ones_fault(sent_at):
    """A time that is none and a `traceparent` that is none: no wait, a trace of its own."""
    labels = {SENT_AT: sent_at, "traceparent": "00-oh-no-01"}
    message = taskiq.TaskiqMessage(task_id="1", task_name="resize", labels=labels, args=[1], kwargs={})
    middleware = PerftraceMiddleware()

    async def main():
        middleware.pre_execute(message)
        middleware.post_execute(message, None)

    with capture() as records:
        asyncio.run(main())
    assert tree_text(records).startswith("resize")
    assert records[0].parent_id is None


def test_a_sender_whose_clock_is_ahead_is_marked():
    """Its time in the queue is 0."""
    labels = {SENT_AT: str(time.time_ns() + 60 * 10**9)}
    message = taskiq.TaskiqMessage(task_id="1", task_name="resize", labels=labels, args=[1], kwargs={})
    middleware = PerftraceMiddleware()
    with capture() as records:
        middleware.pre_execute(message)
        middleware.post_execute(message, None)
    assert records[0].attributes == {"taskiq.task_id": "1", "taskiq.clock_ahead": True}
    assert records[0].checkpoints[0].elapsed_ns == pytest.approx(0, abs=10**7)


@pytest.mark.parametrize("off", [lambda: perftrace.configure(sinks=[]), lambda: uninstrument("taskiq")])
def test_nothing_is_added_without_wish(off):
    """Neither operations nor labels."""
    instrument("taskiq")
    broker = make_broker()
    with capture() as records:
        off()
        result = send(broker, "resize", 1)
    assert [r for r in records if r.name == "resize"] == []
    assert SENT_AT not in result.labels


def test_tasks_that_run_in_place_end_each_by_itself():
    """One inside of another; nothing is current afterwards, and the next is nobody's child."""
    if "await_inplace" not in inspect.signature(taskiq.InMemoryBroker).parameters:
        pytest.skip("this version of taskiq never runs tasks in place")
    broker = taskiq.InMemoryBroker(await_inplace=True)
    broker.add_middlewares(PerftraceMiddleware())

    @broker.task("inner")
    async def inner(fails):
        perftrace.checkpoint("inside")
        if fails:
            raise ValueError("planted")

    @broker.task("outer")
    async def outer():
        await inner.kiq(False)
        await inner.kiq(True)
        perftrace.checkpoint("after")

    @broker.task("other")
    async def other():
        pass

    async def main():
        await broker.startup()
        await outer.kiq()
        assert perftrace.current_operation() is None
        await other.kiq()
        await broker.shutdown()

    with capture() as records:
        asyncio.run(main())
    first, second, around, last = records
    assert [record.name for record in records] == ["inner", "inner", "outer", "other"]
    assert [record.outcome for record in records] == ["ok", "error", "ok", "ok"]
    assert [c.name for c in around.checkpoints] == ["queue", "after"]
    assert {first.parent_id, second.parent_id} == {around.span_id}
    assert (last.parent_id, last.trace_id != around.trace_id) == (None, True)


def test_a_task_of_nobody_is_no_child_of_what_is_current_in_the_worker():
    """Its message says whose it is."""
    message = taskiq.TaskiqMessage(task_id="1", task_name="resize", labels={}, args=[1], kwargs={})
    middleware = PerftraceMiddleware()
    with capture() as records, perftrace.operation("worker"):
        middleware.pre_execute(message)
        middleware.post_execute(message, None)
        assert perftrace.current_operation().name == "worker"
    assert (records[0].name, records[0].parent_id, records[0].link) == ("resize", None, None)
