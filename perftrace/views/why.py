"""Why slow runs are slow, as plain text: a sentence first."""

from typing import NamedTuple

from perftrace.analysis.why import TYPICAL, Why
from perftrace.formats.line import Language, escape
from perftrace.views.table import duration, shorten, step_name, table

MAX_PARTS = 10
"""How many steps are listed; the rest is a number."""


class Words(NamedTuple):
    """The words in one language."""

    longer: str
    part: str
    attribute: str
    end: str
    no_gap: str
    too_few: str
    groups: str
    columns: tuple[str, ...]
    more: str
    attributes: str
    attribute_columns: tuple[str, ...]
    no_attributes: str


WORDS: dict[Language, Words] = {
    "zh": Words(
        "{operation} 最慢的 {share:g}% 比通常多用 {gap}",
        "，其中 {part} 来自 {step}",
        "；其中 {tail:.0%} 带有 {name}={value}（通常为 {typical:.0%}）",
        "。",
        "{operation}（{count} 次）: 最慢的与通常的一样快。",
        "只有 {count} 次，还需要 {needed} 次，以下结果才可靠。",
        "最慢的: {tail_count} 次，平均 {tail_mean}；通常（p{low:.0f} 到 p{high:.0f}）: {typical_count} 次，"
        "平均 {typical_mean}。",
        ("步骤（关键路径上）", "多用", "占差距", "占方差"),
        "……另有 {count} 个步骤",
        "最慢的更常带有（错误发现率 5%）:",
        ("属性", "值", "最慢的", "通常", "p 值"),
        "没有哪个属性或键在最慢的里更常见。",
    ),
    "en": Words(
        "The slowest {share:g}% of {operation} take {gap} longer than typical ones",
        "; {part} of it is {step}",
        "; {tail:.0%} of them have {name}={value} (typical: {typical:.0%})",
        ".",
        "{operation} ({count} runs): the slowest are as fast as typical ones.",
        "There are {count} runs only; what follows needs {needed} more to be relied on.",
        "Slowest: {tail_count} runs, {tail_mean} on average; typical (p{low:.0f} to p{high:.0f}): {typical_count} "
        "runs, {typical_mean} on average.",
        ("step (on the critical path)", "longer by", "of the gap", "of the variance"),
        "... and {count} steps more",
        "The slowest have more often (false discovery rate 5%):",
        ("attribute", "value", "slowest", "typical", "p"),
        "No attribute and no key is more frequent among the slowest.",
    ),
}


def why_sentence(found: Why, language: Language) -> str:
    """Describe it in one sentence."""
    words = WORDS[language]
    operation = shorten(found.operation)
    if found.gap <= 0 or not found.parts:
        return words.no_gap.format(operation=operation, count=found.count)
    part = found.parts[0]
    share = round((1 - found.tail_from) * 100, 6)
    sentence = words.longer.format(operation=operation, share=share, gap=duration(found.gap))
    sentence += words.part.format(part=duration(part.gap), step=step_name(part.operation, part.segment))
    for one in found.attributes[:1]:
        name, value = shorten(one.name), shorten(one.value)
        sentence += words.attribute.format(tail=one.tail, typical=one.typical, name=name, value=value)
    return sentence + words.end


def why_text(found: Why, language: Language) -> str:
    """Write the sentence, the steps, and what the slowest have more often."""
    words = WORDS[language]
    lines = [why_sentence(found, language)]
    if not found.enough:
        lines.append(words.too_few.format(count=found.count, needed=found.needed))
    lines.append(
        words.groups.format(
            tail_count=found.tail.count,
            tail_mean=duration(found.tail.mean),
            typical_count=found.typical.count,
            typical_mean=duration(found.typical.mean),
            low=TYPICAL[0] * 100,
            high=TYPICAL[1] * 100,
        )
    )
    shown = found.parts[:MAX_PARTS]
    rows = [
        (
            step_name(part.operation, part.segment),
            f"{'-' if part.gap < 0 else ''}{duration(abs(part.gap))}",
            f"{part.share:.1%}",
            f"{part.variance_share:.1%}",
        )
        for part in shown
    ]
    lines += ["", table(words.columns, rows, left=(0,)).rstrip("\n")]
    if len(found.parts) > len(shown):
        lines.append(words.more.format(count=len(found.parts) - len(shown)))
    if found.attributes:
        values = [
            (escape(one.name), escape(one.value), f"{one.tail:.0%}", f"{one.typical:.0%}", f"{one.p:.1g}")
            for one in found.attributes
        ]
        lines += ["", words.attributes, table(words.attribute_columns, values, left=(0, 1)).rstrip("\n")]
    elif found.enough:
        lines += ["", words.no_attributes]
    return "\n".join(lines) + "\n"
