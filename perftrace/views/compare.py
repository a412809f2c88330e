"""Comparisons as plain text."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from perftrace.analysis.compare import Compared, Comparison, Verdict
from perftrace.formats.line import Language
from perftrace.views.table import duration, shorten, table


class Words(NamedTuple):
    """The words in one language."""

    counts: str
    columns: tuple[str, ...]
    verdicts: dict[Verdict, str]
    needed: str
    only: str
    nothing: str
    method: str


WORDS: dict[Language, Words] = {
    "zh": Words(
        "变慢 {slower} 个，变快 {faster} 个，无变化 {same} 个，无法判定 {inconclusive} 个操作。",
        ("操作", "次数 A", "次数 B", "p50 A", "p50 B", "变化", "区间", "结论"),
        {"slower": "变慢 ▲", "faster": "变快 ▼", "same": "无变化", "inconclusive": "无法判定"},
        "两边各还需约 {needed} 次",
        "只在 {side} 中: {names}",
        "两边没有共同的操作。",
        "区间为 {level:.0%}，按块自助法，比较的是 p50。",
    ),
    "en": Words(
        "{slower} slower, {faster} faster, {same} the same, {inconclusive} inconclusive, of the operations.",
        ("operation", "runs A", "runs B", "p50 A", "p50 B", "change", "interval", "verdict"),
        {"slower": "slower ▲", "faster": "faster ▼", "same": "same", "inconclusive": "inconclusive"},
        "about {needed} more runs on each side",
        "Only in {side}: {names}",
        "The two have no operation in common.",
        "Intervals of the change of p50, at {level:.0%}, by a block bootstrap.",
    ),
}


def compare_text(found: Compared, language: Language) -> str:
    """Write the number of verdicts, all in a table, and what only one side has."""
    words = WORDS[language]
    lines = []
    if found.operations:
        verdicts = [operation.verdict for operation in found.operations]
        lines += [words.counts.format(**{name: verdicts.count(name) for name in words.verdicts}), ""]
        lines += [table(words.columns, _rows(found, words), left=(0, 7)), words.method.format(level=found.level)]
    else:
        lines.append(words.nothing)
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            lines.append(words.only.format(side=side, names=", ".join(map(shorten, names))))
    return "\n".join(lines) + "\n"


def _rows(found: Compared, words: Words) -> Iterator[Sequence[str]]:
    for operation in found.operations:
        yield _row(operation, operation.name, words)
        # One alone is the whole operation again.
        for segment in operation.segments if len(operation.segments) > 1 else ():
            yield _row(segment, "  " + segment.name, words)


def _row(one: Comparison, name: str, words: Words) -> Sequence[str]:
    verdict = words.verdicts[one.verdict]
    if one.needed:
        verdict += f" ({words.needed.format(needed=one.needed)})"
    interval = "" if one.low is None or one.high is None else f"{one.low:+.1%}..{one.high:+.1%}"
    change = "" if one.change is None else f"{one.change:+.1%}"
    counts = (str(one.count_a), str(one.count_b))
    return (name, *counts, duration(one.before), duration(one.after), change, interval, verdict)
