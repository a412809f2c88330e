"""`perftrace trend SOURCE...`: since when."""

import argparse
import dataclasses
import json
import re
import sys

from perftrace.analysis.trend import trend
from perftrace.cli.common import (
    add_selection,
    add_sources,
    json_envelope,
    language_of,
    needs_numpy,
    nothing_left,
    open_source,
    report_read_errors,
    selection_of,
)
from perftrace.views.console import write
from perftrace.views.trend import trend_view

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "trend",
        parents=[common],
        help="p50, p95, rate and failures over time, and since when they are others",
        description="Cuts time into windows and looks for lasting changes (E-divisive, held against autocorrelated "
        "noise) of each operation's p50, p95, rate and failures.",
    )
    parser.set_defaults(run=run)
    add_sources(parser)
    add_selection(parser)
    parser.add_argument(
        "--window", type=_length, metavar="LENGTH", help="of a window, as in 30s, 5m, 1h (default: at most 60 windows)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy("trend"):
        return 2
    source = open_source(options.files)
    try:
        found = trend(selection_of(options).filter(source), options.window)
    except ValueError as error:
        print(f"perftrace: {error}", file=sys.stderr)
        return 2
    status = report_read_errors(source, options.files)
    if not source.counters.used:
        return status
    if not found.operations:
        return status or nothing_left()
    if options.json:
        print(json.dumps(json_envelope("trend", source.counters, **dataclasses.asdict(found)), ensure_ascii=False))
    else:
        write(trend_view(found, language_of(options, source)))
    return status


def _length(text: str) -> float:
    parts = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text)
    if not parts or not float(parts[1]):
        raise argparse.ArgumentTypeError(f"no length of time: {text!r}; write 30s, 5m, 1h or 1d")
    return float(parts[1]) * _UNITS[parts[2]]
