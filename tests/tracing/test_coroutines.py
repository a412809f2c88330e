"""Timed coroutines: what they give, take and return is what the body does."""

import asyncio
import contextlib
import gc
import textwrap
import traceback
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace import checkpoint, current_operation, timed
from perftrace.testing import capture

VALUES = [
    "",
    "None",
    "0",
    "x",
    "None if x else 1",
    "x and None",
    "(None)",
    "[None]",
    "await pause(None)",
    "await pause(x)",
]
SIMPLE = st.sampled_from(
    [f"return {value}" for value in VALUES]
    + ["pass", "await pause(x)", "raise KeyError(x)", "log.append('a')", "checkpoint('m')", "x -= 1", "x = None"]
)


def _indented(lines):
    return textwrap.indent("\n".join(lines), "    ")


def _compound(children):
    bodies = st.lists(children, min_size=1, max_size=3).map(_indented)
    return st.one_of(
        st.builds("if x:\n{}\nelse:\n{}".format, bodies, bodies),
        st.builds("try:\n{}\nexcept KeyError:\n{}\nfinally:\n    log.append('f')".format, bodies, bodies),
        st.builds("try:\n{}\nfinally:\n{}".format, bodies, bodies),
        st.builds("for i in range(2):\n{}\nelse:\n{}".format, bodies, bodies),
        st.builds("async with pausing():\n{}".format, bodies),
        st.builds("match x:\n    case 1:\n{}\n    case _:\n        pass".format, bodies.map(lambda b: _indented([b]))),
    )


PROGRAMS = st.lists(st.recursive(SIMPLE, _compound, max_leaves=8), min_size=1, max_size=4)


class Pausing:
    async def __aenter__(self):
        await asyncio.sleep(0)

    async def __aexit__(self, *error):
        await asyncio.sleep(0)


async def pause(value):
    await asyncio.sleep(0)
    return value


@timed(operation="known")
def become_known():
    """Be an operation of a task, and not the first of the loop, for that only looks for the task."""


def _outcome(function, argument, log):
    async def main():
        become_known()
        return await function(argument)

    log.clear()
    try:
        result = asyncio.run(main())
    except (KeyError, TypeError, UnboundLocalError) as error:
        result = type(error), str(error)
    return result, list(log)


@given(PROGRAMS, st.sampled_from([0, 1, 2]))
def test_whatever_a_coroutine_returns_comes_out(lines, argument):
    """Programs drawn at random, compared with themselves undecorated."""
    log = []
    names = {"pause": pause, "pausing": Pausing, "log": log, "checkpoint": checkpoint}
    exec("async def f(x):\n" + _indented(lines), names)  # written above
    with capture() as records:
        assert _outcome(timed(names["f"]), argument, log) == _outcome(names["f"], argument, log)
    assert [record.name for record in records] == ["known", "f", "known"]


def test_other_code_put_into_the_function_returns_what_it_returns(records):
    """As consoles do that reload what was edited."""

    async def before():
        checkpoint("before")

    async def after():
        checkpoint("after")
        return 42

    function = timed(before)

    async def main():
        become_known()
        assert await function() is None
        function.__wrapped__.__code__ = after.__code__
        return await function()

    assert asyncio.run(main()) == 42
    assert [[mark.name for mark in record.checkpoints] for record in records] == [[], ["before"], ["after"]]


class Giving:
    """Gives a value at its suspension, and what is sent there as its result."""

    def __init__(self, value):
        self.value = value

    def __await__(self):
        return (yield self.value)


@timed(operation="pauses")
async def pauses(log):
    log.append("begun")
    try:
        log.append(await Giving("first"))
        log.append(await Giving("second"))
    finally:
        log.append(current_operation().name)


def test_by_hand_it_begins_with_the_first_step(records):
    log = []
    steps = pauses(log).__await__()
    assert log == []
    assert [next(steps), steps.send(1), log] == ["first", "second", ["begun", 1]]
    with pytest.raises(StopIteration):
        steps.send(2)
    assert log == ["begun", 1, 2, "pauses"]
    assert (records[0].outcome, records[0].steps) == ("ok", 3)


@pytest.mark.parametrize(
    ("leave", "outcome"),
    [(lambda steps: steps.throw(KeyError("x")), "error"), (lambda steps: steps.close(), "closed"), (None, "closed")],
    ids=["throw", "close", "forget"],
)
def test_what_was_begun_can_be_left(records, leave, outcome):
    log = []
    steps = pauses(log)
    steps.send(None)
    if leave is None:
        del steps
        gc.collect()
    else:
        with contextlib.suppress(KeyError):
            leave(steps)
        with pytest.raises(RuntimeError, match="cannot reuse"):
            steps.send(None)
    assert log == ["begun", "pauses"]
    assert [record.outcome for record in records] == [outcome]


def test_what_it_gave_is_not_kept(records):
    class Fresh:
        def __await__(self):
            yield Fresh()

    @timed(operation="gives")
    async def gives():
        await Fresh()

    steps = gives()
    given = weakref.ref(next(steps.__await__()))
    gc.collect()
    assert given() is None
    with contextlib.suppress(StopIteration):
        steps.send(None)


def test_what_has_ended_can_be_stepped_like_any_that_has(records):
    @timed(operation="ends")
    async def ends():
        checkpoint("here")

    async def main():
        steps = ends()
        await steps
        steps.close()
        with pytest.raises(RuntimeError, match="cannot reuse"):
            steps.send(None)
        with pytest.raises(RuntimeError, match="cannot reuse"):
            steps.throw(KeyError("x"))

    asyncio.run(main())
    assert [(record.name, record.outcome) for record in records] == [("ends", "ok")]
    assert records[0].task.startswith("Task-")


def test_an_awaited_coroutine_shows_where_it_stands(records):
    """The chain that debuggers go along, from a task to where it waits."""

    async def outer():
        await inner()

    @timed(operation="inner")
    async def inner():
        await asyncio.sleep(3600)

    async def main():
        task = asyncio.create_task(timed(outer)())
        await asyncio.sleep(0)
        names, coroutine = [], task.get_coro()
        while hasattr(coroutine, "cr_frame"):
            names.append(coroutine.cr_frame.f_code.co_name)
            coroutine = coroutine.cr_await
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return names

    assert asyncio.run(main()) == ["outer", "inner", "sleep"]
    assert [record.outcome for record in records] == ["cancelled", "cancelled"]


def test_a_failure_in_the_first_step_comes_with_its_own_frames(records):
    @timed(operation="fails")
    async def fails():
        raise KeyError("x")

    async def main():
        become_known()
        await fails()

    with pytest.raises(KeyError) as caught:
        asyncio.run(main())
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-3:] == ["main", "send", "fails"]
    assert [record.error_type for record in records] == [None, "KeyError"]
