"""Tables, names and durations as plain text, in columns that East Asian characters do not break."""

import itertools
import unicodedata
from collections.abc import Iterable, Sequence

from perftrace.analysis.trees import TreeIssues
from perftrace.formats.line import escape
from perftrace.messages import TEXTS, Language

MAX_NAME = 60
"""The widest name in a table, in columns."""


def duration(seconds: float | None) -> str:
    """Write a duration in the unit that suits it: `51ms`, `1.25s`, `3m05s`, `2h07m`; `-` for none."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        milliseconds = seconds * 1000
        return f"{milliseconds:.1f}ms" if 0 < milliseconds < 9.95 else f"{milliseconds:.0f}ms"
    if seconds < 59.995:
        return f"{seconds:.2f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int]) -> str:
    """Write rows in columns, those of `left` flush left and the others flush right."""
    cells = [[shorten(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(width, column)) for column in itertools.zip_longest(*cells, fillvalue="")]
    lines = []
    for row in cells:
        padded = []
        for number, cell in enumerate(row):
            blanks = " " * (widths[number] - width(cell))
            padded.append(cell + blanks if number in left else blanks + cell)
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) + "\n"


def width(text: str) -> int:
    """Count the terminal columns of a text: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def shorten(text: str) -> str:
    """Make a name fit for a table: no controls, and its middle left out where it is too wide."""
    text = escape(text)
    if width(text) <= MAX_NAME:
        return text
    return f"{_fitting(text, MAX_NAME // 2)}…{_fitting(text[::-1], MAX_NAME // 2 - 1)[::-1]}"


def unused_text(unused: TreeIssues, language: Language) -> str:
    """Describe what does not fit into trees; nothing where all does."""
    counts = zip(TEXTS[language].tree_issues, (unused.duplicates, unused.orphans, unused.clipped), strict=True)
    return "".join("\n" + text.format(count=count) + "\n" for text, count in counts if count)


def step_name(operation: str, segment: str) -> str:
    """Name a step: the operation and a segment of it."""
    return f"{shorten(operation)}.{shorten(segment)}"


def _fitting(text: str, columns: int) -> str:
    """Return as much of a text's beginning as fits."""
    for number, character in enumerate(text):
        columns -= _width(character)
        if columns < 0:
            return text[:number]
    return text
