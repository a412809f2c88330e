"""Log files with perftrace's lines among any others -> records."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from perftrace.core.record import NO_ATTRIBUTES, Mark, Record
from perftrace.formats.line import Identity, Line, escape, is_ours, parse, split_body, split_checkpoint, split_id
from perftrace.sources.reading import Source

MAX_LINE = 1 << 20
"""Bytes of a line that are looked at; what is longer is no line of ours."""
RECENT = 10_000
"""How many finished ids are remembered, to tell a line written twice from a new run."""


@dataclass(slots=True)
class _Run:
    """What is known of an operation whose finish has not been read."""

    operation_id: str
    description: str = ""
    start: int = 0
    start_seen: bool = True
    marks: list[Mark] = field(default_factory=list)


class LogSource(Source):
    """Reads log files in the order given, as one stream: a run may begin in one and end in the next.

    paths: files, or `-` for standard input.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__()
        self._paths = list(paths)
        self._running: dict[str, _Run] = {}
        self._names: set[str] = set()
        self._recent: dict[str, None] = {}

    def __iter__(self) -> Iterator[Record]:
        for path in self._paths:
            try:
                with _open(path) as file:
                    yield from self._read_file(path, file)
            except OSError as error:
                self.errors.append(f"{path}: {error.strerror or error}")
        self.unfinished += [self._unfinished(run) for run in self._running.values()]
        self._running.clear()

    def _read_file(self, path: str, file: BinaryIO) -> Iterator[Record]:
        used_before, binary = self.books.used, False
        for number, raw in enumerate(_lines(file), 1):
            self.books.lines += 1
            if b"[PERF]" not in raw:
                binary = binary or b"\0" in raw
                continue
            text = raw.decode("utf-8", "replace")
            line = parse(text)
            if line is not None:
                self.books.used += 1
                record = self._take(line, text)
                if record is not None:
                    yield record
            elif is_ours(text):
                self.books.miss(path, number)
        if self.books.used == used_before and binary:
            self.errors.append(f"{path}: binary or UTF-16, not a log in UTF-8")

    def _take(self, line: Line, text: str) -> Record | None:
        if line.kind == "start":
            operation_id, description = split_body(line.body)
            self._start(operation_id, description, text)
            return None
        if line.kind == "checkpoint":
            operation_id, name, description = split_checkpoint(line.body, self._running)
            run = self._running.get(operation_id)
            if run is None:
                run = self._running[operation_id] = _Run(operation_id, start_seen=False)
            run.marks.append((name, description, line.duration_ns, NO_ATTRIBUTES))
            return None
        return self._finish(line)

    def _start(self, operation_id: str, description: str, text: str) -> None:
        former = self._running.get(operation_id)
        if former is not None:
            if split_id(operation_id).span:
                return  # such an id never starts twice: two handlers wrote the same line
            self.unfinished.append(self._unfinished(former))
        self._running[operation_id] = _Run(operation_id, description, _time_of(text))

    def _finish(self, line: Line) -> Record | None:
        operation_id, done = self._split_finish(line.body)
        run = self._running.pop(operation_id, None)
        if run is None:
            if operation_id in self._recent:
                return None
            run = _Run(operation_id, start_seen=False)
        key_name, identity = self._identify(operation_id, line.fields)
        if identity.span:
            self._remember(operation_id)
        return Record(
            identity.name,
            span=identity.span,
            given_id=operation_id,
            description=run.description,
            done=done,
            key=identity.key,
            key_name=key_name,
            start=run.start,
            duration_ns=line.duration_ns,
            outcome=line.outcome,
            error_type=line.error_type,
            error=line.error,
            attributes=dict(line.fields if key_name is None else line.fields[1:]),
            slow=line.slow,
            marks=run.marks,
            start_seen=run.start_seen,
        )

    def _split_finish(self, body: str) -> tuple[str, str]:
        """Split a finish by the ids that run: an id of the explicit API may hold ` - ` itself."""
        operation_id, text = split_body(body)
        at = body.find(" - ")
        while operation_id not in self._running and (at := body.find(" - ", at + 3)) >= 0:
            if body[:at] in self._running:
                return body[:at], body[at + 3 :]
        return operation_id, text

    def _identify(self, operation_id: str, fields: tuple[tuple[str, str], ...]) -> tuple[str | None, Identity]:
        """Split the id by the key, if the first field names it: its value ends what stands before the unique part."""
        for name, value in fields[:1]:
            identity = split_id(operation_id, value)
            if identity.span and value in (identity.key, escape(identity.key or "")):
                self._names.add(identity.name)
                return name, identity
        return None, split_id(operation_id, names=self._names)

    def _remember(self, operation_id: str) -> None:
        self._recent[operation_id] = None
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def _unfinished(self, run: _Run) -> Record:
        identity = split_id(run.operation_id, names=self._names)
        return Record(
            identity.name,
            span=identity.span,
            given_id=run.operation_id,
            description=run.description,
            key=identity.key,
            start=run.start,
            outcome=None,
            marks=run.marks,
            start_seen=run.start_seen,
        )


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Give lines, ended by LF alone; of an endless one only its first `MAX_LINE` bytes, so that memory is bounded."""
    while raw := file.readline(MAX_LINE):
        yield raw
        while len(raw) == MAX_LINE and not raw.endswith(b"\n"):
            raw = file.readline(MAX_LINE)


def _time_of(text: str) -> int:
    """Read the time that a formatter put before a line, as Unix nanoseconds in local time; 0 if there is none."""
    if not text[:1].isdigit():
        return 0
    try:
        time = datetime.fromisoformat(text[:23].replace(",", "."))
        return round(time.timestamp() * 1000) * 1_000_000
    except (ValueError, OverflowError, OSError):
        return 0
