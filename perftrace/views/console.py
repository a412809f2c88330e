"""Writes views: in colour and fitted to the window on a terminal, as plain text that is always the same elsewhere."""

import io
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType

_UNBOUNDED = 1_000_000
"""Columns of a file or a pipe: nothing is fitted to them."""


def paragraphs(blocks: Iterable[Iterable[RenderableType]]) -> Group:
    """Join blocks of lines and tables, with a blank line between two."""
    parts: list[RenderableType] = []
    for block in blocks:
        if parts:
            parts.append("")
        parts += block
    return Group(*parts)


def write(view: RenderableType) -> None:
    """Write a view to standard output."""
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        console.print(view, end="")
    else:
        print(plain_text(view), end="")


def plain_text(view: RenderableType, width: int = _UNBOUNDED) -> str:
    """Return a view as text without colour.

    width: of the window that it has to fit, in columns of a terminal.
    """
    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=False, highlight=False, markup=False, emoji=False
    )
    console.print(view, end="")
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))
