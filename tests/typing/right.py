"""Calls that a type checker accepts: decorating changes no type."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from perftrace import Operation, checkpoint, checkpointed, current_operation, operation, timed


@timed
def bare(a: int, b: str = "") -> float:
    """Add."""
    return a + len(b)


@timed(operation="x", key="a", capture=["b"], slow=0.5, enabled=lambda: True)
def called(a: int, *, b: str) -> list[int]:
    """Repeat."""
    return [a] * len(b)


@timed(operation="y")
async def later(a: int) -> str:
    """Wait."""
    return str(a)


@timed
def numbers(n: int) -> Iterator[int]:
    """Count."""
    yield from range(n)


@timed
async def later_numbers(n: int) -> AsyncIterator[int]:
    """Count."""
    for i in range(n):
        yield i


class Shop:
    """Every kind of method."""

    @timed
    def method(self, a: int) -> int:
        """Give it back."""
        return a

    @classmethod
    @timed
    def inside(cls, a: int) -> int:
        """Give it back."""
        return a

    @staticmethod
    @timed
    def static(a: int) -> int:
        """Give it back."""
        return a

    @checkpointed("x")
    def helper(self, a: int) -> str:
        """Write it."""
        return str(a)


async def main() -> None:
    """Use them all."""
    assert_type(bare(1, "x"), float)
    assert_type(called(1, b="x"), list[int])
    assert_type(await later(1), str)
    assert_type(next(numbers(3)), int)
    async for number in later_numbers(3):
        assert_type(number, int)
    assert_type(Shop().method(1), int)
    assert_type(Shop.inside(1), int)
    assert_type(Shop.static(1), int)
    assert_type(Shop().helper(1), str)
    assert_type(checkpoint("x", size=3), float | None)
    with operation("z") as handle:
        assert_type(handle, Operation)
    assert_type(current_operation(), Operation | None)


asyncio.run(main())
