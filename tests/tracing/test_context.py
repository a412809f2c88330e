"""What belongs to whom, whoever drives the coroutines."""

import asyncio
import contextlib
import contextvars
import functools
import gc
import sys
import threading
import traceback
import weakref

import anyio
import pytest
import trio
import uvloop

import perftrace
from perftrace import checkpoint, current_operation, operation, timed
from perftrace.core.tracer import current
from perftrace.testing import capture, tree_text


@timed(operation="child")
async def child(n=1):
    await anyio.sleep(0)
    checkpoint("half")
    await anyio.sleep(0)
    return n


@timed(operation="parent")
async def parent():
    results = []

    async def keep(n):
        results.append(await child(n))

    async with anyio.create_task_group() as group:
        group.start_soon(keep, 1)
        group.start_soon(keep, 2)
    results.append(await anyio.to_thread.run_sync(functools.partial(timed(operation="thread")(abs), 3)))
    with operation("block"):
        await anyio.sleep(0)
        checkpoint("inside")
    return sorted(results)


RUNNERS = {
    "asyncio": lambda main: asyncio.run(main()),
    "uvloop": lambda main: asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main()),
    "trio": trio.run,
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_decorated_coroutine_runs_everywhere_as_the_undecorated_one(records, runner):
    """Under asyncio, uvloop and trio, with task groups and threads."""
    assert RUNNERS[runner](parent) == [1, 2, 3]
    assert tree_text(records) == (
        "parent 0ms\n  child 0ms\n    half 0ms\n  child 0ms\n    half 0ms\n  thread 0ms\n  block 0ms\n    inside 0ms\n"
    )
    assert {r.outcome for r in records} == {"ok"}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_cancelled_scope_is_cancelled(records, runner):
    """Trio's own exception, too."""

    async def main():
        with anyio.move_on_after(0.001):
            await timed(operation="waits")(anyio.sleep_forever)()

    RUNNERS[runner](main)
    assert [(r.name, r.outcome) for r in records] == [("waits", "cancelled")]


