"""`perftrace slowest SOURCE...`: the slowest runs, to be looked at with `show`."""

import argparse

from perftrace.analysis.reports import report
from perftrace.cli.common import (
    add_selection,
    add_sources,
    language_of,
    nothing_left,
    open_source,
    print_json,
    report_read_errors,
    selection_of,
    store_selection_of,
)
from perftrace.cli.parser import Commands, argument
from perftrace.messages import Message
from perftrace.sources.aggregates import RunAggregates
from perftrace.views.console import write
from perftrace.views.report import runs_table

_COUNT = 10


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("slowest", run)
    text = commands.words.how_many.format(default=_COUNT)
    parser.option("--count", type=argument(_count, commands.language), default=_COUNT, metavar="N", help=text)
    add_sources(parser, commands)
    add_selection(parser, commands)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(Message("not_a_count", text=text))
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    wanted = store_selection_of(options)
    aggregates = None if wanted is None else RunAggregates(options.count, 0, wanted, is_slowest_only=True)
    source = open_source(options, aggregates=aggregates)
    found = report(source.reading(), slowest=options.count, selection=selection_of(options)).slowest
    status = report_read_errors(options, source)
    if source.counters.used and not found:
        return status or nothing_left(options, source)
    if source.counters.used:
        if options.json:
            print_json("slowest", source.counters, slowest=found)
        else:
            write(runs_table(found, language_of(options, source)))
    return status
