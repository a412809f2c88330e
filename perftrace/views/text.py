"""Names and durations as text that is fit for a terminal."""

from typing import TYPE_CHECKING

from perftrace.formats.line import escape
from perftrace.messages import TEXTS, Language

if TYPE_CHECKING:
    from perftrace.analysis.trees import TreeIssues

MAX_NAME = 200
"""The widest name that is shown whole, in columns of a terminal."""


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


def cell_len(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich import cells  # takes a tenth of a small report

    return cells.cell_len(text)


def shorten(text: str, columns: int = MAX_NAME) -> str:
    """Make a name fit for a terminal: no controls, and its end left out where it is wider than `columns`.

    Two names of one beginning differ at their ends, and an id is there to be copied: that wide no name should be.
    """
    text = escape(text)
    if 2 * len(text) <= columns or cell_len(text) <= columns:
        return text
    from rich.cells import set_cell_size

    return f"{set_cell_size(text, max(0, columns - 1)).rstrip()}…"


def squeeze(bars: str, columns: int) -> str:
    """Draw a line of bars in fewer columns; of the characters that share a column the heaviest is left.

    The characters must come in Unicode in the order of their weight, as blocks and box drawings do.
    """
    size = len(bars)
    if size <= columns:
        return bars
    return "".join(max(bars[at * size // columns : (at + 1) * size // columns]) for at in range(columns))


def unused_blocks(unused: "TreeIssues", language: Language) -> list[list[str]]:
    """Describe what does not fit into trees, each a paragraph; none where all does."""
    counts = zip(TEXTS[language].tree_issues, (unused.duplicates, unused.orphans, unused.clipped), strict=True)
    return [[text.format(count=count)] for text, count in counts if count]


def step_name(operation: str, segment: str) -> str:
    """Name a step: the operation and a segment of it."""
    return f"{shorten(operation)}.{shorten(segment)}"
