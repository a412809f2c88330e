"""`perftrace compare A B`: what became slower or faster."""

import argparse
import dataclasses
import json
import sys
from typing import get_args

from perftrace.analysis.compare import MIN_CHANGE, MIN_SECONDS, Verdict, compare
from perftrace.analysis.filters import RecordFilter, parse_group
from perftrace.cli.common import json_envelope, language_of, needs_numpy, open_source, report_read_errors
from perftrace.sources.base import ReadCounters
from perftrace.views.compare import compare_view
from perftrace.views.console import write


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "compare",
        parents=[common],
        help="what became slower or faster between two sources, periods or groups",
        description="Compares the medians of each operation and segment, with intervals at 95 %% from a block "
        "bootstrap. A and B are sources or, with --in, two periods (2026-11-01..2026-11-02, 2h..) or two groups "
        "(size=small, key=user_42) of one. Exit status 1 with --fail-on if an operation has such a verdict.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("a", metavar="A", help="before: a source, or a period or group of --in")
    parser.add_argument("b", metavar="B", help="after: the same")
    parser.add_argument("--in", dest="files", nargs="+", metavar="SOURCE", help="where both are periods or groups of")
    parser.add_argument("--operation", metavar="NAME", help="of this one only")
    parser.add_argument(
        "--fail-on",
        action="append",
        default=[],
        choices=get_args(Verdict),
        help="exit with 1 if an operation has this verdict; may be given more than once",
    )
    parser.add_argument(
        "--min-change",
        type=_not_negative,
        default=MIN_CHANGE * 100,
        metavar="PERCENT",
        help="a smaller change of a median is none (default: %(default)g)",
    )
    parser.add_argument(
        "--min-ms",
        type=_not_negative,
        default=MIN_SECONDS * 1000,
        metavar="MS",
        help="a smaller change of a median is none (default: %(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy("compare"):
        return 2
    try:
        selections = [parse_group(text) if options.files else RecordFilter() for text in (options.a, options.b)]
    except ValueError as error:
        print(f"perftrace: {error}", file=sys.stderr)
        return 2
    if "-" in (options.files or ()) or options.a == options.b == "-":
        print("perftrace: standard input can be read once only; save it in a file", file=sys.stderr)
        return 2
    files = (options.files, options.files) if options.files else ([options.a], [options.b])
    sources = [open_source(paths) for paths in files]
    chosen = [
        dataclasses.replace(selection, operation=options.operation).filter(source)
        for selection, source in zip(selections, sources, strict=True)
    ]
    found = compare(*chosen, min_change=options.min_change / 100, min_seconds=options.min_ms / 1000)
    # Both sides of --in have read the same: it is told once.
    told = sources[:1] if options.files else sources
    status = max(report_read_errors(source, paths) for source, paths in zip(told, files, strict=False))
    if not all(source.counters.used for source in sources):
        return status
    if options.json:
        counters = ReadCounters()
        for source in told:
            counters.add(source.counters)
        print(json.dumps(json_envelope("compare", counters, **dataclasses.asdict(found)), ensure_ascii=False))
    else:
        write(compare_view(found, language_of(options, sources[0])))
    return status or int(any(operation.verdict in options.fail_on for operation in found.operations))


def _not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is below 0 or no number")
    return number
