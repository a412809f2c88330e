"""`timed` and `operation` from outside."""

import asyncio
import contextlib
import copy
import gc
import inspect
import pickle
import threading
import traceback
import weakref

import pytest

import perftrace
from perftrace import checkpoint, current_operation, operation, timed
from perftrace.core.tracer import current
from perftrace.testing import tree_text


class Shop:
    """Every kind of method, decorated on either side."""

    @timed(operation="method", key="x")
    def method(self, x):
        return self, x

    @timed(operation="async_method", key="x")
    async def async_method(self, x):
        await asyncio.sleep(0)
        return self, x

    @timed(operation="class_outside", key="x")
    @classmethod
    def class_outside(cls, x):
        return cls, x

    @classmethod
    @timed(operation="class_inside", key="x")
    def class_inside(cls, x):
        return cls, x

    @timed(operation="static_outside", key="x")
    @staticmethod
    def static_outside(x):
        return None, x

    @staticmethod
    @timed(operation="static_inside", key="x")
    def static_inside(x):
        return None, x

    @staticmethod
    @timed(operation="async_static", key="x")
    async def async_static(x):
        return None, x

    @classmethod
    @timed(operation="async_class", key="x")
    async def async_class(cls, x):
        return cls, x


METHODS = [name for name in vars(Shop) if not name.startswith("__")]


@pytest.mark.parametrize("through", ["instance", "class", "subclass instance"])
@pytest.mark.parametrize("name", METHODS)
def test_methods_of_every_kind(records, name, through):
    """Called through an instance, the class and a subclass, each gets what it gets undecorated."""

    class Kiosk(Shop):
        pass

    instance = Shop() if through != "subclass instance" else Kiosk()
    holder = Shop if through == "class" else instance
    args = (instance, 7) if through == "class" and "method" in name else (7,)
    result = getattr(holder, name)(*args)
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    first = None if "static" in name else type(instance) if "class" in name else instance
    assert result == (first, 7)
    assert [(r.name, r.key, r.outcome) for r in records] == [(name, "7", "ok")]


@timed
def module_function(a, b=2, *, c: int = 3) -> int:
    """Add."""
    return a + b + c


@timed
async def module_coroutine():
    return 1


def test_a_decorated_function_looks_like_the_undecorated_one():
    """Signature, name, docstring, kind, pickling, copying."""
    assert str(inspect.signature(module_function)) == "(a, b=2, *, c: int = 3) -> int"
    assert (module_function.__name__, module_function.__doc__) == ("module_function", "Add.")
    assert inspect.isfunction(module_function)
    assert inspect.iscoroutinefunction(module_coroutine)
    assert not inspect.iscoroutinefunction(module_function)
    assert inspect.iscoroutinefunction(Shop().async_method)
    assert copy.deepcopy(module_function) is module_function


def test_a_decorated_function_is_pickled_by_name():
    """The same object comes back, as with the undecorated one."""
    assert pickle.loads(pickle.dumps(module_function)) is module_function
    assert pickle.loads(pickle.dumps(Shop.method)) is Shop.__dict__["method"]


def test_the_name_defaults_to_the_qualified_name(records):
    """Dots stay in the id, which ends after 16 hexadecimal digits."""
    module_function(1)
    assert (records[0].name, records[0].operation_id) == ("module_function", f"module_function_{1:016x}")


def test_decorated_twice_is_one_operation_with_the_newest_options(records):
    """Not one inside the other."""
    again = timed(operation="new")(timed(operation="old")(lambda: 5))
    assert again() == 5
    assert [r.name for r in records] == ["new"]


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda f: f(7), "7"),
        (lambda f: f(user_id="a b"), "a b"),
        (lambda f: f(), "9"),
        (lambda f: f(None), None),
    ],
)
def test_the_key_is_read_however_it_is_passed(records, call, key):
    """By position, by name or as the default; None is no key."""

    @timed(operation="f", key="user_id", description="user {user_id}", done="{user_id!r} done")
    def f(user_id=9):
        return user_id

    value = call(f)
    assert (records[0].key, records[0].key_name) == (key, "user_id")
    assert (records[0].description, records[0].done) == (f"user {value}", f"{value!r} done")


def test_keys_of_every_kind_of_parameter_and_dotted_and_computed(records):
    """Keyword-only, `*args`, `**kwargs`, attributes of a parameter, a callable."""

    class User:
        id = 5

    for key, expected in [
        ("c", "3"), ("rest", "(2,)"), ("more", "{'d': 4}"), ("user.id", "5"), (lambda user, *r, **k: k["d"], "4"),
        ("user.nothing", None),
    ]:  # fmt: skip
        timed(operation="f", key=key)(lambda user, *rest, c=None, **more: None)(User, 2, c=3, d=4)
        assert records[-1].key == expected
    assert [r.key_name for r in records] == ["c", "rest", "more", "id", "key", "nothing"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"key": "nobody"}, ValueError, "user_id"),
        ({"description": "{nobody}"}, ValueError, "user_id"),
        ({"description": "{}"}, ValueError, "user_id"),
        ({"description": "{"}, ValueError, "{{"),
        ({"done": "{nobody.x}"}, ValueError, "user_id"),
        ({"operation": ""}, TypeError, "text"),
        ({"operation": 5}, TypeError, "text"),
        ({"key": 5}, TypeError, "key"),
        ({"slow": "1"}, TypeError, "seconds"),
        ({"slow": -1}, ValueError, "seconds"),
        ({"slow": float("nan")}, ValueError, "seconds"),
    ],
)
def test_a_mistake_in_the_options_is_told_at_decoration(options, error, message):
    """With the name of what would work."""
    with pytest.raises(error, match=message):
        timed(**options)(lambda user_id: None)


