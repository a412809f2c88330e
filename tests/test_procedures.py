"""Coroutines that can only return None: a task that awaits them runs them to their first suspension at once."""

import asyncio
import contextlib
import dis
import functools
import gc
import inspect
import textwrap
import traceback
import types
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace import checkpoint, current_operation, timed
from perftrace.decorators import _procedure
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


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("pass", True),
        ("return", True),
        ("return None", True),
        ("if x: return\n    checkpoint('a')", True),
        ("try:\n        return\n    finally:\n        checkpoint('a')", True),
        ("raise KeyError", True),
        ("return x", False),
        ("return None if x else 1", False),
        ("return x and None", False),
        ("if x: return 1", False),
        ("def g(): return 1", True),
    ],
)
def test_what_can_only_return_none_is_known_by_its_code(body, expected):
    names = {}
    exec(f"async def f(x):\n    {body}", names)  # written above
    assert (_procedure(names["f"]) is not None) is expected


def _coroutine_codes(code):
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if constant.co_flags & inspect.CO_COROUTINE:
                yield constant
            yield from _coroutine_codes(constant)


def _only_none_says_dis(code):
    before = None
    for instruction in dis.get_instructions(code):
        name, value = instruction.opname, instruction.argval
        if name.startswith("RETURN") and name != "RETURN_GENERATOR":
            is_loaded = name == "RETURN_VALUE" and before == ("LOAD_CONST", None) and not instruction.is_jump_target
            if not is_loaded and (name, value) != ("RETURN_CONST", None):
                return False
        before = name, value
    return True


def test_the_standard_library_disassembled_says_the_same():
    """Of some hundred coroutine functions, about half of each kind."""
    found = {True: 0, False: 0}
    for path in Path(asyncio.__file__).parent.glob("*.py"):
        for code in _coroutine_codes(compile(path.read_bytes(), str(path), "exec", dont_inherit=True)):
            function = types.FunctionType(code, {}, closure=tuple(types.CellType() for _ in code.co_freevars))
            expected = _only_none_says_dis(code)
            assert (_procedure(function) is code) is expected, code
            found[expected] += 1
    assert min(found.values()) > 40


def test_a_constant_whose_number_takes_two_bytes_is_not_taken_for_none():
    names = {}
    constants = "".join(f"    x = {n}\n" for n in range(1000, 1300))
    for value in range(1200, 1300):
        exec(f"async def f(x):\n{constants}    return {value}", names)  # written above
        assert _procedure(names["f"]) is None


def test_only_the_code_of_a_coroutine_function_is_asked():
    class Called:
        async def __call__(self):
            """Do nothing."""

    async def generator():
        yield

    assert [_procedure(f) for f in (lambda: None, generator, Called(), functools.partial(generator), print)] == [
        None
    ] * 5


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


def in_a_task(drive):
    """Run a plain function inside of a task."""

    async def main():
        with capture():
            become_known()
        return drive()

    return asyncio.run(main())


def test_in_a_task_await_begins_it_and_loses_nothing(records):
    def drive():
        log = []
        steps = pauses(log).__await__()
        assert (log, current_operation()) == (["begun"], None)
        with pytest.raises(TypeError, match="just-started"):
            steps.send(1)
        assert [next(steps), steps.send(1), log] == ["first", "second", ["begun", 1]]
        with pytest.raises(StopIteration):
            steps.send(2)
        return log

    assert in_a_task(drive) == ["begun", 1, 2, "pauses"]
    assert (records[0].outcome, records[0].steps) == ("ok", 3)


@pytest.mark.parametrize(
    ("leave", "outcome"),
    [(lambda steps: steps.throw(KeyError("x")), "error"), (lambda steps: steps.close(), "closed"), (None, "closed")],
    ids=["throw", "close", "forget"],
)
def test_what_await_began_can_be_left_at_once(records, leave, outcome):
    def drive():
        log = []
        steps = pauses(log)
        awaited: object = steps.__await__()
        assert awaited is steps
        del awaited
        if leave is None:
            del steps
            gc.collect()
            return log
        with contextlib.suppress(KeyError):
            leave(steps)
        with pytest.raises(RuntimeError, match="cannot reuse"):
            steps.send(None)
        return log

    assert in_a_task(drive) == ["begun", "pauses"]
    assert [record.outcome for record in records] == [outcome]


def test_what_was_handed_on_is_not_kept(records):
    class Fresh:
        def __await__(self):
            yield Fresh()

    @timed(operation="gives")
    async def gives():
        await Fresh()

    def drive():
        steps = gives()
        given = weakref.ref(next(steps.__await__()))
        gc.collect()
        with contextlib.suppress(StopIteration):
            assert steps.send(given()) is None
        return given

    assert in_a_task(drive)() is None


def test_what_ended_in_await_can_be_stepped_like_any_that_has(records):
    @timed(operation="ends")
    async def ends():
        checkpoint("here")

    def drive():
        steps = ends().__await__()
        steps.close()
        with pytest.raises(StopIteration) as stop:
            steps.send(None)
        with pytest.raises(KeyError):
            steps.throw(KeyError("x"))
        return stop.value.value

    assert in_a_task(drive) is None
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
    assert names[-3:] == ["main", "__await__", "fails"]
    assert [record.error_type for record in records] == [None, "KeyError"]
