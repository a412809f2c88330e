"""The report as plain text."""

from collections.abc import Iterable, Sequence

from perftrace.analysis.report import NeverEnded, OperationReport, Report, SlowRun
from perftrace.messages import TEXTS, Language
from perftrace.messages.texts import ReportTexts
from perftrace.sources.base import ReadCounters
from perftrace.views.table import duration, shorten, table

MAX_NEVER_ENDED = 10
"""How many runs that never ended are listed; the rest is a number."""
MAX_ERRORS = 5
"""How many types of failures are listed for an operation."""


def report_text(report: Report, counters: ReadCounters, language: Language) -> str:
    """Write a report: what to fix first, the table, the slowest runs, what never ended, what was read."""
    words = TEXTS[language].report
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
    return table(TEXTS[language].report.run_columns, [_run_row(run, language) for run in runs], left=(0, 2, 3))


def _first(report: Report, words: ReportTexts) -> str:
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


def _rows(report: Report, words: ReportTexts) -> Iterable[Sequence[str]]:
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
    outcome = TEXTS[language].report.outcomes.get(run.outcome, str(run.outcome))
    return run.operation_id, duration(run.duration), outcome, run.bottleneck or ""


def _place(run: NeverEnded, words: ReportTexts) -> str:
    if run.last_checkpoint is None:
        return words.at_start
    return words.stood_at.format(checkpoint=shorten(run.last_checkpoint))