@pytest.mark.parametrize("thing", [Shop, "text", 5, [], (i for i in ())])
def test_what_cannot_be_timed_is_a_type_error(thing):
    """A class above all: decorate its methods."""
    with pytest.raises(TypeError, match="timed"):
        timed(operation="x")(thing)


def test_slow_is_marked_from_its_threshold_on(records, clock):
    """In seconds."""

    @timed(slow=0.5)
    def f(seconds):
        clock.advance(seconds)

    for seconds in (0.499, 0.5):
        f(seconds)
    assert [r.slow for r in records] == [False, True]


def test_what_is_not_enabled_stays_as_it_is(records):
    """The function itself, also where it was timed before; and it can be timed again."""

    def function():
        return 1

    assert timed(enabled=False)(function) is function
    assert timed(enabled=False)(timed(function)) is function
    assert timed(operation="f")(timed(enabled=False)(function))() == 1
    assert [r.name for r in records] == ["f"]


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_enabled_is_a_constant_or_a_question_per_call(records, kind):
    """Off, the function runs as if undecorated."""
    answers = iter([True, False, 0, 1])

    def broken():
        raise RuntimeError

    for enabled in (False, broken, *[lambda: next(answers)] * 4):
        if kind == "function":
            assert timed(operation="f", enabled=enabled)(lambda: 1)() == 1
        else:
            assert asyncio.run(timed(operation="f", enabled=enabled)(module_coroutine.__wrapped__)()) == 1
    assert len(records) == 2


def test_exceptions_go_through_unchanged_and_user_frames_are_innermost(records):
    """Identity, cause, context and the order of the frames."""
    cause = KeyError("k")
    error = ValueError("no")

    @timed
    def f():
        raise error from cause

    @timed
    async def g():
        await asyncio.sleep(0)
        f()

    with pytest.raises(ValueError, match="no") as caught:
        asyncio.run(g())
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (cause, None)
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][-1] == "f"
    assert [(r.outcome, r.error_type, r.error) for r in records] == [("error", "ValueError", "no")] * 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_interrupts_are_errors_and_go_through(records, error):
    """They are the user's."""

    @timed
    def f():
        raise error

    with pytest.raises(type(error)) as caught:
        f()
    assert caught.value is error
    assert records[0].outcome == "error"


def test_argument_errors_of_a_coroutine_come_from_the_call(records):
    """As without the decorator, and no operation is made."""
    with pytest.raises(TypeError, match="positional"):
        module_coroutine(1)
    assert records == []


def test_a_cancelled_coroutine_is_cancelled_not_failed(records):
    """Whether it is cancelled from outside or by a time-out."""

    @timed(operation="f")
    async def f():
        await asyncio.sleep(100)

    async def main():
        task = asyncio.create_task(f())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert [(r.outcome, r.error_type) for r in records] == [("cancelled", None)]


def test_a_task_sees_the_operation_that_it_was_created_in(records, clock):
    """Siblings of a gather have one parent; a child that outlives it is kept."""

    @timed(operation="child")
    async def child(seconds):
        await asyncio.sleep(seconds)

    @timed(operation="parent")
    async def parent():
        late = asyncio.create_task(child(5))
        await asyncio.gather(child(1), child(2))
        checkpoint("gathered")
        return late

    async def main():
        await (await parent())

    clock.run(main())
    assert tree_text(records) == "parent 2000ms\n  child 1000ms\n  child 2000ms\n  child 5000ms\n  gathered 2000ms\n"


def test_after_an_await_an_open_block_is_current_again(records):
    """And outside the coroutine's steps nothing of it is current."""

    @timed(operation="f")
    async def f():
        with operation("block") as block:
            await asyncio.sleep(0)
            assert current_operation() is block
        checkpoint("after")

    coroutine = f()
    coroutine.send(None)
    assert current_operation() is None
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert tree_text(records) == "f 0ms\n  block 0ms\n  after 0ms\n"


def test_a_coroutine_never_started_makes_no_record_and_warns_as_always(records):
    """Closing it is quiet, dropping it is not."""
    module_coroutine().close()
    with pytest.warns(RuntimeWarning, match="module_coroutine.*never awaited"):
        module_coroutine()
        gc.collect()
    assert records == []


