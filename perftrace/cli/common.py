"""What the commands share that read sources: records, and what is told of the reading."""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from perftrace.analysis.filters import RecordFilter, parse_condition, parse_time
from perftrace.formats.line import escape
from perftrace.messages import Language
from perftrace.sources.aggregates import RunAggregates
from perftrace.sources.base import ReadCounters
from perftrace.sources.files import FileSource

_MAX_NAMED = 5


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the argument for sources to a command."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a log file, JSON lines, a trace directory, OTLP, a Chrome trace, or - for standard input",
    )


def add_selection(parser: argparse.ArgumentParser, *, operation: bool = True) -> None:
    """Add the options that select a part of the sources.

    operation: whether by operation, too.
    """
    if operation:
        parser.add_argument("--operation", metavar="NAME", help="of this one only")
    parser.add_argument(
        "--since", type=_time, metavar="TIME", help="runs that started then or later: 2h, 7d, 2026-11-01, unix seconds"
    )
    parser.add_argument("--until", type=_time, metavar="TIME", help="runs that started before then")
    parser.add_argument(
        "--where",
        type=_condition,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="runs with this attribute, key or outcome; may be given more than once",
    )


def selection_of(options: argparse.Namespace) -> RecordFilter:
    """Return what the options select."""
    return RecordFilter(getattr(options, "operation", None), options.since, options.until, tuple(options.where))


def nothing_left() -> int:
    """Report that no record of the source is selected; return the exit status."""
    print("perftrace: no record is left: see --operation, --since, --until and --where", file=sys.stderr)
    return 1


def _time(text: str) -> float:
    try:
        return parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _condition(text: str) -> tuple[str, str]:
    try:
        return parse_condition(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def open_source(files: Sequence[str], aggregates: RunAggregates | None = None) -> FileSource:
    """Open what a command names; where reading takes long, a terminal shows how far it is."""
    source = FileSource(files, aggregates)
    if sys.stderr.isatty():
        source.on_progress = _Progress(files)
    return source


class _Progress:
    """Shows on standard error how much has been read, from the first second on."""

    def __init__(self, files: Sequence[str]) -> None:
        sizes = [os.path.getsize(file) for file in files if os.path.isfile(file)]
        self._size = sum(sizes) if len(sizes) == len(files) else 0
        """Of all, if it is known."""
        self._read = 0
        self._next = time.monotonic() + 1
        self._is_shown = False

    def __call__(self, read: int) -> None:
        self._read += read
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 0.2
        # Of a gzipped file less is known to be there than is read.
        share = f" of {self._size / 1e6:.0f}" if self._read <= self._size else ""
        print(f"\r\x1b[Kperftrace: {self._read / 1e6:.0f}{share} MB read", end="", file=sys.stderr, flush=True)
        self._is_shown = True

    def wipe(self) -> None:
        """Leave the line as it was."""
        if self._is_shown:
            self._is_shown = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def report_read_errors(source: FileSource, files: Sequence[str]) -> int:
    """Report on standard error what could not be read; return the exit status, 2 where that is anything or all.

    Call it when the source has been read.
    """
    if isinstance(source.on_progress, _Progress):
        source.on_progress.wipe()
    for error in source.errors:
        print(f"perftrace: {error}", file=sys.stderr)
    _tell_of_skipped(source.counters)
    if not source.counters.used and not source.errors:
        print(f"perftrace: {_nothing(files, source.counters)}", file=sys.stderr)
    return 2 if source.errors or not source.counters.used else 0


def language_of(options: argparse.Namespace, source: FileSource | None = None) -> Language:
    """Return the language of a command's text: what was asked for, else that of the log that was read, else Chinese."""
    found: Language | None = options.language or (None if source is None else source.language)
    return found or "zh"


def json_envelope(command: str, counters: ReadCounters, **found: Any) -> dict[str, Any]:
    """Make what `--json` prints."""
    places = [{"file": file, "line": line} for file, line in counters.first_not_understood]
    read = {
        "lines": counters.lines,
        "used": counters.used,
        "not_understood": counters.not_understood,
        "first_not_understood": places,
        "newer": counters.newer,
        "skipped": counters.skipped,
    }
    return {"v": 1, "command": command, "source": read, **found}


def _tell_of_skipped(counters: ReadCounters) -> None:
    """Report what was left out on purpose."""
    if counters.newer:
        print(
            f"perftrace: {counters.newer} lines were written by a newer perftrace; upgrade to read them",
            file=sys.stderr,
        )
    if counters.skipped:
        names = ", ".join(escape(name) for name in counters.skipped[:_MAX_NAMED])
        more = f" and {len(counters.skipped) - _MAX_NAMED} more" if len(counters.skipped) > _MAX_NAMED else ""
        print(f"perftrace: passed over, as they hold no records: {names}{more}", file=sys.stderr)


def _nothing(files: Sequence[str], counters: ReadCounters) -> str:
    """Return one line that says why there is nothing to report."""
    names = ", ".join(files)
    if not counters.lines:
        return f"{names}: empty"
    if not counters.not_understood:
        return f"{names}: no line of perftrace among {counters.lines} lines"
    file, line = counters.first_not_understood[0]
    return (
        f"{names}: none of the {counters.not_understood} lines of perftrace is understood; the first is {file}:{line}"
    )


def needs_numpy(command: str) -> bool:
    """Report whether numpy is there; if not, say what helps."""
    if importlib.util.find_spec("numpy") is not None:
        return True
    print(f"perftrace: {command} needs numpy: pip install 'perftrace-toolkit[analysis]'", file=sys.stderr)
    return False