def test_shield_timeout_and_wait_for(records, clock):
    """A shielded child goes on and is kept; a time-out cancels."""

    async def main():
        with operation("outer"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(inner := asyncio.ensure_future(child_of(5))), 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await child_of(5)
        await inner

    @timed(operation="child")
    async def child_of(seconds):
        await asyncio.sleep(seconds)

    clock.run(main())
    assert sorted((r.name, r.outcome, r.duration_ns // 10**9) for r in records) == [
        ("child", "cancelled", 1), ("child", "ok", 5), ("outer", "ok", 2),
    ]  # fmt: skip


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_belong_to_their_creator_and_hold_its_thread(records, clock):
    """Their first step runs inside the creator's."""

    @timed(operation="eager")
    async def eager():
        clock.advance(0.002)
        await asyncio.sleep(0)
        clock.advance(0.003)

    @timed(operation="creator")
    async def creator():
        await asyncio.gather(asyncio.create_task(eager()), asyncio.create_task(eager()))

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        await creator()
        assert current_operation() is None

    clock.run(main())
    ms = 1_000_000
    assert [(r.name, r.running_ns, r.inner_ns) for r in records] == [
        ("eager", 5 * ms, 0), ("eager", 5 * ms, 0), ("creator", 4 * ms, 4 * ms),
    ]  # fmt: skip


def test_gather_siblings_do_not_hold_each_others_thread(records, clock):
    """Running time of tasks is theirs alone."""

    @timed(operation="work")
    async def work(seconds):
        clock.advance(seconds)
        await asyncio.sleep(0)

    @timed(operation="all")
    async def everything():
        await asyncio.gather(work(0.001), work(0.002))

    clock.run(everything())
    assert [(r.name, r.running_ns, r.inner_ns, r.steps) for r in records] == [
        ("work", 1_000_000, 0, 2), ("work", 2_000_000, 0, 2), ("all", 0, 0, 2),
    ]  # fmt: skip


def test_a_context_variable_that_the_body_sets_stays_visible(records):
    """As without the decorator."""
    variable = contextvars.ContextVar("v", default=0)

    @timed
    async def sets():
        variable.set(7)
        await asyncio.sleep(0)

    async def main():
        await sets()
        return variable.get()

    assert asyncio.run(main()) == 7
    timed(variable.set)(5)
    assert variable.get() == 5
    variable.set(0)


def test_a_step_in_another_context_restores_that_one(records):
    """A coroutine that is driven by hand from two contexts."""

    @timed(operation="f")
    async def f():
        await asyncio.sleep(0)
        assert current_operation().name == "f"
        await asyncio.sleep(0)

    coroutine = f()
    for _ in range(2):
        context = contextvars.copy_context()
        context.run(coroutine.send, None)
        assert context[current] is None if current in context else True
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert [r.outcome for r in records] == ["ok"]


def test_two_hundred_levels_of_awaits(records):
    """One Python frame a level; CPython 3.12 counts C frames, too, and ends at some 250 levels."""

    @timed(operation="level")
    async def level(n):
        if n:
            return await level(n - 1)
        return len([f for f in traceback.extract_stack() if f.name in ("send", "_enter", "_step")])

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        frames = asyncio.run(level(200))
    finally:
        sys.setrecursionlimit(limit)
    assert frames == 201
    assert len(records) == 201


def test_exceptions_keep_cause_context_and_groups(records):
    """Through a nest of everything; user frames are innermost."""
    cause, group = KeyError("k"), ExceptionGroup("g", [ValueError(1), OSError(2)])

    @timed
    async def inner():
        await asyncio.sleep(0)
        raise group from cause

    @timed
    def generator():
        yield 1
        raise group

    async def main():
        with operation("block"):
            await inner()

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert caught.value is group
    assert group.__cause__ is cause
    assert traceback.extract_tb(group.__traceback__)[-1].name == "inner"
    group.__traceback__ = None
    with pytest.raises(ExceptionGroup) as caught:
        list(generator())
    assert caught.value is group
    assert traceback.extract_tb(group.__traceback__)[-1].name == "generator"
    assert (records[0].outcome, records[0].error) == ("error", "g (2 sub-exceptions)")


def test_stop_iteration_as_a_value_and_as_an_error(records):
    """A function may raise it; a coroutine turns it into a RuntimeError, as always."""
    error = StopIteration(5)

    @timed
    def raises():
        raise error

    @timed
    async def raises_later():
        raise error

    with pytest.raises(StopIteration) as caught:
        raises()
    assert caught.value is error
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(raises_later())
    assert [(r.outcome, r.error_type) for r in records] == [("ok", None), ("error", "RuntimeError")]


def test_a_recursion_error_goes_through(records):
    """And the operations end."""

    @timed(operation="deep")
    def deep():
        deep()

    with pytest.raises(RecursionError):
        deep()
    assert current.get() is None
    with operation("after"):
        pass
    assert records[-1].outcome == "ok"


class Hostile:
    """Every question to it raises."""

    def _no(self, *arguments):
        raise RuntimeError("no")

    __str__ = __repr__ = __format__ = __getattr__ = _no
    __class__ = property(_no)


def test_hostile_arguments_attributes_and_exceptions(records):
    """They reach the user's code untouched and the record as notes."""

    class HostileError(Exception):
        __str__ = __repr__ = Hostile._no  # noqa: SLF001

    thing = Hostile()

    @timed(operation="f", key="x", description="{x}", capture=["x", "x.y"])
    def f(x):
        checkpoint("c", thing=x)
        checkpoint(x, x)
        perftrace.annotate(thing=x)
        assert x is thing
        raise HostileError

    with pytest.raises(HostileError):
        f(thing)
    (record,) = records
    note = "<unprintable Hostile: RuntimeError>"
    assert (record.key, record.description, record.error) == (note, "{x}", "<unprintable HostileError: RuntimeError>")
    assert record.attributes == {"x": note, "thing": note}
    assert record.checkpoints[1].name == note


def test_ten_megabytes_and_a_hundred_thousand_keys_are_clipped(records):
    """Memory is the user's."""
    big = "x" * 10_000_000

    @timed(operation="f", key="key")
    def f(key):
        checkpoint(big, big, big=big)
        perftrace.annotate(**{f"k{n}": n for n in range(100_000)})

    f(big)
    (record,) = records
    assert len(record.key) < 5_000
    assert len(record.attributes) <= 1_000
    assert record.attributes["…"] == "more were left out"
    assert len(record.checkpoints[0].name) < 5_000
    assert len(record.checkpoints[0].attributes["big"]) < 5_000


def test_nothing_is_kept_of_a_finished_coroutine(records):
    """Neither arguments nor frames nor results."""

    class Big:
        pass

    @timed(key="thing")
    async def f(thing):
        await asyncio.sleep(0)
        raise ValueError(thing)

    async def main():
        thing = Big()
        ghost = weakref.ref(thing)
        with contextlib.suppress(ValueError):
            await f(thing)
        return ghost

    ghost = asyncio.run(main())
    gc.collect()
    assert ghost() is None
    assert threading.active_count() < 50


def test_a_foreign_value_in_the_context_variable_is_no_operation(records):
    """And it is there again afterwards."""

    @timed(operation="f")
    def f():
        return checkpoint("x")

    token = current.set("foreign")
    try:
        assert current_operation() is None
        assert checkpoint("x") is None
        perftrace.annotate(a=1)
        assert f() == 0.0
        with operation("block"):
            pass
        assert current.get() == "foreign"
    finally:
        current.reset(token)
    assert [(r.name, r.parent_id) for r in records] == [("f", None), ("block", None)]
    assert perftrace.stats()["orphans"] == 2


def test_nothing_keeps_an_event_loop_alive():
    """A thread remembers its last one, weakly."""

    @timed
    async def work():
        checkpoint("x")

    loop = asyncio.new_event_loop()
    with capture():
        loop.run_until_complete(work())
    loop.close()
    watched = weakref.ref(loop)
    del loop
    gc.collect()
    assert watched() is None
