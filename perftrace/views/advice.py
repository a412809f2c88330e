"""Advice on a terminal: one concrete next step for each finding."""

from rich.text import Text

from perftrace.analysis.advice import Advice, Finding
from perftrace.messages import TEXTS, Language
from perftrace.views.console import Part, TextView, paragraphs
from perftrace.views.text import duration, shorten, unused_blocks

MAX_FINDINGS = 10
"""How many are listed; the rest is a number."""


def finding_text(finding: Finding, language: Language) -> str:
    """Return what to do next, in a sentence."""
    text = TEXTS[language].advice.texts[finding.rule]
    return text.format(operation=shorten(finding.operation), segment=shorten(finding.segment))


def advice_view(found: Advice, language: Language) -> TextView:
    """Return the findings, each with its gain and where to look."""
    words = TEXTS[language].advice
    unused = unused_blocks(found.unused, language)
    if not found.findings:
        return paragraphs([[words.nothing.format(count=found.count)], *unused])
    shown = found.findings[:MAX_FINDINGS]
    blocks: list[list[Part]] = [[words.first.format(count=found.count, findings=len(found.findings))]]
    blocks += [_finding(number, finding, language) for number, finding in enumerate(shown, 1)]
    if len(found.findings) > len(shown):
        blocks.append([words.more.format(count=len(found.findings) - len(shown))])
    return paragraphs([*blocks, *unused])


def _finding(number: int, finding: Finding, language: Language) -> list[Part]:
    words = TEXTS[language].advice
    gain = words.gain.format(
        total=_saved(finding.gain.total),
        p50=_saved(finding.gain.p50),
        p95=_saved(finding.gain.p95),
        count=finding.count,
        confidence=finding.confidence,
    )
    evidence = words.evidence.format(ids=", ".join(map(shorten, finding.evidence[:3])))
    return [Text(f"{number}. {finding_text(finding, language)}", style="bold"), f"   {gain}", f"   {evidence}"]


def _saved(seconds: float) -> str:
    return duration(max(0.0, seconds))
