"""`perftrace show ID SOURCE...`: one trace as a waterfall, its critical path marked."""

import argparse
from typing import Any

from perftrace.analysis.trace import TraceDetail, find
from perftrace.cli.common import (
    add_period,
    add_sources,
    complain,
    language_of,
    open_source,
    period_of,
    print_json,
    report_read_errors,
)
from perftrace.cli.parser import Commands
from perftrace.formats.line import escape
from perftrace.messages import Message
from perftrace.views.console import paragraphs, write
from perftrace.views.waterfall import waterfall_view


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("show", run)
    parser.option("id", metavar="ID", help=commands.words.id)
    add_sources(parser, commands)
    add_period(parser, commands)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    source, period = open_source(options), period_of(options)
    found = find(period.filter(source), options.id)
    status = report_read_errors(options, source, cut_off=period.cut_off)
    if not source.counters.used:
        return status
    if not found:
        complain(options, Message("no_id", id=escape(options.id)), source)
        return status or 1
    if options.json:
        spans = [span for one in found for span in _spans(one)]
        path = [piece for one in found for piece in _path(one)]
        gaps = [
            {"start": gap.start / 1e9, "duration": (gap.end - gap.start) / 1e9} for one in found for gap in one.gaps
        ]
        print_json("show", source.counters, spans=spans, critical_path=path, gaps=gaps)
    else:
        write(paragraphs([waterfall_view(one, language_of(options, source))] for one in found))
    return status


def _spans(found: TraceDetail) -> list[dict[str, Any]]:
    return [
        {
            "span_id": node.record.span_id,
            "parent_id": node.record.parent_id,
            "operation_id": node.record.operation_id,
            "operation": node.name,
            "start": node.start / 1e9,
            "duration": (node.end - node.start) / 1e9,
            "outcome": node.record.outcome,
            "checkpoints": [
                {"name": checkpoint.name, "elapsed": checkpoint.elapsed_ns / 1e9}
                for checkpoint in node.record.checkpoints
            ],
        }
        for node in found.root.walk()
    ]


def _path(found: TraceDetail) -> list[dict[str, Any]]:
    return [
        {
            "span_id": piece.node.record.span_id,
            "operation": piece.node.name,
            "segment": piece.segment,
            "self": piece.self_ns / 1e9,
        }
        for piece in found.path
    ]
