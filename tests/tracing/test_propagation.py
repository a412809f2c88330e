"""`bind`, `inject`, `extract`."""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace import Link, bind, checkpoint, current_operation, extract, inject, operation, timed
from perftrace.testing import capture

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def records():
    with capture() as records:
        yield records


@timed(operation="work")
def work(value=1):
    return value


def test_an_executor_has_no_operation_unless_bound(records):
    """A thread that served another operation before is clean, too."""

    async def main(executor):
        loop = asyncio.get_running_loop()
        with operation("f"):
            await loop.run_in_executor(executor, bind(work))
            assert await loop.run_in_executor(executor, functools.partial(bind(work), 5)) == 5
            await loop.run_in_executor(executor, work)
            await loop.run_in_executor(executor, functools.partial(work))
        return await loop.run_in_executor(executor, current_operation)

    with ThreadPoolExecutor(1) as executor:
        assert asyncio.run(main(executor)) is None
    span = records[-1].span_id
    assert [(r.name, r.parent_id) for r in records] == [
        ("work", span), ("work", span), ("work", None), ("work", None), ("f", None),
    ]  # fmt: skip


def test_bind_carries_into_callbacks_and_coroutines(records):
    """What was current at `bind` is so in each call, and what was there before comes back."""

    @bind
    async def outside():
        return current_operation()

    with operation("f") as f:
        callback = bind(checkpoint)
        coroutine = bind(outside.__wrapped__)

    @bind
    async def inner():
        return current_operation()

    async def main():
        with operation("g") as g:
            assert await coroutine() == f
            assert await inner() is None
            assert current_operation() is g
        asyncio.get_running_loop().call_soon(callback, "late")

    asyncio.run(main())
    with operation("h") as h:
        assert callback("x") is None
        assert current_operation() is h


def test_bind_without_an_operation_carries_none(records):
    """Not whatever is current at the call."""
    bound = bind(current_operation)
    with operation("f"):
        assert bound() is None


def test_inject_and_extract_join_two_processes(records):
    """The webhook belongs to the operation that started the job."""
    with operation("start") as start:
        headers = inject({"accept": "*/*"})
    assert headers == {"accept": "*/*", "traceparent": f"00-{start.trace_id}-{start.span_id}-01"}
    with operation("webhook", parent=extract(headers)):
        work()
    child, webhook = records[1:]
    assert (webhook.trace_id, webhook.parent_id) == (start.trace_id, start.span_id)
    assert child.parent_id == webhook.span_id


def test_inject_without_an_operation_leaves_the_headers_alone():
    """Nothing to tell."""
    assert inject({}) == {}


def test_a_handle_can_be_the_parent(records):
    """And None means the current operation."""
    with operation("a") as a:
        pass
    with operation("b") as b, operation("c", parent=a), operation("d", parent=None):
        pass
    assert [(r.name, r.parent_id) for r in records[1:]] == [("d", records[2].span_id), ("c", a.span_id), ("b", None)]
    assert b.trace_id != a.trace_id


def test_a_parent_of_another_kind_is_a_type_error():
    """With what would do."""
    with pytest.raises(TypeError, match="extract"):
        operation("a", parent="00-x")


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
@pytest.mark.parametrize(
    "value",
    [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-follows"],
)
def test_valid_headers_are_read(name, value):
    """Versions to come as far as they are known."""
    assert extract({"x": "y", name: value}) == Link(TRACE, SPAN)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01.",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-０１",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        None,
        5,
    ],
)
def test_invalid_headers_are_none(value):
    """Strictly."""
    assert extract({"traceparent": value}) is None


def test_no_header_or_two_are_none():
    """Nobody knows which."""
    assert extract({}) is None
    assert extract({"traceparent": f"00-{TRACE}-{SPAN}-01", "Traceparent": f"00-{TRACE}-{SPAN}-01"}) is None


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"x"), (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())],  # as in ASGI's scope
        [["Traceparent", f"00-{TRACE}-{SPAN}-01"]],
        {b"traceparent": f"00-{TRACE}-{SPAN}-01".encode()},
        (("traceparent", f"00-{TRACE}-{SPAN}-01"), None, ("a",), 5, (b"\xff", b"\xff")),
    ],
)
def test_headers_come_as_pairs_and_as_bytes_too(headers):
    """What is no pair is left out."""
    assert extract(headers) == Link(TRACE, SPAN)


@pytest.mark.parametrize("headers", [None, [], 5, object(), "traceparent", b"traceparent", [None]])
def test_what_holds_no_headers_is_none(headers):
    """A message without any."""
    assert extract(headers) is None


@pytest.mark.parametrize("headers", [MappingProxyType({}), (), None])
def test_headers_that_cannot_be_changed_are_a_clear_type_error(headers, records):
    """It names what helps; without an operation nothing is to be changed."""
    assert inject(headers) is headers
    with (
        operation("a"),
        pytest.raises(TypeError, match=r"headers of type \w+ cannot be changed: pass inject\("),
    ):
        inject(headers)


@given(st.text())
def test_extract_never_raises(text):
    """Whatever arrives."""
    extract({"traceparent": text, text: text})
