"""A trace as a waterfall of bars, on a terminal."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from perftrace.analysis.trace import TraceDetail
from perftrace.analysis.trees import Node
from perftrace.messages import TEXTS, Language
from perftrace.views.console import Part, Styled, TextView, paragraphs
from perftrace.views.table import NAME, NUMBER, Column, Table
from perftrace.views.text import duration, shorten, squeeze, step_name

WIDTH = 48
"""Columns of a bar."""
MAX_RUNS = 200
"""How many runs are drawn; the rest is a number."""
_GAP_SHARE = 0.01


def _squeeze_bar(text: str, columns: int) -> str:
    return text[:1] + squeeze(text[1:], columns - 1)


_COLUMNS = (
    NAME,
    NUMBER,
    Column(is_left=True, narrowed=_squeeze_bar, least=17, styles={"[─┊]+": "cyan", "█+": "bold red"}),
    Column(is_left=True, least=12, styles={"^(error|异常)": "red"}),
)
_PATH_COLUMNS = (NUMBER, NUMBER, NAME)
_GAP_COLUMNS = (NUMBER, NUMBER)


def waterfall_view(found: TraceDetail, language: Language) -> TextView:
    """Draw a trace: a line for each run, its bar where it ran, heavy where the end waited for it, cut by checkpoints.

    Below it the critical path, by what takes longest, and the gaps of at least 1 % of the whole.
    """
    words = TEXTS[language].waterfall
    root = found.root
    total = root.end - root.start
    nodes = list(root.walk())
    trace = root.record.trace_id or shorten(root.record.operation_id)
    title = words.title.format(trace=trace, total=duration(total / 1e9), runs=len(nodes))
    drawing: list[Part] = [Table((), _COLUMNS, _run_rows(found, nodes, language), language)]
    if len(nodes) > MAX_RUNS:
        drawing.append(words.more.format(count=len(nodes) - MAX_RUNS))
    path = Table((), _PATH_COLUMNS, _path_rows(found, total), language)
    blocks: list[list[Part]] = [
        [Styled(title, "bold")],
        drawing,
        [Text(words.path, style="bold"), path],
    ]
    gaps = list(_gap_rows(found, total))
    if gaps:
        blocks.append([Text(words.gaps, style="bold"), Table((), _GAP_COLUMNS, gaps, language)])
    return paragraphs(blocks)


def _run_rows(found: TraceDetail, nodes: Sequence[Node], language: Language) -> Iterator[Sequence[str]]:
    outcomes = TEXTS[language].report.outcomes
    root = found.root
    total = root.end - root.start
    on_path: dict[int, list[tuple[int, int]]] = {}
    for piece in found.path:
        on_path.setdefault(id(piece.node), []).append((piece.start, piece.end))
    depths = {id(root): 0}
    for node in nodes:
        for child in node.children:
            depths[id(child)] = depths[id(node)] + 1
    for node in nodes[:MAX_RUNS]:
        bar = _bar(root.start, total, node.start, node.end, on_path.get(id(node), []))
        for cut, _ in node.cuts()[:-1]:
            if len(bar) - bar.count(" ") > 2:
                bar[_column(root.start, total, cut)] = "┊"
        name = "  " * min(depths[id(node)], 12) + shorten(node.name)
        outcome = node.record.outcome
        notes = [] if outcome == "ok" else [outcomes.get(outcome, str(outcome))]
        notes += [] if node.is_awaited else [f"({TEXTS[language].waterfall.unawaited})"]
        yield name, duration((node.end - node.start) / 1e9), "|" + "".join(bar), "  ".join(notes)


def _column(start: int, total: int, at: int) -> int:
    return min(WIDTH - 1, (at - start) * WIDTH // total) if total else 0


def _bar(start: int, total: int, begin: int, end: int, heavy: list[tuple[int, int]]) -> list[str]:
    """Draw a run; whatever is there takes a column at least."""
    bar = [" "] * WIDTH
    for low, high, sign in [(begin, end, "─"), *((low, high, "█") for low, high in heavy)]:
        first = _column(start, total, low)
        last = max(first, _column(start, total, max(low, high - 1)))
        bar[first : last + 1] = sign * (last + 1 - first)
    return bar


def _path_rows(found: TraceDetail, total: int) -> Iterator[Sequence[str]]:
    sums: dict[tuple[str, str], int] = {}
    for piece in found.path:
        place = (piece.node.name, piece.segment)
        sums[place] = sums.get(place, 0) + piece.self_ns
    longest = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:10]
    for (name, segment), took in longest if total else ():
        yield f"{duration(took / 1e9):>10}", f"{took / total:.1%}", step_name(name, segment)


def _gap_rows(found: TraceDetail, total: int) -> Iterator[Sequence[str]]:
    for gap in found.gaps:
        if gap.end - gap.start >= total * _GAP_SHARE:
            start = (gap.start - found.root.start) / 1e9
            yield f"{duration((gap.end - gap.start) / 1e9):>10}", f"+{duration(start)}"
