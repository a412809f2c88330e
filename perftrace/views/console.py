"""Writes views: in colour and fitted to the window on a terminal, as plain text that is always the same elsewhere."""

import io
import os
import shutil
import sys
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
    if not sys.stdout.isatty():
        print(plain_text(view), end="")
        return
    # Of a terminal that knows no commands rich does not ask how wide it is.
    width = shutil.get_terminal_size().columns if os.environ.get("TERM") in ("dumb", "unknown") else None
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    console.print(view, end="", crop=False)


def plain_text(view: RenderableType, width: int = _UNBOUNDED) -> str:
    """Return a view as text without colour.

    width: of the window that it has to fit, in columns of a terminal.
    """
    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=False, highlight=False, markup=False, emoji=False
    )
    console.print(view, end="", crop=False)
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))
