"""Makes `logging.LogRecord`s at a third of their price, where nobody has a record factory of his own."""

import logging
import os
import threading
from asyncio import _get_running_loop, current_task
from logging import Logger, LogRecord
from types import FunctionType

_new = object.__new__


def is_own(method: object) -> bool:
    """Report whether a method is `logging`'s own; a monitoring agent may have been there before this import."""
    return type(method) is FunctionType and method.__globals__ is vars(logging)


_make_record, _get_message = (
    method if is_own(method) else None for method in (Logger.makeRecord, LogRecord.getMessage)
)
_HAS_TASK_NAME = "taskName" in LogRecord("", 0, "", 0, "", (), None).__dict__  # from Python 3.12 on
_PLACE = ("(unknown file)", 0)
"""No caller is looked for: finding one costs more than the line, and would find perftrace."""


class RecordMaker:
    """Makes records for one logger.

    `LogRecord`'s constructor takes paths apart, counts milliseconds and asks for names that are the
    same for all lines of a process: a quarter of the whole price of a line. Here these come from a
    record that it made once; what differs from line to line is set anew.
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self.name: str = logger.name
        self._learnt_with: bool | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def are_plain(self) -> bool:
        """Report whether nobody has put something of his own in place of `logging`'s records."""
        if Logger.makeRecord is not _make_record or LogRecord.getMessage is not _get_message:
            return False
        return logging.getLogRecordFactory() is LogRecord

    def make(self, level: int, line: str, time_ns: int) -> LogRecord:
        """Make the record of a line that tells of a moment, in Unix nanoseconds."""
        if not self.are_plain():
            return self._timed(self._constructed(level, line), time_ns)
        if self._learnt_with is not logging.logProcesses:
            self._learn()
        record: LogRecord = _new(LogRecord)
        record.__dict__ = own = self._common.copy()
        own["msg"] = line
        own["levelno"] = level
        own["levelname"] = logging.getLevelName(level)
        own["created"] = _seconds(time_ns)
        own["msecs"] = time_ns // 1_000_000 % 1000 + 0.0
        own["relativeCreated"] = time_ns / 1e6 - self._beginning
        if logging.logThreads:
            own["thread"] = threading.get_ident()
            own["threadName"] = threading.current_thread().name
        if _HAS_TASK_NAME:
            own["taskName"] = _task_name()
        return record

    def _learn(self) -> None:
        """Copy from a real record what all lines of this process have in common."""
        real = self._constructed(logging.INFO, "")
        self._beginning = real.created * 1000 - real.relativeCreated
        """When logging began to count, in milliseconds."""
        self._common = dict(real.__dict__)
        # What a formatter adds finds room: copies have the original's, and growing costs 1 µs a line.
        self._common.update(message=None, asctime=None)
        del self._common["message"], self._common["asctime"]
        self._learnt_with = logging.logProcesses

    def _forget(self) -> None:
        """Learn anew in a forked child."""
        self._learnt_with = None

    def _timed(self, record: LogRecord, time_ns: int) -> LogRecord:
        """Return a record another time."""
        beginning = record.created * 1000 - record.relativeCreated
        record.created = _seconds(time_ns)
        record.msecs = time_ns // 1_000_000 % 1000 + 0.0
        record.relativeCreated = time_ns / 1e6 - beginning
        return record

    def _constructed(self, level: int, line: str) -> LogRecord:
        return self._logger.makeRecord(self._logger.name, level, *_PLACE, line, (), None, "(unknown function)")


def _seconds(time_ns: int) -> float:
    """Return a moment as seconds, in whole microseconds: of nanoseconds a float rounds up to the next second."""
    return time_ns // 1000 / 1e6


def _task_name() -> str | None:
    loop = _get_running_loop()
    task = None if loop is None or not getattr(logging, "logAsyncioTasks", False) else current_task(loop)
    return None if task is None else task.get_name()
