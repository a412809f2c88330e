"""Opens what is named on a command line and tells by its content how to read it."""

import codecs
import contextlib
import gzip
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import BinaryIO, cast

from perftrace.core.record import Record
from perftrace.formats.languages import language_of_log
from perftrace.formats.line import parse
from perftrace.messages import Language, Message
from perftrace.sources.aggregates import EVERYTHING, RunAggregates, RunTimes
from perftrace.sources.base import Source
from perftrace.sources.jsonlines import looks_like, read_lines
from perftrace.sources.limits import LimitedReader
from perftrace.sources.logfile import LogReader
from perftrace.sources.parallel import PART, blocks, read_parts

MAX_LINE = 1 << 20
"""Characters of a line that are looked at; what is longer is no line of ours."""
_BLOCK = _PEEK = 1 << 16
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"


class FileSource(Source):
    """Reads files in the order given: logs, JSON lines, OTLP and Chrome's traces, plain or gzipped; Parquet of a store.

    paths: files, trace directories, or `-` for standard input. aggregates: counts the usual runs of logs, and those of
    stores' Parquet files, which then are not among the records; three times as fast, and large logs are read on all
    cores. Or it takes the times of the runs of Parquet files, which then are no records, either.
    """

    language: Language | None
    """Of the first log that has lines of perftrace's; None where none has."""

    def __init__(self, paths: Iterable[str], aggregates: RunAggregates | RunTimes | None = None) -> None:
        super().__init__(aggregates if isinstance(aggregates, RunAggregates) else None)
        self._of_stores = aggregates
        self._paths = list(paths)
        self._logs = LogReader(self.counters)

    def __iter__(self) -> Iterator[Record]:
        for record in self._every():
            self.count(record)
            yield record

    def _every(self) -> Iterator[Record]:
        folders = [(number, path) for number, path in enumerate(self._paths) if os.path.isdir(path)]
        for number, path in enumerate(self._paths):
            if os.path.isdir(path):
                elsewhere = [other for at, other in folders if at != number]
                from perftrace.sources.directory import read_directory  # a log needs nothing of stores

                yield from read_directory(path, self, partial(self._file, is_lines=True), self._of_stores, elsewhere)
                continue
            try:
                yield from self._file(path)
            except FileNotFoundError:
                self._fail(path, Message("not_found"))
        yield from self._logs.late_ends()
        self.unfinished.extend(self._logs.unfinished())
        if self.aggregates is not None:
            self.aggregates.finish()

    def _file(self, path: str, is_lines: bool = False) -> Iterator[Record]:
        """Read a file; raises FileNotFoundError, adds to the errors what else goes wrong.

        is_lines: whether it holds JSON lines, whatever it begins with.
        """
        try:
            with _open(path) as file:
                if file.peek(4)[:4] != _PARQUET:  # type: ignore[attr-defined]  # as below
                    yield from self._records(path, file, is_lines)
                elif path == "-":
                    self._fail(path, Message("parquet_from_stdin"))
                else:
                    from perftrace.sources.directory import read_parquet

                    yield from read_parquet(path, self)
        except FileNotFoundError:
            raise
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self._fail(path, Message("damaged_gzip", error=error))
        except OSError as error:
            self._fail(path, error.strerror or error)
        except (ValueError, ImportError) as error:
            self._fail(path, error)

    def _records(self, path: str, file: BinaryIO, is_lines: bool) -> Iterator[Record]:
        used = self.counters.used
        beginning: bytes = file.peek(_PEEK)  # type: ignore[attr-defined]  # buffered and gzipped files have it
        if not is_lines and _may_be_foreign(beginning):
            from perftrace.sources import foreign  # a log needs nothing of it

            name = foreign.unread(beginning)
            if name:
                self._fail(path, Message("foreign_format", name=name))
                return
            is_plain = path != "-" and isinstance(file, io.BufferedReader)
            read = foreign.reader_of(beginning, file if is_plain else None)
            if read is not None:
                yield from self._finished(read(path, LimitedReader(file, isinstance(file, _Gunzipped)), self.counters))
                return
        self.language = self.language or language_of_log(beginning)
        try:
            yield from self._lines(path, file, is_lines, beginning)
        finally:
            if self.language is None and self.counters.used > used and path != "-":
                self.language = _first_language(path)

    def _lines(self, path: str, file: BinaryIO, is_lines: bool, beginning: bytes) -> Iterator[Record]:
        """Read a log or JSON lines."""
        used = self.counters.used
        is_json = is_lines or looks_like(beginning)
        encoding = _encoding_of(beginning)
        aggregates = self.aggregates
        may_count = aggregates is not None and aggregates.selection == EVERYTHING
        if aggregates is not None and may_count and encoding == "utf-8" and not is_json and b"\0" not in beginning:
            yield from self._count(path, file, aggregates)
            return
        watched = _LineReader(file, encoding, self.on_progress)
        if is_json:
            yield from self._finished(read_lines(path, iter(watched), self.counters))
        else:
            yield from self._logs.read(path, iter(watched))
        if self.counters.used == used and watched.has_nul and not is_lines:
            self._fail(path, Message("binary"))

    def _fail(self, path: str, error: object) -> None:
        self.errors.append(Message("in_place", place=path, error=error))

    def _finished(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield what has ended; keep what has not."""
        for record in records:
            if record.outcome is None:
                self.unfinished.append(record)
            else:
                yield record

    def _count(self, path: str, file: BinaryIO, aggregates: RunAggregates) -> Iterator[Record]:
        """Read a log for its numbers: a large file on all cores, if it is one that can be read in parts."""
        # Others cannot open what is standard input here, nor begin in the middle of gzip.
        is_plain = path != "-" and isinstance(file, io.BufferedReader) and file.seekable()
        size = os.fstat(file.fileno()).st_size if is_plain else 0
        before = self.counters.lines
        if size <= PART:
            for block in blocks(file):
                yield from self._logs.count(path, (block,), aggregates, self.counters.lines - before)
                self._progress(len(block))
            return
        for part in read_parts(path, size, aggregates.slowest):
            yield from self._logs.merge(part.left, self.counters.lines - before)
            yield from part.records
            aggregates.merge(part.aggregates)
            self._progress(PART)

    def _progress(self, read: int) -> None:
        if self.on_progress is not None:
            self.on_progress(read)


def _first_language(path: str) -> Language | None:
    """Return the language of a log whose first line of ours comes late."""
    end = b""
    with contextlib.suppress(OSError), _open(path) as file:
        while block := file.read(1 << 20):
            found = language_of_log(end + block)
            if found is not None:
                return found
            end = block[-200:]
    return None


def _may_be_foreign(beginning: bytes) -> bool:
    """Report whether a file may be another tool's: it begins as JSON does, or has control characters as protobuf."""
    start = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start in (b"{", b"[") or any(byte < 9 or 13 < byte < 27 for byte in beginning[:4096])


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        if sys.stdin is None:
            raise ValueError(Message("stdin_closed"))
        return nullcontext(sys.stdin.buffer)
    file = open(path, "rb")  # noqa: SIM115  # returned
    if file.peek(2)[:2] == _GZIP:
        return cast("AbstractContextManager[BinaryIO]", _Gunzipped(file))
    return file


class _Gunzipped(gzip.GzipFile):
    """A gzipped file that closes the one below it, too."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._below = file

    def close(self) -> None:
        super().close()
        self._below.close()


def _encoding_of(beginning: bytes) -> str:
    """Return the encoding of a log, UTF-8 or that of a Chinese Windows, told by its first lines."""
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and beginning.count(0) > len(beginning) // 4:
        return "utf-16"  # as PowerShell writes it
    for encoding in ("utf-8", "gb18030"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(beginning)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or any(line and parse(line) for line in text.split("\n")):
            return encoding
    return "utf-8"


class _LineReader:
    """Gives lines, which LF alone ends, without their LF, and tells whether there were characters that no log has.

    Bytes that are not of its encoding become U+FFFD. Of an endless line only the first `MAX_LINE` characters are
    given, so that memory is bounded.
    """

    def __init__(self, file: BinaryIO, encoding: str, on_progress: Callable[[int], object] | None) -> None:
        self._on_progress = on_progress
        self._text = io.TextIOWrapper(file, encoding, "replace", newline="\n")
        self.has_nul = False

    def __iter__(self) -> Iterator[str]:
        # Block by block: asking for each line on its own costs three times as much.
        read = self._text.read
        looked_at, rest = 0, ""
        while block := read(_BLOCK):
            if self._on_progress is not None:
                self._on_progress(_BLOCK)
            if looked_at < MAX_LINE:  # whatever is binary shows it early
                looked_at += len(block)
                self.has_nul = self.has_nul or "\0" in block
            lines = (rest + block).split("\n")
            rest = lines.pop()[:MAX_LINE]
            yield from lines
        if rest:
            yield rest
        self._text.detach()
