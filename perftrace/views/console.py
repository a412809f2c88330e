"""Writes views: in colour and fitted to the window on a terminal, as plain text that is always the same elsewhere."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from perftrace.views.table import Table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

_UNBOUNDED = 1_000_000
"""Columns of a file or a pipe: nothing is fitted to them."""


class Styled(NamedTuple):
    """A text with a style on a terminal."""

    text: str
    style: str


Part: TypeAlias = "str | Styled | Table | Text | TextView"


class TextView:
    """Lines and tables, one below the other."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = list(parts)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Render it on a terminal."""
        from rich.text import Text

        for part in self._parts:
            yield Text(part.text, style=part.style) if isinstance(part, Styled) else part

    def lines(self) -> Iterator[str]:
        """Return it as plain text."""
        for part in self._parts:
            if isinstance(part, TextView | Table):
                yield from part.lines()
            elif isinstance(part, str):
                yield from part.split("\n")
            else:
                yield from (part.text if isinstance(part, Styled) else part.plain).split("\n")


def paragraphs(blocks: Iterable[Iterable[Part]]) -> TextView:
    """Join blocks of lines and tables, with a blank line between two."""
    parts: list[Part] = []
    for block in blocks:
        if parts:
            parts.append("")
        parts += block
    return TextView(parts)


def write(view: TextView | Table) -> None:
    """Write a view to standard output."""
    if not sys.stdout.isatty():
        print(plain_text(view), end="")
        return
    import shutil

    from rich.console import Console

    # Of a terminal that knows no commands rich does not ask how wide it is.
    width = shutil.get_terminal_size().columns if os.environ.get("TERM") in ("dumb", "unknown") else None
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    console.print(view, end="", crop=False)


def plain_text(view: TextView | Table, width: int | None = None) -> str:
    """Return a view as text without colour.

    width: of the window that it has to fit, in columns of a terminal; None is as wide as it is.
    """
    if width is None:  # without rich, which takes longer than a small report
        return "".join(f"{line.rstrip()}\n" for line in view.lines())
    from rich.console import Console

    file = io.StringIO()
    console = Console(
        file=file, width=width, color_system=None, force_terminal=False, highlight=False, markup=False, emoji=False
    )
    console.print(view, end="", crop=False)
    return "\n".join(line.rstrip() for line in file.getvalue().split("\n"))
