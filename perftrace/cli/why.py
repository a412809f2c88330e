"""`perftrace why OPERATION SOURCE...`: what makes the slow ones slow."""

import argparse
import contextlib

from perftrace.analysis.tails import TAIL, TYPICAL, why
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
from perftrace.cli.parser import Commands, argument
from perftrace.formats.line import escape
from perftrace.messages import Message
from perftrace.views.console import write
from perftrace.views.why import why_sentence, why_view


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("why", run)
    parser.option("operation", metavar="OPERATION", help=commands.words.name)
    add_sources(parser, commands)
    add_period(parser, commands)
    tail = argument(_tail, commands.language)
    parser.option("--tail", type=tail, default=TAIL, metavar="P", help=commands.words.tail.format(default=TAIL))


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if not needs_numpy(options):
        return 2
    source, period = open_source(options), period_of(options)
    found = why(period.filter(source), options.operation, options.tail)
    status = report_read_errors(options, source, cut_off=period.cut_off)
    if not source.counters.used:
        return status
    if not found.count:
        complain(options, Message("no_operation", name=escape(options.operation)), source)
        return status or 1
    if options.json:
        sentence = why_sentence(found, language_of(options, source))
        print_json("why", source.counters, sentence=sentence, **fields_of(found))
    else:
        write(why_view(found, language_of(options, source)))
    return status


def _tail(text: str) -> float:
    with contextlib.suppress(ValueError):
        if TYPICAL[1] < float(text) < 1:
            return float(text)
    raise ValueError(Message("not_a_tail", text=text, low=TYPICAL[1]))
