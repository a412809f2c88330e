"""Opens what is named on a command line and tells by its content how to read it."""

import codecs
import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO, cast

from perftrace.core.record import Record
from perftrace.formats.line import parse
from perftrace.sources.jsonlines import looks_like, read_lines
from perftrace.sources.logfile import LogReader
from perftrace.sources.reading import Source
from perftrace.store.folder import LINES, contents

MAX_LINE = 1 << 20
"""Characters of a line that are looked at; what is longer is no line of ours."""
_BLOCK = _PEEK = 1 << 16
_GZIP = b"\x1f\x8b"


class FileSource(Source):
    """Reads files in the order given: logs and JSON lines, plain or gzipped.

    paths: files, trace directories, or `-` for standard input.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__()
        self._paths = list(paths)
        self._logs = LogReader(self.books)

    def __iter__(self) -> Iterator[Record]:
        for path in self._files():
            try:
                with _open(path) as file:
                    yield from self._records(path, file)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                self.errors.append(f"{path}: damaged gzip, read up to there: {error}")
            except OSError as error:
                self.errors.append(f"{path}: {error.strerror or error}")
        self.unfinished += self._logs.unfinished()

    def _files(self) -> Iterator[str]:
        """Give the paths, the files of a trace directory in its place."""
        for path in self._paths:
            if not os.path.isdir(path):
                yield path
                continue
            try:
                files = contents(path).files
            except OSError as error:
                self.errors.append(f"{path}: {error.strerror or error}")
                continue
            if not files:
                self.errors.append(f"{path}: a directory without trace files (*{LINES})")
            yield from (os.fspath(file.path) for file in files)

    def _records(self, path: str, file: BinaryIO) -> Iterator[Record]:
        used = self.books.used
        beginning: bytes = file.peek(_PEEK)  # type: ignore[attr-defined]  # buffered and gzipped files have it
        watched = _Watched(file, _encoding_of(beginning))
        if looks_like(beginning):
            for record in read_lines(path, iter(watched), self.books):
                if record.outcome is None:
                    self.unfinished.append(record)
                else:
                    yield record
        else:
            yield from self._logs.read(path, iter(watched))
        if self.books.used == used and watched.has_nul:
            self.errors.append(f"{path}: binary or UTF-16, not a log in UTF-8")


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        return nullcontext(sys.stdin.buffer)
    file = open(path, "rb")  # noqa: SIM115  # handed on
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
    """Tell a log that a Chinese Windows wrote in its own encoding from one in UTF-8, by its first lines."""
    for encoding in ("utf-8", "gb18030"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(beginning)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or any(line and parse(line) for line in text.split("\n")):
            return encoding
    return "utf-8"


class _Watched:
    """Gives lines, which LF alone ends, without their LF, and tells whether there were characters that no log has.

    Bytes that are not of its encoding become U+FFFD. Of an endless line only the first `MAX_LINE` characters are
    given, so that memory is bounded.
    """

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding, "replace", newline="\n")
        self.has_nul = False

    def __iter__(self) -> Iterator[str]:
        # Block by block: asking for each line on its own costs three times as much.
        read = self._text.read
        looked_at, rest = 0, ""
        while block := read(_BLOCK):
            if looked_at < MAX_LINE:  # whatever is binary shows it early
                looked_at += len(block)
                self.has_nul = self.has_nul or "\0" in block
            lines = (rest + block).split("\n")
            rest = lines.pop()[:MAX_LINE]
            yield from lines
        if rest:
            yield rest
        self._text.detach()
