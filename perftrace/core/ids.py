"""Where ids come from: a private generator, seeded by the entropy of the operating system."""

import functools
import random
from collections.abc import Callable
from typing import Protocol


class Ids(Protocol):
    """A source of ids, as numbers; their text is made when somebody reads it."""

    @property
    def span_id(self) -> Callable[[], int]:
        """Makes a span id: 64 bits, never 0."""

    @property
    def trace_id(self) -> Callable[[], int]:
        """Makes a trace id: 128 bits, never 0."""

    def reseed(self) -> None:
        """Go another way than before: a forked child must not repeat its parent's ids."""


class RandomIds:
    """Ids from a `random.Random` of its own, which `random.seed` does not touch.

    One draw costs a tenth of `os.urandom`; ids are names, not secrets. That a draw is 0, which no id
    may be, is as likely as that it repeats another.
    """

    def __init__(self) -> None:
        self.reseed()

    def reseed(self) -> None:
        """Draw a new seed from the operating system."""
        bits = random.Random().getrandbits  # noqa: S311  # names, not secrets
        # Partials of a C function: half of what methods would cost.
        self.span_id: Callable[[], int] = functools.partial(bits, 64)
        self.trace_id: Callable[[], int] = functools.partial(bits, 128)
