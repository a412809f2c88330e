"""Writes each event as a line through the standard library's `logging`."""

import logging
import sys
from collections.abc import Iterator, Mapping

from perftrace.core.events import Reached, Started
from perftrace.core.record import Record, level_of
from perftrace.core.sink import Sink
from perftrace.formats.line import WORDS, encode_checkpoint, encode_done, encode_start
from perftrace.messages import TEXTS, Language
from perftrace.sinks.log.fast_writer import fitted, write
from perftrace.sinks.log.record_factory import RecordMaker, is_own
from perftrace.sinks.warnings import LOGGER, WarnOnce

"""Where lines and perftrace's own warnings go."""
_is_enabled_for = LOGGER.isEnabledFor
_handle, _call_handlers = (
    method if is_own(method) else None for method in (logging.Logger.handle, logging.Logger.callHandlers)
)


class LogSink(Sink):
    """One line an event on the logger `performance_monitor`; failed and slow operations at WARNING.

    Calls that integrations trace by themselves (HTTP, SQL, redis) are told at DEBUG, the rest at INFO.

    A line carries the time of its event, whenever it is written. The application's handlers, formats and
    levels apply. Where there is no handler at all and the logger has no level, lines go to standard error.

    language: `zh` or `en`; without it, the configured one.
    """

    def __init__(self, language: Language | None = None) -> None:
        self.chooses_language: bool = language is not None
        self.language: Language = language or "zh"
        self._disabled = 0
        """Events that came while the logger was disabled."""
        self._warnings = WarnOnce()

    @property
    def language(self) -> Language:
        """The language of the lines."""
        return self._language

    @language.setter
    def language(self, language: Language) -> None:
        self._words = WORDS[language]
        self._language = language

    def is_enabled(self) -> bool:
        """Report whether at least failed and slow operations would be logged, or are lost and have to be counted."""
        return LOGGER.disabled or _listening(logging.WARNING)

    def _lose(self) -> None:
        """Count an event where the application's logging configuration, perhaps unaware, disabled the logger."""
        self._disabled += 1
        self._warnings.warn("disabled", TEXTS[self._language].warnings.logger_disabled.format(logger=LOGGER.name))

    def dropped(self) -> Mapping[str, int]:
        """Count the events that came while the logger was disabled."""
        return {"disabled": self._disabled}

    def started(self, event: Started) -> None:
        """Write the line of a start."""
        level = event.level
        if _is_enabled_for(level) or _listening(level):
            line = encode_start(self._words, event.operation_id, event.description, event.name)
            _log(level, line, event.start)
        elif LOGGER.disabled:
            self._lose()

    def reached(self, event: Reached) -> None:
        """Write the line of a checkpoint."""
        level = event.level
        if _is_enabled_for(level) or _listening(level):
            line = encode_checkpoint(self._words, event.operation_id, event.name, event.description, event.elapsed_ns)
            _log(level, line, event.start + event.elapsed_ns)
        elif LOGGER.disabled:
            self._lose()

    def finished(self, record: Record) -> None:
        """Write the line of a finish."""
        level = logging.WARNING if record.slow or record.outcome in ("error", "abandoned") else level_of(record)
        if _is_enabled_for(level) or _listening(level):
            _log(level, encode_done(self._words, record), record.start + record.duration_ns)
        elif LOGGER.disabled:
            self._lose()


def _listening(level: int) -> bool:
    """Report whether a line of this level would appear anywhere."""
    if _is_enabled_for(level):
        return True
    return (
        level >= logging.INFO and LOGGER.level == logging.NOTSET and not LOGGER.hasHandlers() and _not_silenced(level)
    )


def _not_silenced(level: int) -> bool:
    return not LOGGER.disabled and LOGGER.manager.disable < level


def _log(level: int, line: str, time_ns: int) -> None:
    kind = type(LOGGER)
    if kind.handle is not _handle or kind.callHandlers is not _call_handlers:  # a monitoring agent's, as Sentry's
        record = _RECORDS.make(level, line, time_ns)
        for handler in _handlers():
            _fit(record, handler)
        LOGGER.handle(record)
        return
    # `handle` and `callHandlers` in one: with `_fit` in a walk of its own, a line cost a tenth more.
    made: logging.LogRecord | None = None
    if LOGGER.filters:
        made = _RECORDS.make(level, line, time_ns)
        answer: object = LOGGER.filter(made)
        if not answer:
            return
        if isinstance(answer, logging.LogRecord):  # from Python 3.12 on, a filter may give another record
            made = answer
    is_plain = made is None and _RECORDS.are_plain()
    has_handlers = False
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        for handler in logger.handlers:
            has_handlers = True
            if level >= handler.level and not (is_plain and write(handler, _RECORDS, level, line, time_ns)):
                if made is None:
                    made = _RECORDS.make(level, line, time_ns)
                _hand(made, handler)
        logger = logger.parent if logger.propagate else None
    if has_handlers:
        return
    record = made or _RECORDS.make(level, line, time_ns)
    if LOGGER.level == logging.NOTSET:
        _STANDARD_ERROR.handle(record)
    else:
        LOGGER.callHandlers(record)  # finds none, and does what the application wants then


def _handlers() -> Iterator[logging.Handler]:
    """Return the handlers that a line would reach."""
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _hand(record: logging.LogRecord, handler: logging.Handler) -> None:
    """Give a handler a record with what its stream can encode."""
    whole = record.msg
    _fit(record, handler)
    handler.handle(record)
    if whole is not record.msg:  # escaped for this one only
        record.msg = whole


def _fit(record: logging.LogRecord, handler: logging.Handler) -> None:
    """Escape what the handler's stream could not encode: it would print a traceback and lose the line."""
    if isinstance(record.msg, str):  # a filter may have put anything there
        record.msg = fitted(record.msg, getattr(handler, "stream", None))


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
