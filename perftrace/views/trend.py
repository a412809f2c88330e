"""Trends as plain text: a sparkline for each operation, and its changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from perftrace.analysis.trend import Change, Metric, OperationTrend, Trend
from perftrace.formats.line import Language
from perftrace.views.table import duration, shorten, table

_BARS = "▁▂▃▄▅▆▇█"


class Words(NamedTuple):
    """The words in one language."""

    window: str
    columns: tuple[str, ...]
    change_columns: tuple[str, ...]
    metrics: dict[Metric, str]
    changes: str
    none: str
    needed: str
    per_second: str


WORDS: dict[Language, Words] = {
    "zh": Words(
        "每格 {window}，自 {start} 起共 {count} 格。曲线为 p50，越高越慢。",
        ("操作", "次数", "p50 走势", "最小", "最大", "失败"),
        ("时间", "操作", "指标", "之前", "之后", "变化", "p 值"),
        {"p50": "p50", "p95": "p95", "rate": "频率", "failures": "失败率"},
        "持续的变化:",
        "没有发现持续的变化。",
        "{operation} 只有 {count} 格有数据，还需要 {needed} 格才能区分变化与噪声；可用更短的 --window。",
        "{rate}/秒",
    ),
    "en": Words(
        "Windows of {window}, {count} from {start} on. The line is p50: higher is slower.",
        ("operation", "runs", "p50 over time", "least", "most", "failed"),
        ("at", "operation", "metric", "before", "after", "change", "p"),
        {"p50": "p50", "p95": "p95", "rate": "rate", "failures": "failures"},
        "Lasting changes:",
        "No lasting change.",
        "{operation} has runs in {count} windows; it takes {needed} more to tell changes from noise, or a shorter "
        "--window.",
        "{rate}/s",
    ),
}


def trend_text(found: Trend, language: Language) -> str:
    """Write a line with a sparkline for each operation, then all changes by time."""
    words = WORDS[language]
    windows = found.operations[0].windows
    first = words.window.format(window=length(found.window), start=_time(windows[0].start), count=len(windows))
    lines = [first, "", table(words.columns, map(_row, found.operations), left=(0, 2))]
    changes = sorted(
        ((change, operation.name) for operation in found.operations for change in operation.changes),
        key=lambda one: one[0].at,
    )
    if changes:
        rows = [_change(change, name, words) for change, name in changes]
        lines += [words.changes, table(words.change_columns, rows, left=(0, 1, 2)).rstrip("\n")]
    elif not all(operation.needed for operation in found.operations):
        lines.append(words.none)
    for operation in found.operations:
        if operation.needed:
            used = sum(window.count > 0 for window in operation.windows)
            name = shorten(operation.name)
            lines.append(words.needed.format(operation=name, count=used, needed=operation.needed))
    return "\n".join(lines) + "\n"


def sparkline(values: Sequence[float | None]) -> str:
    """Draw values as bars from the least to the largest, a blank for none."""
    known = [value for value in values if value is not None]
    least, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    return "".join(
        " " if value is None else _BARS[int((value - least) / span * (len(_BARS) - 1) + 0.5) if span > 0 else 0]
        for value in values
    )


def length(seconds: float) -> str:
    """Write the length of a window as `--window` takes it: `30s`, `5m`, `1h`, `7d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _row(operation: OperationTrend) -> Sequence[str]:
    medians = [window.p50 for window in operation.windows]
    known = [value for value in medians if value is not None]
    count = sum(window.count for window in operation.windows)
    failed = sum(window.count * (window.failures or 0) for window in operation.windows)
    line = sparkline(medians)
    return operation.name, str(count), line, duration(min(known)), duration(max(known)), f"{failed / count:.1%}"


def _change(change: Change, name: str, words: Words) -> Sequence[str]:
    relative = f"{change.after / change.before - 1:+.0%}" if change.before and change.metric != "failures" else ""
    values = [_value(change.metric, value, words) for value in (change.before, change.after)]
    return _time(change.at), name, words.metrics[change.metric], *values, relative, f"{change.p:.3f}"


def _value(metric: Metric, value: float, words: Words) -> str:
    if metric == "rate":
        return words.per_second.format(rate=f"{value:.3g}")
    return f"{value:.1%}" if metric == "failures" else duration(value)


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f}"