@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_coroutine_left_early_is_closed(records, how):
    """Once, whether by hand or by the collector."""

    @timed(operation="f")
    async def f():
        await asyncio.sleep(100)

    async def main():
        coroutine = f()
        coroutine.send(None)
        if how == "close":
            coroutine.close()
            coroutine.close()
        del coroutine
        gc.collect()

    asyncio.run(main())
    assert [r.outcome for r in records] == ["closed"]


def test_a_timed_coroutine_hands_through_what_debuggers_ask():
    """Frame, code, what it awaits, its state, its name."""

    async def main():
        coroutine = Shop().async_method(1)
        assert inspect.iscoroutine(coroutine)
        assert asyncio.iscoroutine(coroutine)
        assert inspect.getcoroutinestate(coroutine) == "CORO_CREATED"
        assert coroutine.cr_code is Shop.async_method.__code__
        assert coroutine.__qualname__ == "Shop.async_method"
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0)
        assert "Shop.async_method" in repr(task)
        await task

    asyncio.run(main())


def test_threads_see_the_operation_only_through_to_thread(records):
    """A bare thread has none; a wrong parent is never used."""

    @timed(operation="work")
    def work():
        pass

    @timed(operation="f")
    async def f():
        await asyncio.to_thread(work)
        thread = threading.Thread(target=work, name="bare")
        thread.start()
        thread.join()

    asyncio.run(f())
    inner, bare, outer = records
    assert (inner.parent_id, inner.trace_id) == (outer.span_id, outer.trace_id)
    assert (bare.parent_id, bare.thread) == (None, "bare")
    assert outer.thread == "MainThread"


def test_steps_are_measured(records, clock):
    """Running time is what its own code held the thread; waiting is not."""

    @timed(operation="inner")
    async def inner():
        clock.advance(0.003)
        await asyncio.sleep(1)
        clock.advance(0.004)

    @timed(operation="outer")
    async def outer():
        clock.advance(0.01)
        await inner()
        clock.advance(0.02)

    clock.run(outer())
    ms = 1_000_000
    first, second = records
    assert (first.running_ns, first.inner_ns, first.steps, first.longest_step_ns) == (7 * ms, 0, 2, 4 * ms)
    assert (second.running_ns, second.inner_ns, second.steps, second.longest_step_ns) == (37 * ms, 7 * ms, 2, 24 * ms)
    assert second.task == "Task-1" or second.task.startswith("Task-")


def test_what_waited_in_a_queue_begins_when_it_was_put_there(records, clock):
    """The wait is its first segment and part of its duration; one that would be negative is none."""
    for seconds in (2.5, -1, 0):
        with operation("job", queued=seconds) as handle:
            clock.advance(1)
            assert handle.elapsed == 1 + max(0, seconds)
    waited, *others = records
    assert [(c.name, c.elapsed_ns) for c in waited.checkpoints] == [("queue", 2_500_000_000)]
    assert waited.duration_ns == 3_500_000_000
    assert waited.start == others[0].start - 1_000_000_000 - 2_500_000_000
    assert [(r.checkpoints[0].elapsed_ns, r.duration_ns) for r in others] == [(0, 1_000_000_000)] * 2
    for wrong in ("1", True, float("nan")):
        with pytest.raises(TypeError, match="queued must be a number of seconds"):
            operation("job", queued=wrong)


def test_a_block_gives_its_handle(records, clock):
    """With a key and texts of its own, sync and async."""
    with operation("resize", key=7, description="resizing", done="resized", slow=1) as handle:
        clock.advance(2)
        assert (handle.name, handle.elapsed) == ("resize", 2.0)
        handle.annotate(size="large")

    async def main():
        async with operation("other") as handle:
            assert current_operation() is handle

    asyncio.run(main())
    record = records[0]
    assert (record.operation_id, record.slow, record.done) == (f"resize_7_{1:016x}", True, "resized")
    assert (record.running_ns, record.attributes) == (None, {"size": "large"})


def test_a_disabled_block_has_a_working_handle_and_tells_nobody(records):
    """What is inside belongs to what is around."""
    with operation("outer"), operation("off", enabled=False) as handle:
        assert handle.checkpoint("x") is not None
        checkpoint("mine")
    assert tree_text(records) == "outer 0ms\n  mine 0ms\n"


def test_a_block_that_closes_under_another_is_counted(records):
    """A block across a `yield` cannot be told from its consumer's code."""

    def numbers():
        with operation("across"):
            yield 1

    generator = numbers()
    next(generator)
    with operation("consumer"):
        generator.close()
    assert perftrace.stats()["misplaced"] == 1
    current.set(None)


def test_nothing_of_the_users_is_kept_alive(records):
    """Arguments and exceptions go when the call is over."""

    class BigError(Exception):
        pass

    @timed(key="thing", description="{thing}")
    def f(thing):
        raise thing

    thing = BigError("x")
    ghost = weakref.ref(thing)
    with contextlib.suppress(BigError):
        f(thing)
    del thing
    gc.collect()
    assert ghost() is None
    assert len(records) == 1
