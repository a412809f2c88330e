"""`perftrace advise SOURCE...`: what to change first."""

import argparse

from perftrace.analysis.advice import advise
from perftrace.cli.common import (
    add_period,
    add_sources,
    fields_of,
    language_of,
    needs_numpy,
    nothing_left,
    open_source,
    period_of,
    print_json,
    report_read_errors,
)
from perftrace.cli.parser import Commands
from perftrace.views.advice import advice_view, finding_text
from perftrace.views.console import write


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("advise", run)
    add_sources(parser, commands)
    add_period(parser, commands)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy(options):
        return 2
    source, period = open_source(options), period_of(options)
    found = advise(period.filter(source))
    status = report_read_errors(options, source, cut_off=period.cut_off)
    if not source.counters.used:
        return status
    if not found.count:
        return status or nothing_left(options, source)
    if options.json:
        findings = [
            {**fields_of(finding), "text": finding_text(finding, language_of(options, source))}
            for finding in found.findings
        ]
        print_json("advise", source.counters, count=found.count, findings=findings, unused=found.unused)
    else:
        write(advice_view(found, language_of(options, source)))
    return status
