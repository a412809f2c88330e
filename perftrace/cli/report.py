"""`perftrace report FILE...`: where the time goes."""

import argparse
import dataclasses
import json

from perftrace.analysis.filters import RecordFilter
from perftrace.analysis.report import ORDERS, SLOWEST, report
from perftrace.cli.common import (
    add_selection,
    add_sources,
    json_envelope,
    language_of,
    nothing_left,
    open_source,
    report_read_errors,
    selection_of,
)
from perftrace.sources.aggregates import RunAggregates
from perftrace.views.console import write
from perftrace.views.report import report_view


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "report",
        parents=[common],
        help="operations by total time, their segments, the bottleneck",
        description="Reads log files with perftrace's lines among any others, JSON lines and trace directories, and "
        "prints operations by total time, their segments with the bottleneck marked, failures by type, the slowest "
        "runs, and what never ended. `self` is without called operations of the same process, `running` the share of "
        "time in which code held a thread, `share` of an operation that of the own time of all. Exit status 1 if no "
        "record is selected, 2 if a file could not be read or nothing of perftrace's was in it.",
    )
    parser.set_defaults(run=run)
    add_sources(parser)
    add_selection(parser)
    parser.add_argument(
        "--by", metavar="NAME", help="group each operation's runs by an attribute, a key, outcome, error_type or pid"
    )
    parser.add_argument("--sort", choices=ORDERS, default="total", help="order of operations (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    selection = selection_of(options)
    # To look at single runs takes records.
    aggregates = RunAggregates(SLOWEST) if selection == RecordFilter() and options.by is None else None
    source = open_source(options.files, aggregates)
    found = report(selection.filter_reading(source.reading()), by=options.by, order=options.sort)
    status = report_read_errors(source, options.files)
    if not source.counters.used:
        return status
    if not found.operations:
        return status or nothing_left()
    if options.json:
        print(json.dumps(json_envelope("report", source.counters, **dataclasses.asdict(found)), ensure_ascii=False))
    else:
        write(report_view(found, source.counters, language_of(options, source)))
    return status
