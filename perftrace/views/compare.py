"""Comparisons on a terminal."""

from collections.abc import Iterator, Sequence
from typing import get_args

from perftrace.analysis.comparison import Compared, Comparison, Verdict
from perftrace.messages import TEXTS, Language
from perftrace.messages.texts import CompareTexts
from perftrace.views.console import Part, TextView, paragraphs
from perftrace.views.table import NAME, NUMBER, Column, Table
from perftrace.views.text import duration, shorten

MAX_OPERATIONS = 250
"""How many operations are listed; the rest is a number."""
_COLUMNS = (
    NAME,
    Column(dropped=5),
    Column(dropped=4),
    Column(dropped=1),
    Column(dropped=2),
    NUMBER,
    Column(dropped=3),
    Column(is_left=True, least=12, styles={"▲": "bold red", "▼": "bold green"}),
)


def compare_view(found: Compared, language: Language) -> TextView:
    """Return the number of verdicts, all in a table, and what only one side has."""
    words = TEXTS[language].compare
    blocks: list[list[Part]] = []
    rest: list[Part] = []
    if found.operations:
        verdicts = [operation.verdict for operation in found.operations]
        blocks.append([words.counts.format(**{name: verdicts.count(name) for name in get_args(Verdict)})])
        shown = found.operations[:MAX_OPERATIONS]
        blocks.append([Table(words.columns, _COLUMNS, _rows(shown, words), language)])
        if len(found.operations) > len(shown):
            blocks[-1].append(words.more.format(count=len(found.operations) - len(shown)))
        rest.append(words.method.format(level=found.level))
    else:
        rest.append(words.nothing)
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            rest.append(words.only.format(side=side, names=", ".join(map(shorten, names))))
    return paragraphs([*blocks, rest])


def _rows(operations: Sequence[Comparison], words: CompareTexts) -> Iterator[Sequence[str]]:
    for operation in operations:
        yield _row(operation, operation.name, words)
        # One alone is the whole operation again.
        for segment in operation.segments if len(operation.segments) > 1 else ():
            yield _row(segment, "  " + segment.name, words)


def _row(one: Comparison, name: str, words: CompareTexts) -> Sequence[str]:
    verdict = words.verdicts[one.verdict]
    if one.needed:
        verdict += f" ({words.needed.format(needed=one.needed)})"
    interval = "" if one.low is None or one.high is None else f"{one.low:+.1%}..{one.high:+.1%}"
    change = "" if one.change is None else f"{one.change:+.1%}"
    counts = (str(one.count_a), str(one.count_b))
    return (name, *counts, duration(one.before), duration(one.after), change, interval, verdict)
