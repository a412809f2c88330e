"""What strangers' code does with timed functions and handles: nothing of theirs changes, nothing of ours raises."""

import asyncio
import contextlib
import contextvars
import copy
import functools
import gc
import os
import pickle
import sys
import types
import weakref
from collections import abc

import pytest
import trio

import perftrace
from perftrace import bind, checkpoint, current_operation, get_performance_monitor, operation, timed
from perftrace.core.events import Link
from perftrace.core.tracer import current

VARIABLE = contextvars.ContextVar("variable", default="default")


@types.coroutine
def pause():
    yield


def test_the_clean_up_of_a_generator_that_is_left_runs_where_it_is_left(records):
    """A `for` that breaks: its `finally` resets its own context variable."""

    @timed
    def pages():
        token = VARIABLE.set("inside")
        try:
            yield 1
        finally:
            VARIABLE.reset(token)

    for _ in pages():
        break
    assert VARIABLE.get() == "default"
    assert [record.outcome for record in records] == ["closed"]


def test_methods_that_python_makes_class_or_static_methods_stay_so(records):
    class Base:
        seen = []

        @timed
        def __init_subclass__(cls, **options):
            cls.seen.append(cls.__name__)

        @timed
        def __class_getitem__(cls, key):
            return cls, key

        @timed
        def __new__(cls, *args):
            return super().__new__(cls)

    class Derived(Base):
        pass

    assert Base.seen == ["Derived"]
    assert Base.__class_getitem__(3) == Base[3] == (Base, 3)  # type: ignore[misc]
    assert type(Base.__new__(Base)) is Base
    assert isinstance(Derived(), Base)
    assert len(records) == 5


