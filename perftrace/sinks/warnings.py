"""Sinks that have something to say for themselves."""

import contextlib
import logging

from perftrace.core.sink import Sink
from perftrace.formats.line import NOTES, Language, Notes

_LOGGER = logging.getLogger("performance_monitor")


class LocalizedSink(Sink):
    """A sink that warns, in the configured language."""

    language: Language = "zh"
    """Of what it has to say."""

    def notes(self) -> Notes:
        """Give the texts of perftrace's own warnings."""
        return NOTES[self.language]


class WarnOnce:
    """Tells each kind of trouble once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, what: str, note: str) -> None:
        """Warn, the first time; a logging that is broken itself changes nothing, as `stats()` counts."""
        if what not in self._told:
            self._told.add(what)
            with contextlib.suppress(Exception):
                _LOGGER.warning("%s", note)
