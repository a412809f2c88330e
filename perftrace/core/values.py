"""Plain data: what a text or an attribute is once it is on an event or a record."""

import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from perftrace.core.patterns import pattern

Scalar: TypeAlias = str | int | float | bool | None
"""What an attribute's value is once it is on a record."""
Attributes: TypeAlias = Mapping[str, Scalar]
"""Attributes by name; read-only for those who get them."""
Outcome: TypeAlias = Literal["ok", "error", "cancelled", "closed", "abandoned"]
"""How an operation ended: `closed` is a coroutine or generator left early, `abandoned` one given up on."""

NO_ATTRIBUTES: Attributes = MappingProxyType({})
"""The attributes of whatever has none: shared, so that having none costs nothing."""
END = "(end)"
"""Names the segment after the last checkpoint."""
OTHER = "__other__"
"""Stands for all names beyond a cap."""
TEXT_LIMIT = 4096
"""The most characters that a text on a record keeps."""
MAX_ATTRIBUTES = 1000
"""The most attributes that an operation or a checkpoint keeps."""


def clip(text: str) -> str:
    """Cut a text down to `TEXT_LIMIT` characters and say how many were cut."""
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}…[+{len(text) - TEXT_LIMIT}]"


def plain(value: object) -> str:
    """Turn anything into an exact `str`, clipped; a broken `__str__` becomes a note of its type."""
    if type(value) is str and len(value) <= TEXT_LIMIT:
        return value
    try:
        text = str(value)
        return clip(text if type(text) is str else str.__str__(text))
    except KeyboardInterrupt:  # a real Ctrl-C
        raise
    except BaseException as error:
        return f"<unprintable {type(value).__name__}: {type(error).__name__}>"


_BOT_TOKEN = pattern(r"(/bot|(?<![0-9A-Za-z]))\d+(?::|%3[Aa])[A-Za-z0-9_-]{30,}|(/bot)\d+(?::|%3[Aa])[^/\s]+")


def masked(text: str) -> str:
    """Mask the tokens of bots, by their shape: digits, a colon, thirty letters or more, wherever they stand.

    Telegram has them in the paths of its API, and so in the texts of clients' errors; a webhook's path may be one.
    """
    if ":" not in text and "%3" not in text:
        return text
    return _BOT_TOKEN.sub(lambda found: f"{found[1] or found[2] or ''}***", text)


def scalar(value: object) -> Scalar:
    """Turn an attribute's value into plain data: numbers, truth and None stay, all else is text."""
    if value is None or type(value) is bool or type(value) is float:
        return value
    if type(value) is int:
        # Beyond 64 bits no reader agrees on a number, and str() refuses after 4300 digits.
        return value if -(2**63) <= value < 2**63 else f"<int of {value.bit_length()} bits>"
    return plain(value)


MAX_WEIGHT = 1e100
"""The most runs that one record stands for; what says more is damaged."""


def attributes_of(values: Mapping[str, object]) -> dict[str, Scalar]:
    """Copy attributes as plain data; of more than `MAX_ATTRIBUTES` the first, and a mark that there were more."""
    if len(values) > MAX_ATTRIBUTES:
        values = {**dict(itertools.islice(values.items(), MAX_ATTRIBUTES - 1)), "…": "more were left out"}
    return {plain(name): scalar(value) for name, value in values.items()}
