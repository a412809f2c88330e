"""`timed` on generators of both kinds: one operation each, current only while the body runs."""

import asyncio
import contextlib
import gc
import inspect
import types

import pytest

from perftrace import checkpoint, current_operation, operation, timed
from perftrace.testing import FakeClock, tree_text


@timed(operation="numbers", key="n")
def numbers(n):
    for i in range(n):
        checkpoint(f"n{i}")
        yield i
    return "end"


@timed(operation="anumbers", key="n")
async def anumbers(n):
    for i in range(n):
        await asyncio.sleep(0)
        checkpoint(f"n{i}")
        yield i


def test_a_generator_is_one_operation_from_its_first_step_to_its_end(records, clock):
    """Its values and its return value come through."""
    generator = numbers(2)
    clock.advance(1)
    assert next(generator) == 0
    assert current_operation() is None
    clock.advance(1)
    assert next(generator) == 1
    with pytest.raises(StopIteration) as caught:
        next(generator)
    assert caught.value.value == "end"
    assert tree_text(records) == "numbers 1000ms\n  n0 0ms\n  n1 1000ms\n"
    assert (records[0].key, records[0].outcome, records[0].steps) == ("2", "ok", 3)


def test_yield_from_passes_everything_through(records):
    """Values, `send`, `throw`, the return value."""

    @timed(operation="inner")
    def inner():
        got = yield 1
        try:
            yield got
        except KeyError as error:
            yield error
        return "done"

    def outer():
        return (yield from inner())

    generator = outer()
    error = KeyError("k")
    assert [next(generator), generator.send("x"), generator.throw(error)] == [1, "x", error]
    with pytest.raises(StopIteration) as caught:
        next(generator)
    assert caught.value.value == "done"
    assert [r.outcome for r in records] == ["ok"]


def test_interleaved_generators_keep_their_operations_apart(records):
    """Whatever is current around them."""
    with operation("outer") as outer:
        first, second = numbers(2), numbers(2)
        for pair in zip(first, second, strict=True):
            assert pair[0] == pair[1]
            assert current_operation() is outer
    assert [(r.name, len(r.checkpoints), r.parent_id) for r in records] == [
        ("numbers", 2, outer.span_id), ("numbers", 2, outer.span_id), ("outer", 0, None),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["close", "drop", "break"])
def test_a_generator_left_early_is_closed_once(records, how):
    """By hand, by the collector, by a loop that breaks."""
    if how == "break":
        for _ in numbers(3):
            break
    else:
        generator = numbers(3)
        next(generator)
        if how == "close":
            generator.close()
            generator.close()
        del generator
    gc.collect()
    assert [r.outcome for r in records] == ["closed"]


def test_a_generator_never_started_makes_no_record(records):
    """Closed, thrown into or dropped."""
    numbers(1).close()
    with pytest.raises(KeyError):
        numbers(1).throw(KeyError("x"))
    numbers(1)
    gc.collect()
    assert records == []


def test_a_block_inside_a_timed_generator_is_current_again_after_each_step(records):
    """And never in the consumer's code."""

    @timed(operation="f")
    def f():
        with operation("block") as block:
            yield
            assert current_operation() is block

    for _ in f():
        assert current_operation() is None
    assert [r.name for r in records] == ["block", "f"]


def test_stop_iteration_raised_inside_becomes_a_runtime_error(records):
    """As in any generator."""

    @timed
    def f():
        yield 1
        raise StopIteration  # noqa: PLR1708  # on purpose

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(f())
    assert records[0].error_type == "RuntimeError"


def test_a_context_manager_over_a_timed_generator(records):
    """The body's exception arrives inside."""
    seen = []

    @contextlib.contextmanager
    @timed(operation="cm")
    def cm():
        try:
            yield 5
        except ValueError as error:
            seen.append(error)

    error = ValueError("x")
    with cm() as value:
        assert value == 5
        assert current_operation() is None
        raise error
    assert seen == [error]
    assert [r.outcome for r in records] == ["ok"]


