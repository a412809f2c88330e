"""Predictions as plain text."""

from perftrace.analysis.whatif import FasterStep, WhatIf
from perftrace.messages import TEXTS, Language
from perftrace.views.table import duration, shorten, step_name, table

MAX_STEPS = 10
"""How many steps are listed; the rest is a number."""


def whatif_text(found: WhatIf, language: Language) -> str:
    """Write the step that saves most in a sentence, all in a table, and what is assumed."""
    words = TEXTS[language].whatif
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
        "\n".join([first, "", table(words.columns, rows, left=(0,)).rstrip("\n"), *more, "", words.assumption]) + "\n"
    )


def _row(steps: list[FasterStep]) -> tuple[str, ...]:
    half = steps[1]
    cells = [step_name(half.operation, half.segment), *(duration(step.gain) for step in steps)]
    for change in (half.p50, half.p95):
        cells += [duration(change.now), duration(change.then), f"{duration(change.low)}..{duration(change.high)}"]
    return tuple(cells)
