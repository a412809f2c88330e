"""The logger, and what sinks have to warn of themselves."""

import contextlib
import logging

from perftrace.core.sink import Sink
from perftrace.messages import TEXTS, Language
from perftrace.messages.texts import WarningTexts

LOGGER = logging.getLogger("performance_monitor")
"""What log lines and warnings go through."""


class LocalizedSink(Sink):
    """A sink that warns, in the configured language."""

    language: Language = "zh"
    """Of what it has to say."""

    def notes(self) -> WarningTexts:
        """Return the texts of perftrace's own warnings."""
        return TEXTS[self.language].warnings


class WarnOnce:
    """Warns of each kind of trouble once."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def warn(self, what: str, note: str) -> None:
        """Warn, the first time; a logging that is broken itself changes nothing, as `stats()` counts."""
        if what not in self._warned:
            self._warned.add(what)
            with contextlib.suppress(Exception):
                LOGGER.warning("%s", note)
