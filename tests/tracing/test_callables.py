"""`timed` on whatever else can be called, and what it reads from a call."""

import abc
import asyncio
import copy
import functools
import gc
import inspect
import pickle
import weakref

import pytest

import perftrace
from perftrace import checkpoint, checkpointed, operation, timed
from perftrace.testing import tree_text


def add(a, b=0):
    return a + b


async def add_later(a, b=0):
    await asyncio.sleep(0)
    return a + b


class Adder:
    def __call__(self, a, b=0):
        return a + b


class LaterAdder:
    async def __call__(self, a, b=0):
        await asyncio.sleep(0)
        return a + b


@pytest.mark.parametrize(
    ("callable_", "name"),
    [
        (add, "add"),
        (functools.partial(add, b=1), "add"),
        (functools.partial(functools.partial(add), b=1), "add"),
        (Adder(), "Adder"),
        (Adder().__call__, "Adder.__call__"),
        (lambda a, b=0: a + b, "<lambda>"),
        (add_later, "add_later"),
        (functools.partial(add_later, b=1), "add_later"),
        (LaterAdder(), "LaterAdder"),
        (LaterAdder().__call__, "LaterAdder.__call__"),
        (sum, "sum"),
        (operator_call := len, "len"),
    ],
)
def test_every_callable_is_timed_whole(records, callable_, name):
    """A coroutine's time is that of its run, not of its making."""
    argument = [1] if callable_ in (sum, len) else 1
    result = timed(callable_)(argument)
    if inspect.isawaitable(result):
        result = asyncio.run(result)
    assert result in (1, 2)
    assert [(r.name, r.outcome) for r in records] == [(name, "ok")]


def test_a_callable_object_in_a_class_body_does_not_bind(records):
    """As undecorated: it has no `__get__`."""

    class Holder:
        add = timed(Adder())

    assert Holder().add(1, 2) == 3
    assert Holder.add(1, 2) == 3


def test_decorated_many_times_is_no_deeper(records):
    """Functions, bound methods and partials; the newest options win."""

    class Shop:
        @timed
        def buy(self):
            return "bought"

    function = add
    for n in range(2000):
        function = timed(operation=f"add{n}")(function)
    assert function(1, 2) == 3
    assert timed(operation="bound")(Shop().buy)() == "bought"
    assert timed(operation="partial")(functools.partial(function, 1))(2) == 3
    assert [r.name for r in records] == ["add1999", "bound", "partial"]


def test_properties_on_either_side(records):
    """The setter stays."""

    class Shop:
        _open = False

        @property
        @timed(operation="inside")
        def inside(self):
            return self._open

        @timed(operation="outside")
        @property
        def outside(self):
            return self._open

        @outside.setter
        def outside(self, value):
            self._open = value

    shop = Shop()
    shop.outside = True
    assert (shop.inside, shop.outside) == (True, True)
    assert [r.name for r in records] == ["inside", "outside"]


def test_abstract_methods_stay_abstract(records):
    """On either side."""

    class Base(abc.ABC):
        @timed
        @abc.abstractmethod
        def outside(self): ...

        @abc.abstractmethod
        @timed
        def inside(self): ...

    assert Base.__abstractmethods__ == {"outside", "inside"}
    with pytest.raises(TypeError, match="abstract"):
        Base()


def test_single_dispatch(records):
    """A timed generic function registers, and timed implementations are found by their annotations."""

    @timed(operation="show")
    @functools.singledispatch
    def show(value):
        return "any"

    @show.register
    @timed(operation="show_int")
    def _(value: int):
        return "int"

    assert [show("x"), show(1)] == ["any", "int"]
    assert tree_text(records) == "show 0ms\nshow 0ms\n  show_int 0ms\n"


def test_classes_with_slots_and_inheritance(records):
    """`super()` works as always."""

    class Base:
        __slots__ = ()

        @timed(operation="base")
        def get(self):
            return 1

    class Derived(Base):
        __slots__ = ()

        @timed(operation="derived")
        def get(self):
            return super().get() + 1

    assert Derived().get() == 2
    assert tree_text(records) == "derived 0ms\n  base 0ms\n"


def test_equality_hash_and_attributes_are_the_functions(records):
    """It can be found in a set, marked, and its marks read."""
    decorated = timed(add)
    decorated.mark = 5
    try:
        assert add.mark == 5
    finally:
        del add.mark
    assert decorated == add
    assert hash(decorated) == hash(add)
    assert decorated.__wrapped__ is add
    assert decorated.__globals__ is add.__globals__
    assert copy.copy(decorated) is decorated
    assert decorated(b=1, a=2) == 3


def test_keyword_arguments_may_have_any_name(records):
    """`self`, `function`, `operation`."""

    @timed
    def f(**kwargs):
        return kwargs

    assert f(self=1, function=2, operation=3) == {"self": 1, "function": 2, "operation": 3}


