"""Predictions on a terminal."""

from perftrace.analysis.predictions import FasterStep, WhatIf
from perftrace.messages import TEXTS, Language
from perftrace.views.console import Styled, TextView, paragraphs
from perftrace.views.table import NAME, NUMBER, Column, Table
from perftrace.views.text import duration, shorten, step_name, unused_blocks

MAX_STEPS = 10
"""How many steps are listed; the rest is a number."""
_COLUMNS = (
    NAME,
    Column(dropped=1),
    NUMBER,
    Column(dropped=6),
    Column(dropped=2),
    Column(dropped=3),
    Column(dropped=7),
    Column(dropped=4),
    Column(dropped=5),
    Column(dropped=8),
)


def whatif_view(found: WhatIf, language: Language) -> TextView:
    """Return the step that saves most in a sentence, all in a table, and what is assumed."""
    words = TEXTS[language].whatif
    name = shorten(found.operation)
    unused = unused_blocks(found.unused, language)
    if found.needed:
        return paragraphs([[words.too_few.format(operation=name, count=found.count, needed=found.needed)], *unused])
    if not found.steps:
        return paragraphs([[words.nothing.format(operation=name, count=found.count)], *unused])
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
    further = len(by_step) - len(rows) + found.left_out
    more = [words.more.format(count=further)] if further else []
    table = Table(words.columns, _COLUMNS, rows, language)
    return paragraphs([[Styled(first, "bold")], [table, *more], [words.assumption], *unused])


def _row(steps: list[FasterStep]) -> tuple[str, ...]:
    half = steps[1]
    cells = [step_name(half.operation, half.segment), *(duration(step.gain) for step in steps)]
    for change in (half.p50, half.p95):
        cells += [duration(change.now), duration(change.then), f"{duration(change.low)}..{duration(change.high)}"]
    return tuple(cells)
