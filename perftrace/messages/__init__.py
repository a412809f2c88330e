"""Texts for people: those of the command line, of its answers and errors, and of perftrace's own warnings."""

from perftrace.messages.message import TEXTS, Message, in_language
from perftrace.messages.texts import Language

__all__ = ["TEXTS", "Language", "Message", "in_language"]