def test_capture_keeps_what_calls_are_about(records):
    """Parameters, dotted paths, callables; what a call does not have is left out."""

    class User:
        id = 5

    def size(user, items):
        return len(items)

    @timed(operation="f", capture=["user.id", "user.name", "items", size, lambda user, items: items[0]])
    def f(user, items):
        pass

    f(User, [7, 8])
    f(User, items=3)
    assert records[0].attributes == {"id": 5, "items": "[7, 8]", "size": 2, "captured_5": 7}
    assert records[1].attributes == {"id": 5, "items": 3}


@pytest.mark.parametrize(
    ("capture", "error"), [("user", TypeError), (["nobody"], ValueError), ([5], TypeError), (5, TypeError)]
)
def test_a_mistake_in_capture_is_told_at_decoration(capture, error):
    """A bare text above all."""
    with pytest.raises(error, match="capture"):
        timed(operation="f", capture=capture)(lambda user: None)


def test_detached_work_begins_its_own_trace_with_a_link(records):
    """To whoever started it; without one it is a plain root."""

    @timed(operation="poll", detached=True)
    def poll():
        checkpoint("x")

    with operation("start") as start:
        poll()
        with operation("block", detached=True):
            pass
    poll()
    linked, block, _, alone = records
    assert (linked.parent_id, linked.trace_id != start.trace_id) == (None, True)
    assert (linked.link.trace_id, linked.link.span_id) == (start.trace_id, start.span_id)
    assert block.link == linked.link
    assert alone.link is None


def test_a_failure_that_is_caught_and_answered(records):
    """`handle.fail` gives the outcome without an exception; a real exception wins."""
    with operation("answered") as handle:
        handle.fail("card refused")
    with pytest.raises(ValueError, match="x"), operation("raised") as handle:
        handle.fail("card refused")
        raise ValueError("x")
    assert [(r.outcome, r.error_type, r.error) for r in records] == [
        ("error", None, "card refused"), ("error", "ValueError", "x"),
    ]  # fmt: skip


@checkpointed("looked_up", "look up")
def look_up(a, *, b=1):
    """Look up."""
    return a, b


@checkpointed("fetched")
async def fetch(a):
    await asyncio.sleep(0)
    if a is None:
        raise ValueError("none")
    return a


def test_checkpointed_helpers_mark_the_current_operation(records):
    """When they return; one that raises marks nothing."""

    class Shop:
        @checkpointed("method")
        def method(self):
            return 1

        @checkpointed("static")
        @staticmethod
        def static():
            return 2

    async def main():
        with operation("f"):
            assert (look_up(1, b=2), await fetch(3), Shop().method(), Shop.static()) == ((1, 2), 3, 1, 2)
            with pytest.raises(ValueError, match="none"):
                await fetch(None)

    asyncio.run(main())
    assert [m[0] for m in records[0].checkpoints] == ["looked_up", "fetched", "method", "static"]
    assert records[0].checkpoints[0][1] == "look up"
    assert str(inspect.signature(look_up)) == "(a, *, b=1)"
    assert look_up.__doc__ == "Look up."
    assert inspect.iscoroutinefunction(fetch)
    assert look_up(1) == (1, 1)


def _generator():
    yield


@pytest.mark.parametrize("thing", [_generator, Adder, Adder(), 5])
def test_checkpointed_takes_functions_alone(thing):
    """Nothing else returns once."""
    with pytest.raises(TypeError, match="checkpointed"):
        checkpointed("x")(thing)


def test_a_partial_method_is_timed_on_either_side(records):
    """Each call with its instance; the key is read past the bound argument; a coroutine stays one."""

    class Bot:
        def reply(self, kind, user):
            return kind, user

        async def fetch(self, kind, user):
            return kind, user

        outside = timed(operation="outside", key="user")(functools.partialmethod(reply, "text"))
        inside = functools.partialmethod(timed(operation="inside", key="user")(reply), "text")
        later = timed(functools.partialmethod(fetch, kind="photo"))

    bot = Bot()
    assert bot.outside(7) == bot.inside(7) == ("text", 7)
    assert asyncio.run(bot.later(user=8)) == ("photo", 8)
    assert [(r.name, r.key) for r in records] == [
        ("outside", "7"),
        ("inside", "7"),
        (Bot.__qualname__ + ".fetch", None),
    ]


def test_a_decorator_between_two_timed_keeps_working(records):
    """Where `functools.wraps` stands above `timed` and assigns `__wrapped__`."""

    def admins_only(handler):
        @functools.wraps(handler)
        @timed
        async def check(user):
            return await handler(user) if user == "admin" else "refused"

        return check

    @timed(operation="delete")
    @admins_only
    async def delete(user):
        return "deleted"

    assert [asyncio.run(delete(user)) for user in ("guest", "admin")] == ["refused", "deleted"]
    assert [record.name for record in records] == ["delete", "delete"]


