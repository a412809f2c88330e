"""The logger, and what sinks have to warn of themselves."""

import contextlib
import logging
import sys

from perftrace.core.sink import Sink
from perftrace.messages import TEXTS, Language
from perftrace.messages.texts import WarningTexts

LOGGER = logging.getLogger("performance_monitor")
"""What log lines and warnings go through."""


def warn(note: str) -> None:
    """Write a warning of perftrace's own, on standard error where the logger is disabled.

    A logging that is broken itself changes nothing: what is lost is counted in `stats()`.
    """
    with contextlib.suppress(Exception):
        if not LOGGER.disabled:
            LOGGER.warning("%s", note)
        elif sys.stderr is not None:
            print(f"perftrace: {note}", file=sys.stderr, flush=True)


class LocalizedSink(Sink):
    """A sink that warns, in the configured language."""

    language: Language = "zh"
    """Of what it has to say."""

    def _notes(self) -> WarningTexts:
        """Return the texts of perftrace's own warnings."""
        return TEXTS[self.language].warnings


class WarnOnce:
    """Warns of each kind of trouble once."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def warn(self, what: str, note: str) -> None:
        """Warn, the first time."""
        if what not in self._warned:
            self._warned.add(what)
            warn(note)