class Closing:
    """A descriptor whose `__get__` gives a closure that names no parameter."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return self.function(*args)

    def __get__(self, instance, owner=None):
        return self if instance is None else lambda *args: self.function(instance, *args)


class Reading(Closing):
    def __get__(self, instance, owner=None):
        return self if instance is None else self.function(instance)


def test_whatever_a_descriptor_gives_is_given(records):
    """What names no parameter of it reads nothing; what cannot be called is handed through."""

    class Host:
        @timed(key="user_id", operation="method")
        @Closing
        def method(self, user_id):
            return user_id

        @timed
        @Reading
        def value(self):
            return 42

    assert (Host().method(5), Host().value) == (5, 42)
    assert [(record.name, record.key) for record in records] == [("method", None)]


@pytest.mark.parametrize("kind", ["coroutine", "generator"])
def test_a_thrown_error_is_held_by_nobody(records, kind):
    """No cycle of error, traceback and frame waits for the collector."""

    class ThrownError(Exception):
        pass

    @timed
    async def coroutine():
        await pause()

    @timed
    def generator():
        yield

    gc.collect()
    gc.disable()
    try:
        steps = coroutine() if kind == "coroutine" else generator()
        steps.send(None)
        error = ThrownError()
        watched = weakref.ref(error)
        with contextlib.suppress(ThrownError):
            steps.throw(error)
        del error, steps
        assert watched() is None
    finally:
        gc.enable()


def test_a_bound_coroutine_may_be_closed_in_another_context(records):
    async def waits():
        await pause()

    with operation("outer"):
        bound = bind(waits)
    coroutine = bound()
    contextvars.copy_context().run(coroutine.send, None)
    coroutine.close()
    assert current.get() is None


def test_a_timer_that_has_not_begun_ends_without_a_word(records):
    get_performance_monitor().timer("never").end()
    assert records == []


def test_attributes_may_have_any_name(records):
    """`self` among them, as a `**data` may hold it."""
    with operation("a") as handle:
        perftrace.annotate(**{"self": 1})
        handle.annotate(**{"cls": 2})
        checkpoint("x", **{"self": 3})
        handle.checkpoint("y", **{"self": 4})
    (record,) = records
    assert dict(record.attributes) == {"self": 1, "cls": 2}
    assert [dict(one.attributes) for one in record.checkpoints] == [{"self": 3}, {"self": 4}]


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, GeneratorExit])
def test_no_exception_of_what_is_read_from_a_call_reaches_the_caller(records, error):
    """Key, texts, attributes, `enabled`: whatever kind it is of."""

    class Hostile:
        @property
        def id(self):
            raise error

        def __format__(self, spec):
            raise error

    def refuses():
        raise error

    @timed(operation="f", key="user.id", capture=["user.id"], description="{user}")
    def function(user):
        return 1

    assert function(Hostile()) == 1
    assert timed(enabled=refuses)(lambda: 2)() == 2
    (record,) = records
    assert (record.key, dict(record.attributes), record.description) == (None, {}, "{user}")


def test_copies_are_refused_or_the_thing_itself(records):
    @timed
    def generator():
        yield

    with pytest.raises(TypeError, match="cannot pickle 'generator' object"):
        copy.copy(generator())
    with operation("a", parent=Link("a" * 32, "b" * 16)) as handle:
        assert copy.deepcopy({"handle": handle})["handle"] is handle
        with pytest.raises(TypeError, match=r"inject\(\)"):
            pickle.dumps(handle)
    (record,) = records
    again = pickle.loads(pickle.dumps(record))
    assert copy.deepcopy(record) is record
    assert (again, again.is_local_root) == (record, True)


@pytest.mark.parametrize("seconds", [1e305, 10**400])
def test_a_time_beyond_all_bounds_is_the_longest_there_is(records, seconds):
    with operation("a", queued=seconds, slow=seconds):
        pass
    assert records[0].duration_ns == 9 * 10**18


def test_attributes_that_are_no_mapping_are_a_type_error():
    for make in (timed, functools.partial(operation, "a")):
        with pytest.raises(TypeError, match="attributes must be a mapping, not list"):
            make(attributes=[1])


@pytest.mark.parametrize(("enabled", "count"), [(0, 0), (None, 0), ("", 0), (1, 1), (True, 1)])
def test_enabled_is_read_as_truth(records, enabled, count):
    timed(enabled=enabled)(lambda: None)()
    with operation("a", enabled=enabled):
        pass
    assert len(records) == 2 * count


def test_what_is_refused_does_not_end_the_operation(records):
    """A value sent to what has not begun, a step while it runs."""

    @timed(operation="begun wrongly")
    def generator():
        checkpoint("a")
        yield 1

    steps = generator()
    with pytest.raises(TypeError, match="just-started"):
        steps.send(5)
    assert list(steps) == [1]

    @timed(operation="steps itself")
    def reentrant():
        with pytest.raises(ValueError, match="already executing"):
            next(own)
        checkpoint("b")
        yield 2

    own = reentrant()
    assert list(own) == [2]
    assert [(r.name, r.outcome, [c.name for c in r.checkpoints]) for r in records] == [
        ("begun wrongly", "ok", ["a"]),
        ("steps itself", "ok", ["b"]),
    ]


def test_a_block_in_a_generator_that_is_stepped_in_many_contexts_gives_the_generator_back(records):
    """As `asyncio.to_thread(next, generator)` does."""

    @timed(operation="stream")
    def stream():
        with operation("query"):
            yield 1
        checkpoint("after")
        yield 2

    steps = stream()
    for _ in range(3):
        contextvars.copy_context().run(next, steps, None)
    assert [(r.name, [c.name for c in r.checkpoints]) for r in records] == [("query", []), ("stream", ["after"])]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_shares_the_ids_of_the_current_operation():
    """A parent that is named across it is the one that is reported."""
    with operation("batch"):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert current.get().ids is not None  # drawn before the fork, so both have the same
        os.close(read)
        os.close(write)
    assert current_operation() is None


@timed
async def nothing(value=None):
    """Suspend once."""
    await asyncio.sleep(0)
    return value


@pytest.mark.parametrize("kind", [abc.Iterable, abc.Iterator, abc.Generator])
def test_a_timed_coroutine_is_no_iterator(records, kind):
    """As a coroutine is none: what asks before it iterates is not misled."""
    coroutine = nothing()
    assert not isinstance(coroutine, kind)
    assert isinstance(coroutine, abc.Coroutine)
    assert isinstance(coroutine, types.CoroutineType)
    assert asyncio.iscoroutine(coroutine)
    for steps in (iter, next, list):
        with pytest.raises(TypeError):
            steps(coroutine)
    coroutine.close()


def test_what_await_steps_can_be_stepped_by_hand(records):
    """As by an `__await__` of one's own."""

    class Wrapped:
        def __await__(self):
            return (yield from nothing(5).__await__())

    async def main():
        return await Wrapped(), await nothing(6)

    assert asyncio.run(main()) == (5, 6)
    coroutine = nothing(7)
    assert coroutine.send(None) is None
    with pytest.raises(StopIteration) as caught:
        coroutine.send(None)
    assert caught.value.value == 7
    assert [record.outcome for record in records] == ["ok"] * 3


