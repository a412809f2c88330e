"""Advice as plain text: one concrete next step for each finding."""

from perftrace.analysis.advice import Advice, Finding
from perftrace.messages import TEXTS, Language
from perftrace.views.table import duration, shorten

MAX_FINDINGS = 10
"""How many are listed; the rest is a number."""


def finding_text(finding: Finding, language: Language) -> str:
    """Return what to do next, in a sentence."""
    text = TEXTS[language].advice.texts[finding.rule]
    return text.format(operation=shorten(finding.operation), segment=shorten(finding.segment))


def advice_text(found: Advice, language: Language) -> str:
    """Write the findings, each with its gain and where to look."""
    words = TEXTS[language].advice
    if not found.findings:
        return words.nothing.format(count=found.count) + "\n"
    lines = [words.first.format(count=found.count, findings=len(found.findings))]
    shown = found.findings[:MAX_FINDINGS]
    for number, finding in enumerate(shown, 1):
        gain = finding.gain
        lines += ["", f"{number}. {finding_text(finding, language)}"]
        lines.append(
            "   "
            + words.gain.format(
                total=_saved(gain.total),
                p50=_saved(gain.p50),
                p95=_saved(gain.p95),
                count=finding.count,
                confidence=finding.confidence,
            )
        )
        lines.append("   " + words.evidence.format(ids=", ".join(map(shorten, finding.evidence[:3]))))
    if len(found.findings) > len(shown):
        lines += ["", words.more.format(count=len(found.findings) - len(shown))]
    return "\n".join(lines) + "\n"


def _saved(seconds: float) -> str:
    return duration(max(0.0, seconds))
