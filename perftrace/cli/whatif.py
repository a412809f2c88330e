"""`perftrace whatif OPERATION SOURCE...`: what becomes of an operation if a step of it is made faster."""

import argparse
import dataclasses
import json
import sys

from perftrace.analysis.whatif import whatif
from perftrace.cli.common import add_sources, json_envelope, language_of, needs_numpy, open_source, report_read_errors
from perftrace.formats.line import escape
from perftrace.messages import TEXTS
from perftrace.views.console import write
from perftrace.views.whatif import whatif_view


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "whatif",
        parents=[common],
        help="what becomes of an operation if a step of it is made faster",
        description="Replays each run of an operation with each of its steps 25, 50 and 100 %% faster, and ranks the "
        "steps by the time that all runs together would save. Exit status 1 if the operation is not in the source.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("operation", metavar="OPERATION", help="its name, as in the report")
    add_sources(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy("whatif"):
        return 2
    source = open_source(options.files)
    found = whatif(source, options.operation)
    status = report_read_errors(source, options.files)
    if not source.counters.used:
        return status
    if not found.count:
        print(f"perftrace: no run of an operation {escape(options.operation)}", file=sys.stderr)
        return status or 1
    if options.json:
        assumption = TEXTS[language_of(options, source)].whatif.assumption
        data = json_envelope(
            "whatif",
            source.counters,
            assumption=assumption,
            **dataclasses.asdict(found),
        )
        print(json.dumps(data, ensure_ascii=False))
    else:
        write(whatif_view(found, language_of(options, source)))
    return status
