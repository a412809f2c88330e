"""The report on a terminal."""

from collections.abc import Iterable, Sequence

from perftrace.analysis.reports import NeverEnded, OperationReport, Report, Segment, SlowRun
from perftrace.core.values import END
from perftrace.formats.line import escape
from perftrace.messages import TEXTS, Language, Message, in_language
from perftrace.messages.texts import ReportTexts
from perftrace.sources.base import ReadCounters
from perftrace.views.console import Part, Styled, TextView, paragraphs
from perftrace.views.table import NAME, NUMBER, Column, Table
from perftrace.views.text import duration, shorten

MAX_ROWS = 1000
"""How many operations and segments are listed; the rest is a number, as rich takes a millisecond for each row."""
MANY_SEGMENTS = 10
"""Of more segments in an operation the small ones share a row."""
SMALL = 0.01
"""The share of its operation's time below which a segment is small."""
MAX_NEVER_ENDED = 10
"""How many runs that never ended are listed; the rest is a number."""
MAX_CALLERS = 5
"""How many callers are named."""
MAX_TEXT = 100
"""The widest line that is shown of those that were not understood."""
MAX_ERRORS = 5
"""How many types of failures are listed for an operation."""


def _sign(mark: str, _: int) -> str:
    return mark[:1]


_FAILED = {"^[1-9].*": "red"}
_COLUMNS = (
    NAME,
    Column(dropped=2),
    Column(dropped=3, styles=_FAILED),
    Column(dropped=8),
    Column(dropped=7),
    NUMBER,
    Column(dropped=6),
    Column(dropped=9),
    Column(dropped=1),
    NUMBER,
    Column(dropped=5),
    Column(dropped=4),
    NUMBER,
    Column(is_left=True, narrowed=_sign, least=1, styles={".+": "bold yellow"}),
)
_RUN_COLUMNS = (NAME, NUMBER, Column(is_left=True, styles={"error|异常": "red"}), NAME)


def report_view(report: Report, counters: ReadCounters, language: Language) -> TextView:
    """Return a report: what to fix first, the table, the slowest runs, what never ended, what was read."""
    words = TEXTS[language].report
    first = _first(report, words)
    blocks: list[list[Part]] = []
    if counters.first_not_understood:
        blocks.append([words.not_understood, *_missed(counters, language)])
    blocks += [[Styled(first, "bold")]] if first else []
    shown = _operations_shown(report.operations)
    blocks.append([Table(words.columns, _COLUMNS, _rows(shown, words), language)])
    if len(report.operations) > len(shown):
        blocks[-1].append(words.more.format(count=len(report.operations) - len(shown)))
    if any(one.self is None for one in shown):
        blocks[-1].append(words.unplaced)
    failed = [_failures(one, words) for one in shown if one.errors]
    if failed:
        blocks.append([words.failures, *(f"  {line}" for line in failed)])
    if report.slowest:
        blocks.append([words.slowest, runs_table(report.slowest, language)])
    if report.never_ended:
        blocks.append(_never_ended(report.never_ended, words))
    if counters.obscured:
        blocks.append([words.obscured.format(count=counters.obscured)])
    if report.duplicates:
        blocks.append([words.duplicates.format(count=report.duplicates)])
    counts = {"lines": counters.lines, "used": counters.used, "not_understood": counters.not_understood}
    blocks.append([words.read.format(**counts)])
    return paragraphs(blocks)


def _missed(counters: ReadCounters, language: Language) -> Iterable[str]:
    """Tell the first lines that were not understood, and why."""
    for (file, line), (text, reason) in counters.misses():
        why = f": {shorten(text, MAX_TEXT)} ({in_language(Message(f'miss_{reason}'), language)})" if reason else ""
        yield f"  {escape(file)}:{line}{why}"


def runs_table(runs: Sequence[SlowRun], language: Language) -> Table:
    """Return the slowest runs as a table."""
    rows = [_run_row(run, language) for run in runs]
    return Table(TEXTS[language].report.run_columns, _RUN_COLUMNS, rows, language)


def _operations_shown(operations: Sequence[OperationReport]) -> Sequence[OperationReport]:
    """Return those whose rows are not too many in all; one at least."""
    rows = 0
    for number, operation in enumerate(operations):
        rows += 1 + len(operation.segments)
        if rows > MAX_ROWS and number:
            return operations[:number]
    return operations


