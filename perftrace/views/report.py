"""The report as plain text."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from perftrace.analysis.report import NeverEnded, OperationReport, Report, SlowRun
from perftrace.formats.line import Language
from perftrace.sources.base import ReadCounters
from perftrace.views.table import duration, shorten, table

MAX_NEVER_ENDED = 10
"""How many runs that never ended are listed; the rest is a number."""
MAX_ERRORS = 5
"""How many types of failures are listed for an operation."""


class Words(NamedTuple):
    """The words of a report in one language."""

    first: str
    columns: tuple[str, ...]
    bottleneck: str
    failures: str
    failure: str
    slowest: str
    run_columns: tuple[str, ...]
    never_ended: str
    stood_at: str
    at_start: str
    more: str
    not_understood: str
    duplicates: str
    read: str


WORDS: dict[Language, Words] = {
    "zh": Words(
        "最值得先优化: {operation} 的 {segment}（占该操作耗时的 {share}，共 {total}）",
        ("操作", "次数", "失败", "取消", "未结束", "总耗时", "自身", "运行", "p50", "p95", "p99", "最大", "占比"),
        "◀ 瓶颈",
        "失败类型:",
        "{operation}: {kinds}",
        "最慢的几次:",
        ("操作 ID", "耗时", "结果", "最慢的一段"),
        "未结束的操作: {count}",
        "停在 {checkpoint}",
        "尚无检查点",
        "……另有 {count} 个",
        "未能识别的行:",
        "重复的记录 {count} 条，只计一次。",
        "共读取 {lines} 行，使用 {used} 行，未能识别 {not_understood} 行。",
    ),
    "en": Words(
        "Fix first: {segment} in {operation} ({share} of its time, {total} in all)",
        (
            "operation",
            "count",
            "failed",
            "cancelled",
            "open",
            "total",
            "self",
            "running",
            "p50",
            "p95",
            "p99",
            "max",
            "share",
        ),
        "◀ bottleneck",
        "Failures by type:",
        "{operation}: {kinds}",
        "Slowest runs:",
        ("operation id", "took", "outcome", "longest segment"),
        "Never ended: {count}",
        "stood at {checkpoint}",
        "no checkpoint yet",
        "... and {count} more",
        "Not understood:",
        "{count} records were there more than once; they count once.",
        "{lines} lines read, {used} used, {not_understood} not understood.",
    ),
}
_OUTCOMES: dict[Language, dict[str | None, str]] = {
    "zh": {"ok": "正常", "error": "异常", "cancelled": "已取消", "closed": "已关闭", "abandoned": "已放弃"},
    "en": {},
}


def report_text(report: Report, counters: ReadCounters, language: Language) -> str:
    """Write a report: what to fix first, the table, the slowest runs, what never ended, what was read."""
    words = WORDS[language]
    parts = [_first(report, words), table(words.columns, _rows(report, words), left=(0, 13))]
    failed = [
        "  " + words.failure.format(operation=shorten(_label(one)), kinds=_kinds(one))
        for one in report.operations
        if one.errors
    ]
    if failed:
        parts.append("\n".join([words.failures, *failed]) + "\n")
    if report.slowest:
        parts.append(f"{words.slowest}\n{runs_text(report.slowest, language)}")
    if report.never_ended:
        shown = report.never_ended[:MAX_NEVER_ENDED]
        lines = [words.never_ended.format(count=len(report.never_ended))]
        lines += [f"  {shorten(run.operation_id)}  {_place(run, words)}" for run in shown]
        if len(report.never_ended) > len(shown):
            lines.append("  " + words.more.format(count=len(report.never_ended) - len(shown)))
        parts.append("\n".join(lines) + "\n")
    if counters.first_not_understood:
        places = "".join(f"  {file}:{line}\n" for file, line in counters.first_not_understood)
        parts.append(f"{words.not_understood}\n{places}")
    if report.duplicates:
        parts.append(words.duplicates.format(count=report.duplicates) + "\n")
    counts = {"lines": counters.lines, "used": counters.used, "not_understood": counters.not_understood}
    parts.append(words.read.format(**counts) + "\n")
    return "\n".join(part for part in parts if part)


def runs_text(runs: Sequence[SlowRun], language: Language) -> str:
    """Write the slowest runs as a table."""
    return table(WORDS[language].run_columns, [_run_row(run, language) for run in runs], left=(0, 2, 3))


def _first(report: Report, words: Words) -> str:
    """Name the segment that takes most time of all, where an operation has more than one."""
    found = [
        (segment.total, operation.name, segment)
        for operation in report.operations
        for segment in operation.segments
        if segment.bottleneck and len(operation.segments) > 1
    ]
    if not found:
        return ""
    total, name, segment = max(found, key=lambda one: one[0])
    return (
        words.first.format(
            operation=shorten(name), segment=shorten(segment.name), share=f"{segment.share:.1%}", total=duration(total)
        )
        + "\n"
    )


def _rows(report: Report, words: Words) -> Iterable[Sequence[str]]:
    for operation in report.operations:
        yield _operation_row(operation)
        # One alone is the whole operation again.
        for segment in operation.segments if len(operation.segments) > 1 else ():
            yield (
                "  " + segment.name,
                str(segment.count),
                *("", "", ""),
                duration(segment.total),
                *("", ""),
                duration(segment.p50),
                duration(segment.p95),
                *("", ""),
                f"{segment.share:.1%}",
                words.bottleneck if segment.bottleneck else "",
            )


def _operation_row(operation: OperationReport) -> Sequence[str]:
    running = "-"
    if operation.running is not None and operation.suspended is not None:
        known = operation.running + operation.suspended
        running = f"{operation.running / known:.0%}" if known else "-"
    return (
        _label(operation),
        *(str(n) for n in (operation.count, operation.failures, operation.cancelled, operation.never_ended)),
        duration(operation.total),
        duration(operation.self),
        running,
        *(duration(value) for value in (operation.p50, operation.p95, operation.p99, operation.max)),
        f"{operation.share:.1%}",
        "",
    )


def _label(operation: OperationReport) -> str:
    return operation.name if operation.group is None else f"{operation.name} [{operation.group}]"


def _kinds(operation: OperationReport) -> str:
    named = [f"{shorten(failure.type)} {failure.count}" for failure in operation.errors[:MAX_ERRORS]]
    return ", ".join([*named, "..."] if len(operation.errors) > MAX_ERRORS else named)


def _run_row(run: SlowRun, language: Language) -> Sequence[str]:
    outcome = _OUTCOMES[language].get(run.outcome, str(run.outcome))
    return run.operation_id, duration(run.duration), outcome, run.bottleneck or ""


def _place(run: NeverEnded, words: Words) -> str:
    if run.last_checkpoint is None:
        return words.at_start
    return words.stood_at.format(checkpoint=shorten(run.last_checkpoint))
