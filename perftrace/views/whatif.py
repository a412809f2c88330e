"""Predictions as plain text."""

from typing import NamedTuple

from perftrace.analysis.whatif import FasterStep, WhatIf
from perftrace.formats.line import Language
from perftrace.views.table import duration, shorten, step_name, table

MAX_STEPS = 10
"""How many steps are listed; the rest is a number."""


class Words(NamedTuple):
    """The words in one language."""

    first: str
    columns: tuple[str, ...]
    more: str
    too_few: str
    nothing: str


ASSUMPTION: dict[Language, str] = {
    "zh": "前提: 各步骤的先后与等待关系和记录时相同；不模拟对处理器、锁和连接的排队。区间为 95%。",
    "en": "Assumed: what waits for what stays as recorded; queueing for processors, locks and connections is not "
    "modelled. Intervals are at 95 %.",
}
WORDS: dict[Language, Words] = {
    "zh": Words(
        "{operation}（{count} 次）: 把 {step} 的耗时减半，全部合计可省 {gain}，p50 由 {now} 降到 {then}",
        ("步骤", "省时 -25%", "-50%", "-100%", "p50 现在", "-50% 后", "区间", "p95 现在", "-50% 后", "区间"),
        "……另有 {count} 个步骤",
        "{operation} 只有 {count} 次，还需要 {needed} 次才能预测。",
        "{operation}（{count} 次）: 没有哪个步骤变快能省时间。",
    ),
    "en": Words(
        "{operation} ({count} runs): {step} in half its time saves {gain} in all, p50 goes from {now} to {then}",
        ("step", "saves at -25%", "-50%", "-100%", "p50 now", "at -50%", "interval", "p95 now", "at -50%", "interval"),
        "... and {count} steps more",
        "{operation} has {count} runs; a prediction needs {needed} more.",
        "{operation} ({count} runs): no step saves anything by being faster.",
    ),
}


def whatif_text(found: WhatIf, language: Language) -> str:
    """Write the step that saves most in a sentence, all in a table, and what is assumed."""
    words = WORDS[language]
    name = shorten(found.operation)
    if found.needed:
        return words.too_few.format(operation=name, count=found.count, needed=found.needed) + "\n"
    if not found.steps:
        return words.nothing.format(operation=name, count=found.count) + "\n"
    by_step: dict[tuple[str, str], list[FasterStep]] = {}
    for step in found.steps:
        by_step.setdefault((step.operation, step.segment), []).append(step)
    rows = [_row(steps) for steps in list(by_step.values())[:MAX_STEPS]]
    half = next(iter(by_step.values()))[1]
    first = words.first.format(
        operation=name,
        count=found.count,
        step=step_name(half.operation, half.segment),
        gain=duration(half.gain),
        now=duration(half.p50.now),
        then=duration(half.p50.then),
    )
    more = [words.more.format(count=len(by_step) - len(rows))] if len(by_step) > len(rows) else []
    return (
        "\n".join([first, "", table(words.columns, rows, left=(0,)).rstrip("\n"), *more, "", ASSUMPTION[language]])
        + "\n"
    )


def _row(steps: list[FasterStep]) -> tuple[str, ...]:
    half = steps[1]
    cells = [step_name(half.operation, half.segment), *(duration(step.gain) for step in steps)]
    for change in (half.p50, half.p95):
        cells += [duration(change.now), duration(change.then), f"{duration(change.low)}..{duration(change.high)}"]
    return tuple(cells)