def test_generators_look_like_what_they_are(records):
    """To inspect and to isinstance."""
    generator = numbers(1)
    assert inspect.isgeneratorfunction(numbers)
    assert inspect.isgenerator(generator)
    assert isinstance(generator, types.GeneratorType)
    assert inspect.getgeneratorstate(generator) == "GEN_CREATED"
    assert generator.gi_code is numbers.__code__
    asynchronous = anumbers(1)
    assert inspect.isasyncgenfunction(anumbers)
    assert inspect.isasyncgen(asynchronous)
    assert asynchronous.ag_code is anumbers.__code__


def test_an_async_generator_is_one_operation(records, clock):
    """Current inside, and not in the loop that reads it."""

    async def main():
        values = []
        async for value in anumbers(3):
            assert current_operation() is None
            clock.advance(1)
            values.append(value)
        return values

    assert clock.run(main()) == [0, 1, 2]
    assert tree_text(records) == "anumbers 3000ms\n  n0 0ms\n  n1 1000ms\n  n2 1000ms\n"
    assert (records[0].outcome, records[0].running_ns) == ("ok", 0)


def test_an_asend_accumulator(records):
    """What is sent arrives, what is thrown too."""

    @timed(operation="sum")
    async def accumulate():
        total = 0
        while True:
            try:
                total += yield total
            except KeyError:
                total = -1

    async def main():
        generator = accumulate()
        results = [await generator.asend(None), await generator.asend(5), await generator.asend(7)]
        results.append(await generator.athrow(KeyError("reset")))
        await generator.aclose()
        await generator.aclose()
        with pytest.raises(StopAsyncIteration):
            await generator.asend(1)
        return results

    assert asyncio.run(main()) == [0, 5, 12, -1]
    assert [(r.name, r.outcome) for r in records] == [("sum", "closed")]


def test_an_async_generator_that_fails_or_is_cancelled(records):
    """The outcome is the exception's."""

    @timed(operation="fails")
    async def fails():
        yield 1
        raise ValueError("no")

    @timed(operation="waits")
    async def waits():
        yield 1
        await asyncio.sleep(100)

    async def read(generator):
        async for _ in generator:
            pass

    async def main():
        with pytest.raises(ValueError, match="no"):
            await read(fails())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(read(waits()), 0.01)

    FakeClock().run(main())
    assert [(r.name, r.outcome) for r in records] == [("fails", "error"), ("waits", "cancelled")]


@pytest.mark.parametrize("how", ["aclose", "break", "aclosing", "never started"])
def test_an_async_generator_left_early_is_closed_once(records, how):
    """And its own clean-up runs."""
    cleaned = []

    @timed(operation="f")
    async def f():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    async def main():
        generator = f()
        if how == "never started":
            await generator.aclose()
            return
        if how == "aclosing":
            async with contextlib.aclosing(generator):
                await anext(generator)
        else:
            async for _ in generator:
                break
        if how == "aclose":
            await generator.aclose()
        del generator
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(main())
    assert [r.outcome for r in records] == ([] if how == "never started" else ["closed"])
    assert cleaned == ([] if how == "never started" else [True])


def test_an_async_context_manager_over_a_timed_async_generator(records):
    """The body's operations are not below it: it is not current there."""

    @contextlib.asynccontextmanager
    @timed(operation="acm")
    async def acm():
        checkpoint("enter")
        yield 5
        checkpoint("leave")

    async def main():
        async with acm() as value:
            assert value == 5
            with operation("body"):
                await asyncio.sleep(0)

    asyncio.run(main())
    assert [(r.name, r.parent_id, [m[0] for m in r.checkpoints]) for r in records] == [
        ("body", None, []), ("acm", None, ["enter", "leave"]),
    ]  # fmt: skip


def test_two_readers_in_two_tasks_keep_their_operations_apart(records):
    """Steps of one run between steps of the other."""

    async def read(n):
        async with contextlib.aclosing(anumbers(n)) as generator:
            return [value async for value in generator]

    async def main():
        return await asyncio.gather(read(3), read(4))

    assert asyncio.run(main()) == [[0, 1, 2], [0, 1, 2, 3]]
    assert [(r.key, len(r.checkpoints)) for r in records] == [("3", 3), ("4", 4)]


def test_a_coroutine_of_types_coroutine_can_be_awaited(records):
    """The old way of writing one."""

    @timed(operation="old")
    @types.coroutine
    def old():
        yield
        return 3

    async def main():
        return await old()

    assert asyncio.run(main()) == 3
    assert [r.outcome for r in records] == ["ok"]
