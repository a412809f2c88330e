"""What the commands share that read sources: records, and what is told of the reading."""

import argparse
import errno
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from perftrace.analysis.filters import Period, RecordFilter, parse_condition, parse_time
from perftrace.cli.parser import Commands, Parser, argument
from perftrace.formats.line import escape
from perftrace.messages import Language, Message, in_language
from perftrace.sources.aggregates import RunAggregates, RunTimes, Selection
from perftrace.sources.base import ReadCounters
from perftrace.sources.files import FileSource

_MAX_SHOWN = 100
"""How many characters of a line that was not understood are shown."""
_MAX_NAMED = 5
_PROGRESS_SECONDS = 0.2


def add_sources(parser: Parser, commands: Commands) -> None:
    """Add the argument for sources to a command."""
    parser.option("files", nargs="+", metavar="FILE", help=commands.words.files)


def add_period(parser: Parser, commands: Commands) -> None:
    """Add the options that select a period."""
    time_of = argument(parse_time, commands.language)
    parser.option("--since", type=time_of, metavar="TIME", help=commands.words.since)
    parser.option("--until", type=time_of, metavar="TIME", help=commands.words.until)


def add_selection(parser: Parser, commands: Commands) -> None:
    """Add the options that select a part of the sources."""
    words = commands.words
    condition_of = argument(parse_condition, commands.language)
    parser.option("--operation", metavar="NAME", help=words.operation)
    add_period(parser, commands)
    parser.option("--where", type=condition_of, action="append", default=[], metavar="NAME=VALUE", help=words.where)


def period_of(options: argparse.Namespace) -> Period:
    """Return the period that the options select."""
    return Period(options.since, options.until)


def selection_of(options: argparse.Namespace) -> RecordFilter:
    """Return what the options select."""
    return RecordFilter(options.operation, options.since, options.until, tuple(options.where))


def store_selection_of(options: argparse.Namespace) -> Selection | None:
    """Return what the options select of stores; None where they ask for more than counting can tell."""
    return None if options.where else Selection(options.operation, options.since, options.until)


def complain(options: argparse.Namespace, found: object, source: FileSource | None = None) -> None:
    """Print an error or a note on standard error, in the language of the command."""
    print(f"perftrace: {escape(in_language(found, language_of(options, source)))}", file=sys.stderr)


def nothing_left(options: argparse.Namespace, source: FileSource) -> int:
    """Report that no record of the source is selected; return the exit status."""
    complain(options, Message("no_record_left"), source)
    return 1


def open_source(
    options: argparse.Namespace, files: Sequence[str] | None = None, aggregates: RunAggregates | RunTimes | None = None
) -> FileSource:
    """Open what a command names; where reading takes long, a terminal shows how far it is.

    files: in place of the command's own.
    """
    paths = options.files if files is None else files
    source = FileSource(paths, aggregates)
    if sys.stderr.isatty():
        progress = _Progress(paths)
        options.cleanup.callback(progress.stop)
        source.on_progress = progress
    return source


