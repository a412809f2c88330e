"""`perftrace report FILE...`: where the time goes."""

import argparse
import dataclasses
import json
import sys
from typing import Any

from perftrace.analysis.report import report
from perftrace.formats.line import escape
from perftrace.sources.files import FileSource
from perftrace.sources.reading import Books
from perftrace.views.terminal import report_text

_MAX_NAMED = 5


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "report",
        parents=[common],
        help="operations by total time, their segments, the bottleneck",
        description="Reads log files with perftrace's lines among any others, JSON lines and trace directories, and "
        "prints operations by total time, their segments with the bottleneck marked, the slowest runs, and what never "
        "ended. Exit status 2 if a file could not be read or nothing of perftrace's was in it.",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a log file, a trace directory, or - for standard input"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    source = FileSource(options.files)
    found = report(source, source.unfinished)
    for error in source.errors:
        print(f"perftrace: {error}", file=sys.stderr)
    _tell_of_skipped(source.books)
    if not source.books.used:
        if not source.errors:
            print(f"perftrace: {_nothing(options.files, source.books)}", file=sys.stderr)
        return 2
    books = source.books
    if options.json:
        places = [{"file": file, "line": line} for file, line in books.first_not_understood]
        answer: dict[str, Any] = {
            "v": 1,
            "command": "report",
            "source": {
                "lines": books.lines,
                "used": books.used,
                "not_understood": books.not_understood,
                "first_not_understood": places,
                "newer": books.newer,
                "skipped": books.skipped,
            },
            **dataclasses.asdict(found),
        }
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print(report_text(found, books, options.language), end="")
    return 2 if source.errors else 0


def _tell_of_skipped(books: Books) -> None:
    """Say what was left out on purpose."""
    if books.newer:
        print(
            f"perftrace: {books.newer} lines were written by a newer perftrace; upgrade to read them", file=sys.stderr
        )
    if books.skipped:
        names = ", ".join(escape(name) for name in books.skipped[:_MAX_NAMED])
        more = f" and {len(books.skipped) - _MAX_NAMED} more" if len(books.skipped) > _MAX_NAMED else ""
        print(f"perftrace: passed over, as they hold no records: {names}{more}", file=sys.stderr)


def _nothing(files: list[str], books: Books) -> str:
    """Say in one line why there is no report."""
    names = ", ".join(files)
    if not books.lines:
        return f"{names}: empty"
    if not books.not_understood:
        return f"{names}: no line of perftrace among {books.lines} lines"
    file, line = books.first_not_understood[0]
    return f"{names}: none of the {books.not_understood} lines of perftrace is understood; the first is {file}:{line}"