def _never_ended(runs: Sequence[NeverEnded], words: ReportTexts) -> list[Part]:
    shown = runs[:MAX_NEVER_ENDED]
    lines = [words.never_ended.format(count=len(runs))]
    lines += [f"  {shorten(run.operation_id)}  {_place(run, words)}" for run in shown]
    if len(runs) > len(shown):
        lines.append("  " + words.more.format(count=len(runs) - len(shown)))
    return [*lines]


def _first(report: Report, words: ReportTexts) -> str:
    """Name the segment to fix first, and who calls it."""
    found = report.fix_first
    if found is None:
        return ""
    segments = [
        one for operation in report.operations if operation.name == found.operation for one in operation.segments
    ]
    step = shorten(found.operation)
    if any(one.name != found.segment for one in segments):  # one alone is the whole operation
        step = words.step.format(operation=step, segment=shorten(found.segment))
    if found.share is None:
        share = next((one.share for one in segments if one.name == found.segment), 0.0)
        return words.first_of_log.format(step=step, share=f"{share:.1%}", total=duration(found.own))
    share_of_all, total = f"{found.share:.1%}", duration(found.own)
    lines = [words.first.format(step=step, share=share_of_all, total=total, count=found.count)]
    if found.callers:
        callers = [f"{shorten(one.name)} {one.share:.0%}" for one in found.callers[:MAX_CALLERS]]
        callers += ["..."] if len(found.callers) > MAX_CALLERS else []
        lines.append(words.callers.format(callers=", ".join(callers)))
    if found.sampled is not None:
        lines.append(words.sampled.format(traces=found.sampled.traces, of=found.sampled.of))
    return "\n".join(lines)


def _rows(operations: Sequence[OperationReport], words: ReportTexts) -> Iterable[Sequence[str]]:
    for operation in operations:
        yield _operation_row(operation)
        # One alone is the whole operation again.
        shown, folded = _told(operation.segments if len(operation.segments) > 1 else ())
        for segment in shown:
            if segment.name == END:
                yield from _folded_row(folded, words)
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
        if shown and shown[-1].name != END:
            yield from _folded_row(folded, words)


def _told(segments: Sequence[Segment]) -> tuple[Sequence[Segment], Sequence[Segment]]:
    """Tell segments that have a row each from those that share one: of many, the small ones."""
    shown: list[Segment] = []
    small: list[Segment] = []
    for one in segments:
        (small if one.share < SMALL and not one.bottleneck and one.name != END else shown).append(one)
    return (shown, small) if len(segments) > MANY_SEGMENTS and len(small) > 1 else (segments, ())


def _folded_row(segments: Sequence[Segment], words: ReportTexts) -> Iterable[Sequence[str]]:
    if segments:
        share = sum(one.share for one in segments)
        label = words.folded.format(count=len(segments), share=f"{SMALL:.0%}")
        total = duration(sum(one.total for one in segments))
        yield ("  " + label, *("", "", "", ""), total, *("", "", "", "", "", ""), f"{share:.1%}")


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
        "-" if operation.share is None else f"{operation.share:.1%}",
        "",
    )


def _label(operation: OperationReport) -> str:
    return operation.name if operation.group is None else f"{operation.name} [{operation.group}]"


def _failures(operation: OperationReport, words: ReportTexts) -> str:
    shown = operation.errors[:MAX_ERRORS]
    kinds = [f"{shorten(words.outcomes.get(failure.type, failure.type))} {failure.count}" for failure in shown]
    kinds += ["..."] if len(operation.errors) > MAX_ERRORS else []
    return words.failure.format(operation=shorten(_label(operation)), kinds=", ".join(kinds))


def _run_row(run: SlowRun, language: Language) -> Sequence[str]:
    outcome = TEXTS[language].report.outcomes.get(run.outcome, str(run.outcome))
    return run.operation_id, duration(run.duration), outcome, run.bottleneck or ""


def _place(run: NeverEnded, words: ReportTexts) -> str:
    if run.last_checkpoint is None:
        return words.at_start
    return words.stood_at.format(checkpoint=shorten(run.last_checkpoint))
