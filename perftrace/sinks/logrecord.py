"""Makes `logging.LogRecord`s at a third of their price, where nobody has a record factory of his own."""

import asyncio
import logging
import os
import threading
import time

_PLACE = ("(unknown file)", 0)
"""No caller is looked for: finding one costs more than the line, and would find perftrace."""


class RecordMaker:
    """Makes records for one logger.

    `LogRecord`'s constructor takes paths apart, counts milliseconds and asks for names that are the
    same for all lines of a process: a quarter of the whole price of a line. Here these come from a
    record that it made once; what differs from line to line is set anew.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._common: dict[str, object] = {}
        self._created = self._relative = 0.0
        self._process: int | None = None

    def make(self, level: int, line: str) -> logging.LogRecord:
        """Make the record of a line."""
        if logging.getLogRecordFactory() is not logging.LogRecord:
            return self._constructed(level, line)
        process = os.getpid() if logging.logProcesses else None
        if process != self._process or not self._common:
            self._learn(process)
        now = time.time()
        record: logging.LogRecord = object.__new__(logging.LogRecord)
        own = record.__dict__
        own.update(self._common)
        own["msg"] = line
        own["levelno"] = level
        own["levelname"] = logging.getLevelName(level)
        own["created"] = now
        own["msecs"] = int((now - int(now)) * 1000) + 0.0
        own["relativeCreated"] = self._relative + (now - self._created) * 1000
        if logging.logThreads:
            own["thread"] = threading.get_ident()
            own["threadName"] = threading.current_thread().name
        if "taskName" in own:  # from Python 3.12 on
            own["taskName"] = _task_name()
        return record

    def _learn(self, process: int | None) -> None:
        """Take from a real record what all lines of this process have in common."""
        real = self._constructed(logging.INFO, "")
        self._created, self._relative = real.created, real.relativeCreated
        self._process = process
        self._common = dict(real.__dict__)

    def _constructed(self, level: int, line: str) -> logging.LogRecord:
        return self._logger.makeRecord(self._logger.name, level, *_PLACE, line, (), None, "(unknown function)")


def _task_name() -> str | None:
    loop = asyncio._get_running_loop()
    task = None if loop is None or not getattr(logging, "logAsyncioTasks", False) else asyncio.current_task(loop)
    return None if task is None else task.get_name()
