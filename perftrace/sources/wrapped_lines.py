"""Lines that container runtimes, process managers and log shippers wrapped in JSON."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from perftrace.core.patterns import pattern

_decode = json.JSONDecoder(strict=False).raw_decode
_TIMES = (
    "time", "timestamp", "@timestamp", "asctime", "ts", "datetime", "date", "eventTime", "__REALTIME_TIMESTAMP",
)  # fmt: skip
"""Keys of what logged a line's time, the best known first."""
_MEMBER = pattern(r'\s*"(?:[^"\\]|\\.)*"\s*:\s*(?=")')
"""The beginning of a line of JSON that is spread over lines."""
_ELEMENT = pattern(r'\s*"(?:[^"\\]|\\.)*"\s*,?\s*\]?\s*')
"""A text in an array of JSON that is spread over lines."""
_STARTS = pattern(r"[{\[]")
_DEEPEST = 10
"""How deep JSON in JSON is looked into."""
_MOST_TRIES = 20
"""At how many brackets of a line JSON is looked for."""


def unwrapped(text: str) -> list[str]:
    """Return the lines with `[PERF]` that JSON in a line holds, wherever it begins, at any depth; none is no such line.

    Each has the time of what it was wrapped in before it, unless it brings its own.
    """
    return list(_lines(text, "", 0))


def _lines(text: str, time: str, depth: int) -> Iterator[str]:
    """Return the lines of a text that may be JSON, or lines of it."""
    for found in _values(text):
        yield from _texts(found, time, depth)


def _values(text: str) -> Iterator[Any]:
    """Read JSON that stands anywhere in a line, one value behind the other, if there is `[PERF]` in it."""
    member = _MEMBER.match(text)
    if member is not None or _ELEMENT.fullmatch(text):
        found, _ = _read(text, text.index('"') if member is None else member.end())
        if found is not None:
            yield found
        return
    at, tries = 0, 0
    while (marker := text.find("[PERF]", at)) >= 0 and tries < _MOST_TRIES:
        start = _STARTS.search(text, at, marker)
        if start is None:
            return
        tries += 1
        found, end = _read(text, start.start())
        if found:
            tries = 0
            yield found
        at = end if found else start.end()


def _read(text: str, at: int) -> tuple[Any, int]:
    """Read the value that begins at a place; None for one without `[PERF]`, and where it ends."""
    try:
        value, end = _decode(text, at)
    except (ValueError, RecursionError):
        return None, at
    return (value if "[PERF]" in text[at:end] else None), end


def _texts(value: Any, time: str, depth: int) -> Iterator[str]:
    """Return the lines that a value of JSON holds."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        yield from _of_text(value, time, depth)
    elif isinstance(value, dict):
        time = _time_of(value) or time
        for inner in value.values():
            yield from _texts(inner, time, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, time, depth + 1)


def _of_text(text: str, time: str, depth: int) -> Iterator[str]:
    for line in text.split("\n"):
        if "[PERF]" not in line:
            continue
        inner = list(_lines(line, time, depth + 1)) if '"' in line else []
        if inner:
            yield from inner
        else:
            yield line if not time or line[:1].isdigit() else f"{time} {line}"


def _time_of(members: dict[str, Any]) -> str:
    """Return the time in an object of JSON as text; empty if there is none."""
    for name in _TIMES:
        value = members.get(name)
        if isinstance(value, str) and value[:1].isdigit() and not value.isdigit():
            return value
        number = float(value) if isinstance(value, str) and value.isdigit() and len(value) < 25 else value
        if isinstance(number, int | float) and not isinstance(number, bool):
            return _of_unix(number)
    return ""


def _of_unix(number: float) -> str:
    """Write Unix time in seconds, milliseconds, microseconds or nanoseconds, told by its size, as ISO 8601."""
    for scale in (1, 1e3, 1e6, 1e9):
        if 1e8 <= number / scale < 1e11:
            try:
                return datetime.fromtimestamp(number / scale, UTC).isoformat(timespec="milliseconds")
            except (ValueError, OverflowError, OSError):
                return ""
    return ""


def unwrapped_block(block: str) -> str | None:
    """Return the lines that a block of lines wraps, if each with `[PERF]` is an object of JSON with one line in it.

    Bytes read as Latin-1 are taken and given. None where one is something else: it takes `unwrapped`.
    """
    wrapped = [line for line in block.split("\n") if "[PERF]" in line]
    if not wrapped or not wrapped[0].startswith("{"):
        return None
    try:
        # At once: a call for each line takes twice as long.
        members = json.loads(f"[{','.join(wrapped)}]".encode("latin-1"), strict=False)
    except (ValueError, RecursionError):
        return None
    inner, key = [], ""
    for one in members:
        if not isinstance(one, dict):
            return None
        text = one.get(key)
        if not isinstance(text, str) or "[PERF]" not in text:
            key = next((name for name, text in one.items() if isinstance(text, str) and "[PERF]" in text), "")
            text = one.get(key, "")
        inner.append(text.removesuffix("\n"))
    lines = "\n".join(inner)
    # As many lines as objects, each with the marker: nothing in them is wrapped once more, or is not a text.
    counts = len(members), lines.count("\n") + 1, lines.count("[PERF]"), block.count("[PERF]")
    return _as_latin(lines) if all(count == len(wrapped) for count in counts) else None


def _as_latin(text: str) -> str:
    return text.encode(errors="replace").decode("latin-1")
