"""`perftrace whatif OPERATION SOURCE...`: what becomes of an operation if a step of it is made faster."""

import argparse

from perftrace.analysis.predictions import whatif
from perftrace.cli.common import (
    add_period,
    add_sources,
    complain,
    fields_of,
    language_of,
    needs_numpy,
    open_source,
    period_of,
    print_json,
    report_read_errors,
)
from perftrace.cli.parser import Commands
from perftrace.formats.line import escape
from perftrace.messages import TEXTS, Message
from perftrace.views.console import write
from perftrace.views.whatif import whatif_view


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("whatif", run)
    parser.option("operation", metavar="OPERATION", help=commands.words.name)
    add_sources(parser, commands)
    add_period(parser, commands)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy(options):
        return 2
    source, period = open_source(options), period_of(options)
    found = whatif(period.filter(source), options.operation)
    status = report_read_errors(options, source, cut_off=period.cut_off)
    if not source.counters.used:
        return status
    if not found.count:
        complain(options, Message("no_operation", name=escape(options.operation)), source)
        return status or 1
    if options.json:
        assumption = TEXTS[language_of(options, source)].whatif.assumption
        print_json("whatif", source.counters, assumption=assumption, **fields_of(found))
    else:
        write(whatif_view(found, language_of(options, source)))
    return status