def test_what_a_function_is_taken_for_stays_true_below_functools_wraps(records):
    """A coroutine function around a plain one; who unwraps finds what was assigned."""

    def in_thread(function):
        @functools.wraps(function)
        @timed
        async def wrapper(*args):
            return await asyncio.to_thread(function, *args)

        return wrapper

    wrapped = in_thread(add)
    assert inspect.iscoroutinefunction(wrapped)
    assert inspect.unwrap(wrapped) is add
    assert list(inspect.signature(wrapped).parameters) == ["a", "b"]
    assert asyncio.run(wrapped(1, 2)) == 3
    assert len(records) == 1


class Bound:
    """A descriptor that binds in its own way, as caches of methods do."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *_):
        raise TypeError("call it on an instance")

    def __get__(self, instance, owner=None):
        return functools.partial(self.function, instance)


def test_a_descriptor_below_timed_binds_by_itself(records):
    """Coroutine functions too; the key and what is captured are those of the bound call."""

    class Repo:
        @timed(operation="user", key="uid", capture=["lang"], description="user {uid}")
        @Bound
        def user(self, uid, lang="en"):
            return uid, lang

        @timed(operation="later", key="uid")
        @Bound
        async def later(self, uid):
            return uid

        @timed(operation="cached", key="uid")
        @functools.lru_cache
        def cached(self, uid):
            return uid

    repo = Repo()
    assert repo.user(1, lang="zh") == (1, "zh")
    assert asyncio.run(repo.later(2)) == 2
    assert (repo.cached(3), repo.cached.cache_info().misses) == (3, 1)
    assert [(r.name, r.key, dict(r.attributes)) for r in records] == [
        ("user", "1", {"lang": "zh"}),
        ("later", "2", {}),
        ("cached", "3", {}),
    ]
    assert records[0].description == "user 1"


@pytest.mark.skipif(not hasattr(inspect, "markcoroutinefunction"), reason="from Python 3.12 on")
def test_what_only_looks_like_a_coroutine_function_is_handed_through(records):
    """Untimed: there is nothing to step."""
    marked = inspect.markcoroutinefunction(lambda value: value)
    assert inspect.iscoroutinefunction(timed(marked))
    assert timed(marked)(5) == 5
    assert records == []


def test_a_plain_function_that_returns_a_coroutine_is_its_call(records):
    """The coroutine itself is the caller's."""

    @timed(operation="makes")
    def makes():
        return add_later(1, 2)

    assert asyncio.run(makes()) == 3
    assert [(record.name, record.steps) for record in records] == [("makes", 1)]


def test_attributes_that_each_call_is_kept_with(records):
    """Beside what is captured, which counts where both have a name; and nobody can change them for others."""

    @timed(operation="resize", attributes={"team": "photo", "size": 1}, capture=["size"])
    def resize(size):
        perftrace.annotate(extra=True)

    @timed(operation="plain", attributes={"team": "photo"})
    def plain():
        return None

    resize(5)
    plain()
    assert [dict(record.attributes) for record in records] == [
        {"team": "photo", "size": 5, "extra": True},
        {"team": "photo"},
    ]
    with pytest.raises(TypeError):
        records[1].attributes["team"] = "other"
    assert pickle.loads(pickle.dumps(records[1])) == records[1]


@pytest.mark.parametrize("kind", [functools.cached_property, functools.singledispatchmethod])
def test_timed_above_what_it_cannot_time_names_the_cure(kind):
    with pytest.raises(TypeError, match=f"put @timed below @{kind.__name__}"):
        timed(kind(lambda self: 1))


def test_a_block_used_as_a_decorator_names_the_cure():
    with pytest.raises(TypeError, match=r"write `with operation\('job'\):`, or decorate with @timed\('job'\)"):
        operation("job")(lambda: None)


def test_what_was_decorated_goes_when_nobody_holds_it():
    """At once: no cycle waits for the collector."""

    class Token:
        def __call__(self, *args):
            return "key"

    token = Token()

    @timed(key=token, capture=[token])
    def function():
        return None

    function()
    watched = weakref.ref(token)
    gc.disable()
    try:
        del function, token
        assert watched() is None
    finally:
        gc.enable()


def test_partials_and_callable_objects_can_be_pickled(records):
    """As undecorated, with their options."""
    for function in (timed(operation="part", key="a")(functools.partial(add, b=1)), timed(operation="obj")(Adder())):
        again = pickle.loads(pickle.dumps(function))
        assert again(2, b=1) == 3
    assert [(record.name, record.key) for record in records] == [("part", "2"), ("obj", None)]


def test_its_repr_names_the_function():
    assert repr(timed(add)).startswith("<timed <function add at ")


def test_the_end_of_an_iteration_is_no_failure(records):
    class Pages:
        left = 1

        def __iter__(self):
            return self

        def __aiter__(self):
            return self

        @timed(operation="next")
        def __next__(self):
            self.left -= 1
            if self.left < 0:
                raise StopIteration
            return self.left

        @timed(operation="anext")
        async def __anext__(self):
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return self.left

    async def main():
        return [page async for page in Pages()]

    assert list(Pages()) == asyncio.run(main()) == [0]
    assert [(record.name, record.outcome) for record in records] == [("next", "ok")] * 2 + [("anext", "ok")] * 2
