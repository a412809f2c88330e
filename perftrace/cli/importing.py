"""`perftrace import FILE... --to store:DIR`: other tools' traces, and logs, as records that are read fast."""

import argparse
from itertools import islice

from perftrace.cli.common import (
    add_selection,
    add_sources,
    complain,
    language_of,
    nothing_left,
    open_source,
    os_error,
    print_json,
    report_read_errors,
    selection_of,
)
from perftrace.cli.parser import Commands, argument
from perftrace.core.sink import Sink
from perftrace.formats.line import escape
from perftrace.messages import TEXTS, Message
from perftrace.sinks.jsonlines import JsonLinesSink
from perftrace.store.directory import DirectorySink

_BATCH = 1000
_KINDS = {"store": DirectorySink, "jsonl": JsonLinesSink}


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("import", run)
    target = argument(_target, commands.language)
    parser.option("--to", required=True, type=target, metavar="SINK", help=commands.words.import_to)
    add_sources(parser, commands)
    add_selection(parser, commands)


def _target(text: str) -> tuple[str, str]:
    kind, _, path = text.partition(":")
    if kind not in _KINDS or not path:
        raise ValueError(Message("not_a_target", text=text))
    return kind, path


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    kind, path = options.to
    source = open_source(options)
    records = iter(selection_of(options).filter(source))
    count, sink = 0, None
    try:
        while batch := list(islice(records, _BATCH)):
            if sink is None:  # nothing is made where there is nothing to write
                sink = _KINDS[kind](path)
            written = sink.batch(batch)
            count += written
            if written < len(batch):
                raise OSError(Message("full", count=count))
    except (OSError, ImportError) as error:
        complain(options, Message("in_place", place=path, error=os_error(error)), source)
        return 2
    finally:
        _close(sink)
    status = report_read_errors(options, source)
    if not count:
        return status or nothing_left(options, source)
    if source.unfinished:
        complain(options, Message("unfinished", count=len(source.unfinished)), source)
    if options.json:
        print_json("import", source.counters, records=count, to=path)
    else:
        print(TEXTS[language_of(options, source)].imported.format(count=count, path=escape(path)))
    return status


def _close(sink: Sink | None) -> None:
    if sink is not None:
        sink.close(5.0)
