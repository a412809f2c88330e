"""Texts for people: those of the command line, of its answers, and of perftrace's own warnings."""

from typing import Literal

from perftrace.messages import en, zh
from perftrace.messages.texts import Texts

Language = Literal["zh", "en"]
TEXTS: dict[Language, Texts] = {"zh": zh.TEXTS, "en": en.TEXTS}
