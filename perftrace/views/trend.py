"""Trends on a terminal: a sparkline for each operation, and its changes."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from perftrace.analysis.trends import Change, Metric, OperationTrend, Trend
from perftrace.messages import TEXTS, Language
from perftrace.messages.texts import TrendTexts
from perftrace.views.console import Part, TextView, paragraphs
from perftrace.views.table import NAME, NUMBER, Column, Table
from perftrace.views.text import duration, shorten, squeeze

MAX_OPERATIONS = 1000
"""How many operations are listed; the rest is a number."""
_COLUMNS = (
    NAME,
    Column(dropped=2),
    Column(is_left=True, narrowed=squeeze, least=16),
    Column(dropped=1),
    NUMBER,
    Column(dropped=3),
)
_CHANGE_COLUMNS = (
    Column(is_left=True),
    NAME,
    Column(is_left=True),
    Column(dropped=1),
    Column(dropped=2),
    Column(styles={r"\+.*": "red", "-.*": "green"}),
    Column(dropped=3),
)
_BARS = "▁▂▃▄▅▆▇█"


def trend_view(found: Trend, language: Language) -> TextView:
    """Return a line with a sparkline for each operation, then all changes by time."""
    words = TEXTS[language].trend
    windows = found.operations[0].windows
    first = words.window.format(window=length(found.window), start=_time(windows[0].start), count=len(windows))
    operations = found.operations[:MAX_OPERATIONS]
    lines: list[Part] = [Table(words.columns, _COLUMNS, map(_row, operations), language)]
    if len(found.operations) > len(operations):
        lines.append(words.more.format(count=len(found.operations) - len(operations)))
    changes = sorted(
        ((change, operation.name) for operation in found.operations for change in operation.changes),
        key=lambda one: one[0].at,
    )
    told: list[Part] = []
    if changes:
        rows = [_change(change, name, words) for change, name in changes]
        told += [Text(words.changes, style="bold"), Table(words.change_columns, _CHANGE_COLUMNS, rows, language)]
    elif not all(operation.needed for operation in found.operations):
        told.append(words.none)
    for operation in operations:
        if operation.needed:
            used = sum(window.count > 0 for window in operation.windows)
            name = shorten(operation.name)
            told.append(words.needed.format(operation=name, count=used, needed=operation.needed))
    return paragraphs(block for block in ([first], lines, told) if block)


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


def _change(change: Change, name: str, words: TrendTexts) -> Sequence[str]:
    relative = f"{change.after / change.before - 1:+.0%}" if change.before and change.metric != "failures" else ""
    values = [_value(change.metric, value, words) for value in (change.before, change.after)]
    return _time(change.at), name, words.metrics[change.metric], *values, relative, f"{change.p:.3f}"


def _value(metric: Metric, value: float, words: TrendTexts) -> str:
    if metric == "rate":
        return words.per_second.format(rate=f"{value:.3g}")
    return f"{value:.1%}" if metric == "failures" else duration(value)


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f}"
