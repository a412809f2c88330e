"""`perftrace report FILE...`: where the time goes."""

import argparse

from perftrace.analysis.filters import RecordFilter
from perftrace.analysis.fix_first import MAX_RECORDS
from perftrace.analysis.reports import ORDERS, SLOWEST, report
from perftrace.cli.common import (
    add_selection,
    add_sources,
    fields_of,
    language_of,
    nothing_left,
    open_source,
    print_json,
    report_read_errors,
    selection_of,
)
from perftrace.cli.parser import Commands
from perftrace.sources.aggregates import RunAggregates
from perftrace.views.console import write
from perftrace.views.report import report_view


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("report", run)
    add_sources(parser, commands)
    add_selection(parser, commands)
    words = commands.words
    parser.option("--by", metavar="NAME", help=words.by)
    orders = words.sort.format(orders=", ".join(ORDERS), default="total")
    parser.option("--sort", choices=ORDERS, default="total", metavar="ORDER", help=orders)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    selection = selection_of(options)
    # To look at single runs takes records.
    aggregates = RunAggregates(SLOWEST, MAX_RECORDS) if selection == RecordFilter() and options.by is None else None
    source = open_source(options, aggregates=aggregates)
    found = report(selection.filter_reading(source.reading()), by=options.by, order=options.sort)
    status = report_read_errors(options, source)
    if not source.counters.used:
        return status
    if not found.operations:
        return status or nothing_left(options, source)
    if options.json:
        print_json("report", source.counters, **fields_of(found))
    else:
        write(report_view(found, source.counters, language_of(options, source)))
    return status