def test_a_generator_that_can_be_awaited_stays_a_generator(records):
    """As `types.coroutine` makes it."""

    @timed
    @types.coroutine
    def steps():
        yield
        return 5

    async def main():
        return await steps()

    assert isinstance(steps(), types.GeneratorType)
    assert list(steps()) == [None]
    assert asyncio.run(main()) == 5
    assert len(records) == 2


def test_a_second_awaiter_gets_pythons_own_message(records):
    """The first one is not disturbed."""

    async def main(function):
        coroutine = function()

        async def wait():
            return await coroutine

        return await asyncio.gather(wait(), wait(), return_exceptions=True)

    for function in (nothing, nothing.__wrapped__):
        first, second = asyncio.run(main(function))
        assert first is None
        assert str(second) == "coroutine is being awaited already"
    assert [record.outcome for record in records] == ["ok"]


def test_a_timed_coroutine_can_be_renamed(records):
    """As a plain one, by `__name__` and `__qualname__`; nothing else can be set."""
    coroutine = nothing()
    assert (coroutine.__name__, coroutine.__qualname__) == ("nothing", "nothing")
    coroutine.__name__, coroutine.__qualname__ = "job", "jobs.job"
    assert (coroutine.__name__, coroutine.__qualname__) == ("job", "jobs.job")
    assert "coroutine object jobs.job at" in repr(coroutine)
    with pytest.raises(AttributeError):
        coroutine.anything = 1
    with pytest.raises(TypeError):
        coroutine.__name__ = 5
    coroutine.close()


def numbers_of(cleaned):
    @timed(operation="numbers")
    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            cleaned.append(current_operation().name)

    return numbers


@pytest.mark.parametrize("step", ["anext", "asend"])
def test_an_async_generator_that_the_loop_closes_when_it_ends_is_recorded_then(records, step):
    """Though somebody still holds it."""
    cleaned, held = [], []

    async def main():
        held.append(numbers_of(cleaned)())
        assert await (held[0].__anext__() if step == "anext" else held[0].asend(None)) == 1

    hooks = sys.get_asyncgen_hooks()
    asyncio.run(main())
    assert [(record.name, record.outcome) for record in records] == [("numbers", "closed")]
    assert cleaned == ["numbers"]
    assert sys.get_asyncgen_hooks() == hooks


def test_async_generators_are_closed_by_trio_too(records):
    """Which has hooks of its own."""
    held, cleaned = [], []

    @timed(operation="numbers")
    async def numbers():
        try:
            yield 1
        finally:
            cleaned.append(current_operation().name)

    async def main():
        held.append(numbers())
        assert await held[0].__anext__() == 1

    trio.run(main)
    assert cleaned == ["numbers"]
    assert [(record.name, record.outcome) for record in records] == [("numbers", "closed")]
