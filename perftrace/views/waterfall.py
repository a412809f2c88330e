"""A trace as a waterfall of bars, in plain text."""

from perftrace.analysis.trace import TraceDetail
from perftrace.messages import TEXTS, Language
from perftrace.views.table import duration, shorten, width

WIDTH = 48
"""Columns of a bar."""
MAX_RUNS = 200
"""How many runs are drawn; the rest is a number."""
_GAP_SHARE = 0.01


def waterfall_text(found: TraceDetail, language: Language) -> str:
    """Draw a trace: a line for each run, its bar where it ran, heavy where the end waited for it, cut by checkpoints.

    Below it the critical path, by what takes longest, and the gaps of at least 1 % of the whole.
    """
    words = TEXTS[language].waterfall
    root = found.root
    total = root.end - root.start
    nodes = list(root.walk())
    depths = {id(root): 0}
    on_path: dict[int, list[tuple[int, int]]] = {}
    for piece in found.path:
        on_path.setdefault(id(piece.node), []).append((piece.start, piece.end))
    rows = []
    for node in nodes:
        for child in node.children:
            depths[id(child)] = depths[id(node)] + 1
    for node in nodes[:MAX_RUNS]:
        bar = _bar(root.start, total, node.start, node.end, on_path.get(id(node), []))
        for cut, _ in node.cuts()[:-1]:
            if len(bar) - bar.count(" ") > 2:
                bar[_column(root.start, total, cut)] = "┊"
        name = "  " * min(depths[id(node)], 12) + shorten(node.name)
        note = "" if node.is_awaited else f"  ({words.unawaited})"
        outcome = "" if node.record.outcome == "ok" else f"  {node.record.outcome}"
        rows.append((name, duration((node.end - node.start) / 1e9), "".join(bar).rstrip(), outcome + note))
    names = max(width(row[0]) for row in rows)
    times = max(width(row[1]) for row in rows)
    trace = f"{root.record.trace:032x}" if root.record.trace else shorten(root.record.operation_id)
    lines = [words.title.format(trace=trace, total=duration(total / 1e9), runs=len(nodes)), ""]
    for name, took, line, note in rows:
        padded = name + " " * (names - width(name))
        lines.append(f"{padded}  {took.rjust(times)}  |{line}{note}".rstrip())
    if len(nodes) > MAX_RUNS:
        lines.append(words.more.format(count=len(nodes) - MAX_RUNS))
    return "\n".join([*lines, "", *_path_lines(found, total, words.path), *_gap_lines(found, total, words.gaps)]) + "\n"


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


def _path_lines(found: TraceDetail, total: int, title: str) -> list[str]:
    sums: dict[tuple[str, str], int] = {}
    for piece in found.path:
        place = (piece.node.name, piece.segment)
        sums[place] = sums.get(place, 0) + piece.self_ns
    longest = sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:10]
    rows = [
        f"  {duration(took / 1e9):>8}  {took / total:>6.1%}  {shorten(name)}.{shorten(segment)}"
        for (name, segment), took in longest
        if total
    ]
    return [title, *rows]


def _gap_lines(found: TraceDetail, total: int, title: str) -> list[str]:
    rows = [
        f"  {duration((gap.end - gap.start) / 1e9):>8}  +{duration((gap.start - found.root.start) / 1e9)}"
        for gap in found.gaps
        if gap.end - gap.start >= total * _GAP_SHARE
    ]
    return ["", title, *rows] if rows else []
