"""Tables that fit their window: columns are left out and named, and names are broken into lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from perftrace.messages import TEXTS, Language
from perftrace.views.text import cell_len, shorten

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

_GAP = 2
"""Columns of a terminal between two columns of a table."""
_NARROWEST = 8
"""Columns of a terminal that are left of a name where nothing else helps."""


class Column(NamedTuple):
    """How a column is set, and what becomes of it where the window is too narrow."""

    is_left: bool = False
    """Whether its cells are flush left."""
    narrowed: Callable[[str, int], str] | None = None
    """Makes a cell of so many columns; where there is none, a cell is broken into lines."""
    least: int | None = None
    """How narrow it may become, in columns of a terminal; None is as wide as its cells are."""
    dropped: int = 0
    """When it is left out: the highest first, 0 never."""
    styles: Mapping[str, str] = MappingProxyType({})
    """Styles on a terminal of what matches a regular expression."""


NUMBER = Column()
NAME = Column(is_left=True, least=28)


class Table:
    """Rows of text in columns.

    titles: of the columns; none where the table has no head. A row may be shorter than the columns are many.
    """

    def __init__(
        self, titles: Sequence[str], columns: Sequence[Column], rows: Iterable[Sequence[str]], language: Language
    ) -> None:
        self._columns = columns
        self._head = self._filled(titles)
        self._rows = [self._filled(row) for row in rows]
        self._language: Language = language

    def lines(self) -> Iterator[str]:
        """Return it as wide as it is, as plain text."""
        natural = self._natural()
        for row in ([self._head] if any(self._head) else []) + self._rows:
            cells = []
            for cell, width, column in zip(row, natural, self._columns, strict=True):
                blanks = " " * (width - cell_len(cell))
                cells.append(cell + blanks if column.is_left else blanks + cell)
            yield (" " * _GAP).join(cells)

    def _natural(self) -> list[int]:
        """Return how wide the columns are."""
        return [max(map(cell_len, column)) for column in zip(self._head, *self._rows, strict=True)]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Render it for the width of a console."""
        from rich.table import Table as RichTable
        from rich.text import Text

        natural = self._natural()
        kept = self._kept(natural, options.max_width)
        widths = self._widths({at: natural[at] for at in kept}, options.max_width)
        table = RichTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=any(self._head))
        for at in kept:
            table.add_column(
                Text(shorten(self._head[at], widths[at])),
                justify="left" if self._columns[at].is_left else "right",
                max_width=widths[at],
                overflow="fold",
                no_wrap=self._columns[at].narrowed is not None or self._columns[at].least is None,
            )
        for row in self._rows:
            table.add_row(*(self._cell(at, row[at], widths[at]) for at in kept))
        # What even so does not fit is written as wide as it is: the terminal breaks lines, and no number is cut.
        needed = sum(widths.values()) + _GAP * (len(widths) - 1)
        yield from console.render(table, options.update(width=max(needed, options.max_width)))
        if len(kept) < len(natural):
            names = ", ".join(title for at, title in enumerate(self._head) if at not in kept and title)
            yield Text(TEXTS[self._language].table.left_out.format(columns=names), style="dim")

    def _kept(self, natural: Sequence[int], window: int) -> list[int]:
        """Return the numbers of the columns that there is room for."""
        kept = list(range(len(natural)))
        least = [
            width if column.least is None else min(width, column.least)
            for width, column in zip(natural, self._columns, strict=True)
        ]
        droppable = sorted((at for at in kept if self._columns[at].dropped), key=lambda at: self._columns[at].dropped)
        while droppable and sum(least[at] + _GAP for at in kept) - _GAP > window:
            kept.remove(droppable.pop())
        return kept

    def _widths(self, widths: dict[int, int], window: int) -> dict[int, int]:
        """Narrow what may be narrowed, the widest first, until all fits; where nothing does, names give way."""
        bounds = [{at: column.least for at, column in enumerate(self._columns) if column.least is not None}]
        bounds.append(dict.fromkeys(bounds[0], _NARROWEST))
        for least in bounds:
            while sum(widths.values()) + _GAP * (len(widths) - 1) > window:
                wide = [at for at in widths if at in least and widths[at] > least[at]]
                if not wide:
                    break
                widths[max(wide, key=lambda at: widths[at])] -= 1
        return widths

    def _filled(self, row: Sequence[str]) -> list[str]:
        return [shorten(cell) for cell in row] + [""] * (len(self._columns) - len(row))

    def _cell(self, at: int, text: str, width: int) -> "Text":
        from rich.text import Text

        narrowed = self._columns[at].narrowed
        cell = Text(text if narrowed is None or cell_len(text) <= width else narrowed(text, width))
        for pattern, style in self._columns[at].styles.items():
            cell.highlight_regex(pattern, style)
        return cell
