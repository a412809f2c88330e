"""`perftrace slowest SOURCE...`: the slowest runs, to be looked at with `show`."""

import argparse
import dataclasses
import json

from perftrace.analysis.report import report
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
from perftrace.views.console import write
from perftrace.views.report import runs_table


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "slowest",
        parents=[common],
        help="the slowest runs",
        description="Lists the runs that took longest, with the segment that took most of each.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("--count", type=_count, default=10, metavar="N", help="how many (default: %(default)s)")
    add_sources(parser)
    add_selection(parser)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    source = open_source(options.files)
    found = report(selection_of(options).filter_reading(source.reading()), slowest=options.count).slowest
    status = report_read_errors(source, options.files)
    if source.counters.used and not found:
        return status or nothing_left()
    if source.counters.used:
        if options.json:
            runs = [dataclasses.asdict(one) for one in found]
            print(json.dumps(json_envelope("slowest", source.counters, slowest=runs), ensure_ascii=False))
        else:
            write(runs_table(found, language_of(options, source)))
    return status
