"""Sinks that have something to say for themselves."""

from perftrace.core.sink import Sink
from perftrace.formats.line import NOTES, Language, Notes


class Speaking(Sink):
    """A sink that warns, in the configured language."""

    language: Language = "zh"
    """Of what it has to say."""

    def notes(self) -> Notes:
        """Give the texts of perftrace's own warnings."""
        return NOTES[self.language]
