"""`perftrace report FILE...`: where the time goes."""

import argparse
import dataclasses
import json

from perftrace.analysis.report import report
from perftrace.cli.reading import add_sources, answer, tell
from perftrace.sources.files import FileSource
from perftrace.views.terminal import report_text


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "report",
        parents=[common],
        help="operations by total time, their segments, the bottleneck",
        description="Reads log files with perftrace's lines among any others, JSON lines and trace directories, and "
        "prints operations by total time, their segments with the bottleneck marked, the slowest runs, and what never "
        "ended. Exit status 2 if a file could not be read or nothing of perftrace's was in it.",
    )
    parser.set_defaults(run=run)
    add_sources(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    source = FileSource(options.files)
    found = report(source, source.unfinished)
    status = tell(source, options.files)
    if source.books.used:
        if options.json:
            print(json.dumps(answer("report", source.books, **dataclasses.asdict(found)), ensure_ascii=False))
        else:
            print(report_text(found, source.books, options.language), end="")
    return status
