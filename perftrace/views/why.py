"""Why slow runs are slow, as plain text: a sentence first."""

from perftrace.analysis.why import TYPICAL, Why
from perftrace.formats.line import escape
from perftrace.messages import TEXTS, Language
from perftrace.views.table import duration, shorten, step_name, table

MAX_PARTS = 10
"""How many steps are listed; the rest is a number."""


def why_sentence(found: Why, language: Language) -> str:
    """Describe it in one sentence."""
    words = TEXTS[language].why
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
    words = TEXTS[language].why
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
