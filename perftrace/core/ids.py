"""Where ids come from: a private generator, seeded by the entropy of the operating system."""

import random
from typing import Protocol


class Ids(Protocol):
    """A source of ids, as numbers; their text is made when somebody reads it."""

    def span_id(self) -> int:
        """Make a span id: 64 bits, never 0."""

    def trace_id(self) -> int:
        """Make a trace id: 128 bits, never 0."""

    def reseed(self) -> None:
        """Go another way than before: a forked child must not repeat its parent's ids."""


class RandomIds:
    """Ids from a `random.Random` of its own, which `random.seed` does not touch.

    One draw costs a tenth of `os.urandom`; ids are names, not secrets.
    """

    def __init__(self) -> None:
        self._bits = random.Random().getrandbits  # noqa: S311  # names, not secrets

    def span_id(self) -> int:
        """Make a span id: 64 bits, never 0."""
        return self._bits(64) or 1

    def trace_id(self) -> int:
        """Make a trace id: 128 bits, never 0."""
        return self._bits(128) or 1

    def reseed(self) -> None:
        """Draw a new seed from the operating system."""
        self._bits = random.Random().getrandbits  # noqa: S311


def span_text(span_id: int) -> str:
    """Write a span id as 16 lower-case hexadecimal digits."""
    return f"{span_id:016x}"


def trace_text(trace_id: int) -> str:
    """Write a trace id as 32 lower-case hexadecimal digits."""
    return f"{trace_id:032x}"
