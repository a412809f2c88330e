"""Where ids come from: a private generator, seeded by the entropy of the operating system."""

import functools
import os
from collections.abc import Callable
from typing import Protocol

_process: dict[int, str] = {}
"""The id of this process, by its number: a forked child has another."""


def process_id() -> str:
    """Return 16 hexadecimal digits that stand for this process: its number may be another's in the next container."""
    pid = os.getpid()
    found = _process.get(pid)
    if found is None:
        import random

        _process.clear()
        found = _process.setdefault(pid, f"{random.Random().getrandbits(64) or 1:016x}")  # noqa: S311  # a name
    return found


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
        import random  # what a source reads needs no ids

        bits = random.Random().getrandbits  # noqa: S311  # names, not secrets
        # Partials of a C function: half of what methods would cost.
        self.span_id: Callable[[], int] = functools.partial(bits, 64)
        self.trace_id: Callable[[], int] = functools.partial(bits, 128)


_ENCODED = {ord(c): f"%{ord(c):02X}" for c in "%|"} | {
    # Blanks and controls by code; what lies beyond ASCII is written as its UTF-8 bytes, as in a URL.
    code: "".join(f"%{byte:02X}" for byte in chr(code).encode("utf-8"))
    for code in (
        *range(0x21),
        *range(0x7F, 0xA1),
        0x1680,
        *range(0x2000, 0x2010),
        *range(0x2028, 0x2030),
        0x205F,
        *range(0x2066, 0x206A),
        0x3000,
        0xFEFF,
    )
}


def encode_name(name: str) -> str:
    """Percent-encode blanks, `|`, `%` and controls, so that a name can stand in an id; all else stays."""
    return name if name.isidentifier() else name.translate(_ENCODED)


def make_operation_id(name: str, key: str | None, span: int) -> str:
    """Join what log lines show of an operation: `name_key_span`, or `name_span` without a key."""
    middle = "" if key is None else f"_{encode_name(key)}"
    return f"{encode_name(name)}{middle}_{span:016x}"
