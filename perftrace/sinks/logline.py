"""Writes each event as a line through the standard library's `logging`."""

import logging
import sys
from collections.abc import Iterator

from perftrace.core.record import Reached, Record, Started
from perftrace.core.sink import Sink
from perftrace.formats.line import WORDS, Language, encode_checkpoint, encode_done, encode_start
from perftrace.sinks.logrecord import RecordMaker

LOGGER = logging.getLogger("performance_monitor")
"""Where lines and perftrace's own warnings go."""
_is_enabled_for = LOGGER.isEnabledFor
_handle, _call_handlers = logging.Logger.handle, logging.Logger.callHandlers


class LogSink(Sink):
    """One line an event on the logger `performance_monitor`; failed and slow operations at WARNING.

    A line carries the time of its event, whenever it is written. The application's handlers, formats and
    levels apply. Where there is no handler at all and the logger has no level, lines go to standard error.

    language: `zh` or `en`; without it, the configured one.
    """

    def __init__(self, language: Language | None = None) -> None:
        self.chooses_language = language is not None
        self.language: Language = language or "zh"

    @property
    def language(self) -> Language:
        """The language of the lines."""
        return self._language

    @language.setter
    def language(self, language: Language) -> None:
        self._words = WORDS[language]
        self._language = language

    def wants(self) -> bool:
        """Tell whether at least failed and slow operations would be logged."""
        return _listening(logging.WARNING)

    def started(self, event: Started) -> None:
        """Write the line of a start."""
        if _is_enabled_for(logging.INFO) or _listening(logging.INFO):
            line = encode_start(self._words, event.operation_id, event.description, event.name)
            _log(logging.INFO, line, event.start)

    def reached(self, event: Reached) -> None:
        """Write the line of a checkpoint."""
        if _is_enabled_for(logging.INFO) or _listening(logging.INFO):
            line = encode_checkpoint(self._words, event.operation_id, event.name, event.description, event.elapsed_ns)
            _log(logging.INFO, line, event.start + event.elapsed_ns)

    def finished(self, record: Record) -> None:
        """Write the line of a finish."""
        level = logging.WARNING if record.slow or record.outcome in ("error", "abandoned") else logging.INFO
        if _is_enabled_for(level) or _listening(level):
            _log(level, encode_done(self._words, record), record.start + record.duration_ns)


def _listening(level: int) -> bool:
    """Tell whether a line of this level would appear anywhere."""
    if _is_enabled_for(level):
        return True
    return LOGGER.level == logging.NOTSET and not LOGGER.hasHandlers() and _not_silenced(level)


def _not_silenced(level: int) -> bool:
    return not LOGGER.disabled and LOGGER.manager.disable < level


def _log(level: int, line: str, time_ns: int) -> None:
    record = _RECORDS.make(level, line, time_ns)
    kind = type(LOGGER)
    if kind.handle is not _handle or kind.callHandlers is not _call_handlers:  # a monitoring agent's, as Sentry's
        for handler in _handlers():
            _fit(record, handler)
        LOGGER.handle(record)
        return
    # `handle` and `callHandlers` in one: with `_fit` in a walk of its own, a line cost a tenth more.
    if LOGGER.filters:
        answer: object = LOGGER.filter(record)
        if not answer:
            return
        if isinstance(answer, logging.LogRecord):  # from Python 3.12 on, a filter may give another record
            record = answer
    has_handlers = False
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        for handler in logger.handlers:
            has_handlers = True
            if level >= handler.level:
                _fit(record, handler)
                handler.handle(record)
                record.msg = line
        logger = logger.parent if logger.propagate else None
    if has_handlers:
        return
    if LOGGER.level == logging.NOTSET:
        _STANDARD_ERROR.handle(record)
    else:
        LOGGER.callHandlers(record)  # finds none, and does what the application wants then


def _handlers() -> Iterator[logging.Handler]:
    """Give the handlers that a line would reach."""
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _fit(record: logging.LogRecord, handler: logging.Handler) -> None:
    """Escape what the handler's stream could not encode: it would print a traceback and lose the line."""
    stream = getattr(handler, "stream", None)
    encoding = getattr(stream, "encoding", None)
    if encoding not in _WIDE and isinstance(encoding, str):
        record.msg = _fitting(record.msg, encoding, getattr(stream, "errors", None) or "strict")


_WIDE = {None, "utf-8", "UTF-8", "utf8", "utf-16", "utf-32"}
"""Encodings that know every character, as streams call them."""


def _fitting(line: str, encoding: str, errors: str) -> str:
    """Escape what the stream of one of the application's handlers could not encode."""
    try:
        line.encode(encoding, errors)
    except UnicodeError:
        return line.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:  # an encoding that Python does not know: the handler's own matter
        return line
    return line


class _StandardError(logging.Handler):
    """Writes to what `sys.stderr` is now; a failure is the sink's, to be counted."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line whole."""
        stream = sys.stderr
        if stream is None:
            raise OSError("there is no standard error")
        line = self.format(record) + "\n"
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


_RECORDS = RecordMaker(LOGGER)
_STANDARD_ERROR = _StandardError()
_STANDARD_ERROR.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
