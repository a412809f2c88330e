"""Why slow runs are slow, on a terminal: a sentence first."""

from rich.text import Text

from perftrace.analysis.tails import TYPICAL, Why
from perftrace.messages import TEXTS, Language
from perftrace.views.console import Part, TextView, paragraphs
from perftrace.views.table import NAME, NUMBER, Column, Table
from perftrace.views.text import duration, shorten, step_name, unused_blocks

MAX_PARTS = 10
"""How many steps are listed; the rest is a number."""
_COLUMNS = (NAME, NUMBER, NUMBER, Column(dropped=1))
_ATTRIBUTE_COLUMNS = (NAME, NAME, NUMBER, NUMBER, Column(dropped=1))


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


def why_view(found: Why, language: Language) -> TextView:
    """Return the sentence, the steps, and what the slowest have more often."""
    words = TEXTS[language].why
    first: list[Part] = [Text(why_sentence(found, language), style="bold")]
    if not found.enough:
        first.append(words.too_few.format(count=found.count, needed=found.needed))
    first.append(
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
    steps: list[Part] = [Table(words.columns, _COLUMNS, rows, language)]
    if len(found.parts) > len(shown):
        steps.append(words.more.format(count=len(found.parts) - len(shown)))
    blocks = [first, steps]
    if found.attributes:
        values = [
            (one.name, one.value, f"{one.tail:.0%}", f"{one.typical:.0%}", f"{one.p:.1g}") for one in found.attributes
        ]
        blocks.append([words.attributes, Table(words.attribute_columns, _ATTRIBUTE_COLUMNS, values, language)])
    elif found.enough:
        blocks.append([words.no_attributes])
    return paragraphs([*blocks, *unused_blocks(found.unused, language)])
