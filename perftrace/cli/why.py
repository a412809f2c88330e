"""`perftrace why OPERATION SOURCE...`: what makes the slow ones slow."""

import argparse
import dataclasses
import json
import sys

from perftrace.analysis.why import TAIL, TYPICAL, why
from perftrace.cli.common import add_sources, json_envelope, language_of, needs_numpy, open_source, report_read_errors
from perftrace.formats.line import escape
from perftrace.views.console import write
from perftrace.views.why import why_sentence, why_view


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "why",
        parents=[common],
        help="what makes the slow runs of an operation slow",
        description="Holds the slowest runs of an operation against the typical ones: which steps of the critical path "
        "take longer, and which attributes and keys the slowest have more often. Exit status 1 if the operation is "
        "not in the source.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("operation", metavar="OPERATION", help="its name, as in the report")
    add_sources(parser)
    parser.add_argument(
        "--tail", type=_tail, default=TAIL, metavar="P", help="where slow begins, as in 0.99 (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy("why"):
        return 2
    source = open_source(options.files)
    found = why(source, options.operation, options.tail)
    status = report_read_errors(source, options.files)
    if not source.counters.used:
        return status
    if not found.count:
        print(f"perftrace: no run of an operation {escape(options.operation)}", file=sys.stderr)
        return status or 1
    if options.json:
        data = json_envelope(
            "why",
            source.counters,
            sentence=why_sentence(found, language_of(options, source)),
            **dataclasses.asdict(found),
        )
        print(json.dumps(data, ensure_ascii=False))
    else:
        write(why_view(found, language_of(options, source)))
    return status


def _tail(text: str) -> float:
    number = float(text)
    if not TYPICAL[1] < number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between {TYPICAL[1]} and 1")
    return number
