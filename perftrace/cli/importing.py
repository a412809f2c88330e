"""`perftrace import FILE... --to store:DIR`: other tools' traces, and logs, as records that are read fast."""

import argparse
import json
import sys
from itertools import islice

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
from perftrace.core.sink import Sink
from perftrace.messages import TEXTS
from perftrace.sinks.jsonlines import JsonLinesSink
from perftrace.store.directory import DirectorySink

_BATCH = 1000
_KINDS = {"store": DirectorySink, "jsonl": JsonLinesSink}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "import",
        parents=[common],
        help="other tools' traces as records of a store",
        description="Reads logs and other tools' traces, OTLP as JSON or protobuf and Chrome's, and adds the records "
        "to a trace directory or a file of JSON lines. All commands read such traces directly, too.",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--to", required=True, type=_target, metavar="SINK", help="store:DIR or jsonl:PATH, as in configure"
    )
    add_sources(parser)
    add_selection(parser)


def _target(text: str) -> tuple[str, str]:
    kind, _, path = text.partition(":")
    if kind not in _KINDS or not path:
        raise argparse.ArgumentTypeError(f"{text!r}: write store:DIR or jsonl:PATH")
    return kind, path


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    kind, path = options.to
    source = open_source(options.files)
    records = iter(selection_of(options).filter(source))
    count, sink = 0, None
    try:
        while batch := list(islice(records, _BATCH)):
            if sink is None:  # nothing is made where there is nothing to write
                sink = _KINDS[kind](path)
            written = sink.batch(batch)
            count += written
            if written < len(batch):
                raise OSError(f"full: only the first {count} records were written")
    except (OSError, ImportError) as error:
        print(f"perftrace: {path}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 2
    finally:
        _close(sink)
    status = report_read_errors(source, options.files)
    if not count:
        return status or nothing_left()
    if source.unfinished:
        print(f"perftrace: {len(source.unfinished)} runs that never ended are left out", file=sys.stderr)
    if options.json:
        print(json.dumps(json_envelope("import", source.counters, records=count, to=path), ensure_ascii=False))
    else:
        print(TEXTS[language_of(options, source)].imported.format(count=count, path=path))
    return status


def _close(sink: Sink | None) -> None:
    if sink is not None:
        sink.close(5.0)
