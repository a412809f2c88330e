"""`perftrace trend SOURCE...`: since when."""

import argparse
import re

from perftrace.analysis.trends import trend
from perftrace.cli.common import (
    add_selection,
    add_sources,
    complain,
    fields_of,
    language_of,
    needs_numpy,
    nothing_left,
    open_source,
    print_json,
    report_read_errors,
    selection_of,
    store_selection_of,
)
from perftrace.cli.parser import Commands, argument
from perftrace.messages import Message
from perftrace.sources.aggregates import RunTimes
from perftrace.views.console import write
from perftrace.views.trend import trend_view

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("trend", run)
    add_sources(parser, commands)
    add_selection(parser, commands)
    length = argument(_length, commands.language)
    parser.option("--window", type=length, metavar="LENGTH", help=commands.words.window)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy(options):
        return 2
    wanted = store_selection_of(options)
    runs = RunTimes() if wanted is None else RunTimes(wanted)
    source = open_source(options, aggregates=None if wanted is None else runs)
    runs.add_all(selection_of(options).filter(source))
    try:
        found = trend(runs, options.window)
    except ValueError as error:
        complain(options, error)
        return 2
    status = report_read_errors(options, source)
    if not source.counters.used:
        return status
    if not found.operations:
        return status or nothing_left(options, source)
    if options.json:
        print_json("trend", source.counters, **fields_of(found))
    else:
        write(trend_view(found, language_of(options, source)))
    return status


def _length(text: str) -> float:
    parts = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text)
    if not parts or not float(parts[1]):
        raise ValueError(Message("not_a_length", text=text))
    return float(parts[1]) * _UNITS[parts[2]]
