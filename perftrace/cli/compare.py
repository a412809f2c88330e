"""`perftrace compare A B`: what became slower or faster."""

import argparse
import contextlib
import dataclasses
from typing import get_args

from perftrace.analysis.comparison import MIN_CHANGE, MIN_SECONDS, Verdict, compare
from perftrace.analysis.filters import RecordFilter, parse_group
from perftrace.cli.common import (
    add_period,
    complain,
    fields_of,
    language_of,
    needs_numpy,
    open_source,
    print_json,
    report_read_errors,
)
from perftrace.cli.parser import Commands, argument
from perftrace.messages import Message
from perftrace.sources.base import ReadCounters
from perftrace.views.compare import compare_view
from perftrace.views.console import write


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("compare", run)
    words = commands.words
    number = argument(_not_negative, commands.language)
    percent, milliseconds = MIN_CHANGE * 100, MIN_SECONDS * 1000
    parser.option("a", metavar="A", help=words.before)
    parser.option("b", metavar="B", help=words.after)
    parser.option("--in", dest="files", nargs="+", metavar="SOURCE", help=words.within)
    parser.option("--operation", metavar="NAME", help=words.operation)
    add_period(parser, commands)
    verdicts = words.fail_on.format(verdicts=", ".join(get_args(Verdict)))
    parser.option("--fail-on", action="append", default=[], choices=get_args(Verdict), metavar="VERDICT", help=verdicts)
    for name, default, unit in (("--min-change", percent, "PERCENT"), ("--min-ms", milliseconds, "MS")):
        text = words.min_change.format(default=default)
        parser.option(name, type=number, default=default, metavar=unit, help=text)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy(options):
        return 2
    try:
        selections = [parse_group(text) if options.files else RecordFilter() for text in (options.a, options.b)]
    except ValueError as error:
        complain(options, error)
        return 2
    if "-" in (options.files or ()) or options.a == options.b == "-":
        complain(options, Message("stdin_once"))
        return 2
    files = (options.files, options.files) if options.files else ([options.a], [options.b])
    sources = [open_source(options, paths) for paths in files]
    chosen = [
        dataclasses.replace(selection.within(options.since, options.until), operation=options.operation).filter(source)
        for selection, source in zip(selections, sources, strict=True)
    ]
    found = compare(*chosen, min_change=options.min_change / 100, min_seconds=options.min_ms / 1000)
    # Both sides of --in have read the same: it is told once.
    told = sources[:1] if options.files else sources
    status = max(report_read_errors(options, source, paths) for source, paths in zip(told, files, strict=False))
    if not all(source.counters.used for source in sources):
        return status
    if options.json:
        counters = ReadCounters()
        for source in told:
            counters.add(source.counters)
        print_json("compare", counters, **fields_of(found))
    else:
        write(compare_view(found, language_of(options, sources[0])))
    return status or int(any(operation.verdict in options.fail_on for operation in found.operations))


def _not_negative(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) < float("inf"):
            return float(text)
    raise ValueError(Message("below_zero", text=text))
