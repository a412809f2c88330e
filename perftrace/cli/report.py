"""`perftrace report FILE...`: where the time goes."""

import argparse

from perftrace.analysis.fix_first import MAX_RECORDS
from perftrace.analysis.reports import ORDERS, SLOWEST, report
from perftrace.cli.common import (
    add_selection,
    add_sources,
    fields_of,
    language_of,
    nothing_left,
    open_source,
    period_of,
    print_json,
    report_read_errors,
    selection_of,
    store_selection_of,
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
    # To look at single runs takes records.
    wanted = None if options.by else store_selection_of(options)
    aggregates = None if wanted is None else RunAggregates(SLOWEST, MAX_RECORDS, wanted)
    source, period = open_source(options, aggregates=aggregates), period_of(options)
    reading = period.filter_reading(source.reading())
    found = report(reading, by=options.by, order=options.sort, selection=selection_of(options))
    counted = 0 if aggregates is None else sum(one.cut_off for one in aggregates.counts)
    status = report_read_errors(options, source, cut_off=period.cut_off + counted)
    if not source.counters.used:
        return status
    if not found.operations:
        return status or nothing_left(options, source)
    if options.json:
        print_json("report", source.counters, **fields_of(found))
    else:
        write(report_view(found, source.counters, language_of(options, source)))
    return status
