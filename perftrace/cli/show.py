"""`perftrace show ID SOURCE...`: one trace as a waterfall, its critical path marked."""

import argparse
import json
import sys
from typing import Any

from perftrace.analysis.trace import TraceDetail, find
from perftrace.cli.common import add_sources, json_envelope, language_of, open_source, report_read_errors
from perftrace.formats.line import escape
from perftrace.views.console import paragraphs, write
from perftrace.views.waterfall import waterfall_view


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "show",
        parents=[common],
        help="one trace as a waterfall, its critical path marked",
        description="Draws the trace that has the given operation, trace or span id. Exit status 1 if there is none.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("id", metavar="ID", help="an operation id, as in the log and in reports, or a trace or span id")
    add_sources(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    source = open_source(options.files)
    found = find(source, options.id)
    status = report_read_errors(source, options.files)
    if not source.counters.used:
        return status
    if not found:
        print(f"perftrace: no run and no trace has the id {escape(options.id)}", file=sys.stderr)
        return status or 1
    if options.json:
        spans = [span for one in found for span in _spans(one)]
        path = [piece for one in found for piece in _path(one)]
        gaps = [
            {"start": gap.start / 1e9, "duration": (gap.end - gap.start) / 1e9} for one in found for gap in one.gaps
        ]
        print(
            json.dumps(
                json_envelope("show", source.counters, spans=spans, critical_path=path, gaps=gaps), ensure_ascii=False
            )
        )
    else:
        write(paragraphs([waterfall_view(one, language_of(options, source))] for one in found))
    return status


def _spans(found: TraceDetail) -> list[dict[str, Any]]:
    return [
        {
            "span_id": f"{node.record.span:016x}",
            "parent_id": None if node.record.parent is None else f"{node.record.parent:016x}",
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
            "span_id": f"{piece.node.record.span:016x}",
            "operation": piece.node.name,
            "segment": piece.segment,
            "self": piece.self_ns / 1e9,
        }
        for piece in found.path
    ]