class _Progress:
    """Shows on standard error how much has been read, from the first second on."""

    def __init__(self, files: Sequence[str]) -> None:
        # A terminal's alone: elsewhere commands begin without it.
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        sizes = [os.path.getsize(file) for file in files if os.path.isfile(file)]
        # Nothing refreshes it by itself: a thread would be in the way of the processes that read.
        self._progress = Progress(
            TextColumn("perftrace"),
            BarColumn(),
            DownloadColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._size = sum(sizes) if len(sizes) == len(files) else 0
        """Of all, if it is known."""
        self._task = self._progress.add_task("", total=self._size or None)
        self._read = 0
        self._next = time.monotonic() + 1

    def __call__(self, read: int) -> None:
        self._read += read
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _PROGRESS_SECONDS
        # Of a gzipped file less is known to be there than is read.
        total = max(self._size, self._read) if self._size else None
        self._progress.update(self._task, completed=self._read, total=total)
        self._progress.start()
        self._progress.refresh()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._progress.live.is_started:
            self._progress.stop()


def report_read_errors(
    options: argparse.Namespace, source: FileSource, files: Sequence[str] | None = None, cut_off: int = 0
) -> int:
    """Report on standard error what could not be read; return the exit status, 2 where that is anything or all.

    Call it when the source has been read. files: in place of the command's own. cut_off: how many runs have a caller
    outside of the period.
    """
    if isinstance(source.on_progress, _Progress):
        source.on_progress.stop()
    for error in source.errors:
        complain(options, error, source)
    if source.untimed and _asks_for_times(options):
        untimed = Message("untimed", count=source.untimed, of=source.given)
        complain(options, untimed, source)
    for note in _left_out(source.counters):
        complain(options, note, source)
    if cut_off:
        complain(options, Message("cut_off", count=cut_off), source)
    counters = source.counters
    if not counters.used and not source.errors:
        complain(options, _nothing(options.files if files is None else files, counters), source)
    elif counters.missed_lines > counters.used:
        file, line, text, why = _first_miss(counters)
        note = Message(
            "most_not_understood",
            missed=counters.missed_lines,
            used=counters.used,
            file=file,
            line=line,
            text=text,
            reason=why,
        )
        complain(options, note, source)
    return 2 if source.errors or not counters.used or counters.missed_lines > counters.used else 0


def language_of(options: argparse.Namespace, source: FileSource | None = None) -> Language:
    """Return the language of a command's text: what was asked for, else that of the log that was read, else Chinese."""
    found: Language | None = options.language or (None if source is None else source.language)
    return found or "zh"


def fields_of(found: Any) -> dict[str, Any]:
    """Return the fields of an answer, or of a part of one, and their values."""
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def print_json(command: str, counters: ReadCounters, **found: Any) -> None:
    """Print an answer as data."""
    places = [
        {"file": file, "line": line, **({"text": text, "reason": reason} if reason else {})}
        for (file, line), (text, reason) in counters.misses()
    ]
    read = {
        "lines": counters.lines,
        "used": counters.used,
        "not_understood": counters.not_understood,
        "first_not_understood": places,
        "newer": counters.newer,
        "skipped": counters.skipped,
    }
    answer = {"v": 1, "command": command, "source": read, **found}
    print(json.dumps(answer, ensure_ascii=False, default=fields_of))


def _left_out(counters: ReadCounters) -> list[Message]:
    """Return what was left out on purpose."""
    notes = [Message("newer_lines", count=counters.newer)] if counters.newer else []
    if counters.skipped:
        names = ", ".join(escape(name) for name in counters.skipped[:_MAX_NAMED])
        more = len(counters.skipped) - _MAX_NAMED
        notes.append(
            Message("passed_over_more", names=names, more=more) if more > 0 else Message("passed_over", names=names)
        )
    return notes


def _asks_for_times(options: argparse.Namespace) -> bool:
    """Report whether a command looks at when runs were."""
    groups = (getattr(options, name, None) for name in ("a", "b")) if options.command == "compare" else ()
    return (
        options.command == "trend"
        or any(getattr(options, name, None) is not None for name in ("since", "until"))
        or any(isinstance(group, str) and ".." in group and "=" not in group for group in groups)
    )


def _first_miss(counters: ReadCounters) -> tuple[str, int, str, Message]:
    """Return the first line of a log that was not understood: file, number, text, and why."""
    (file, line), (text, reason) = next(one for one in counters.misses() if one[1][1])
    return file, line, escape(text[:_MAX_SHOWN]), Message(f"miss_{reason}")


def _nothing(files: Sequence[str], counters: ReadCounters) -> Message:
    """Return why there is nothing to report."""
    names = ", ".join(files)
    if +counters.passed_over:
        found = ", ".join(f"{count} {kind}" for kind, count in (+counters.passed_over).items())
        return Message("no_spans", names=names, found=found)
    if not counters.lines:
        return Message("empty", names=names)
    if not counters.not_understood:
        return Message("no_line", names=names, lines=counters.lines)
    if counters.missed_lines:
        file, line, text, why = _first_miss(counters)
        count = counters.not_understood
        return Message("none_of_log", names=names, count=count, file=file, line=line, text=text, reason=why)
    file, line = counters.first_not_understood[0]
    return Message("none_understood", names=names, count=counters.not_understood, file=file, line=line)


def needs_numpy(options: argparse.Namespace) -> bool:
    """Report whether numpy is there; if not, print what helps."""
    import importlib.util

    if importlib.util.find_spec("numpy") is not None:
        return True
    complain(options, Message("needs_numpy", command=options.command))
    return False


def os_error(error: BaseException) -> object:
    """Return what an error of the system says without its number and its file; any other as it is."""
    if isinstance(error, FileNotFoundError) and error.errno == errno.ENOENT and not isinstance(error.strerror, Message):
        return Message("not_found")
    return (isinstance(error, OSError) and error.strerror) or error
