"""`perftrace export SOURCE... --to FORMAT`: records in the form of another tool."""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from perftrace.cli.common import (
    add_selection,
    add_sources,
    complain,
    language_of,
    nothing_left,
    open_source,
    os_error,
    report_read_errors,
    selection_of,
)
from perftrace.cli.parser import Commands
from perftrace.core.record import Record
from perftrace.formats import chrome, jsonl, otlp, otlp_json, otlp_proto, speedscope
from perftrace.messages import TEXTS, Message
from perftrace.sinks.otlp import OtlpSink
from perftrace.sources.files import FileSource
from perftrace.store import parquet

_PATIENCE = 10.0
"""Seconds for which a receiver that does not answer is asked again."""
_BATCH = 1000
"""Records of one OTLP message."""


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = commands.add("export", run)
    words = commands.words
    formats = words.export_to.format(formats=", ".join(FORMATS))
    parser.option("--to", required=True, choices=FORMATS, metavar="FORMAT", help=formats)
    parser.option("-o", "--output", default="-", metavar="FILE", help=words.export_output)
    add_sources(parser, commands)
    add_selection(parser, commands)


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _otlp(records: Iterable[Record]) -> Iterator[bytes]:
    """Messages one after the other are one message."""
    resource = otlp.resource_of(os.environ)
    return (otlp_proto.encode(batch, resource) for batch in _batches(records))


def _otlp_json(records: Iterable[Record]) -> Iterator[bytes]:
    resource = otlp.resource_of(os.environ)
    return (otlp_json.encode(batch, resource) for batch in _batches(records))


def _perfetto(records: Iterable[Record]) -> Iterator[bytes]:
    return chrome.encode(list(records))


def _speedscope(records: Iterable[Record]) -> Iterator[bytes]:
    return speedscope.encode(list(records))


def _jsonl(records: Iterable[Record]) -> Iterator[bytes]:
    return map(jsonl.encode, records)


def _parquet(records: Iterable[Record]) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        lines, rows = Path(folder, "records.jsonl"), Path(folder, "records.parquet")
        with lines.open("wb") as file:
            file.writelines(map(jsonl.encode, records))
        parquet.write(lines, rows)
        with rows.open("rb") as file:
            while piece := file.read(1 << 20):
                yield piece


FORMATS: dict[str, Callable[[Iterable[Record]], Iterator[bytes]]] = {
    "otlp": _otlp,
    "otlp-json": _otlp_json,
    "perfetto": _perfetto,
    "speedscope": _speedscope,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
_BINARY = ("otlp", "parquet")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if options.output == "-" and options.to in _BINARY and sys.stdout.isatty():
        complain(options, Message("binary_on_terminal", format=options.to))
        return 2
    source = open_source(options)
    counted = _Counted(selection_of(options).filter(source))
    if options.output.startswith(("http://", "https://")):
        return _send(options, source, counted)
    try:
        with _output(options.output) as write:
            for piece in FORMATS[options.to](counted):
                write(piece)
            if not counted.count:
                raise _NothingError
    except _NothingError:
        status = report_read_errors(options, source)
        return status or nothing_left(options, source)
    except BrokenPipeError:
        raise
    except (OSError, ImportError) as error:
        complain(options, Message("in_place", place=options.output, error=os_error(error)), source)
        return 2
    return _tell_of_all(options, source, counted)


def _send(options: argparse.Namespace, source: FileSource, counted: "_Counted") -> int:
    """Send records to a receiver."""
    if options.to != "otlp":
        complain(options, Message("not_to_a_receiver", format=options.to))
        return 2
    try:
        sink = OtlpSink(options.output, patience=_PATIENCE)
    except (ValueError, ImportError) as error:
        complain(options, error)
        return 2
    sink.language = language_of(options, source)
    for batch in _batches(counted):
        sink.batch(batch)
    sink.close(5.0)
    if not counted.count:
        return report_read_errors(options, source) or nothing_left(options, source)
    status = _tell_of_all(options, source, counted)
    lost = {reason: count for reason, count in sink.dropped().items() if count}
    reasons = TEXTS[sink.language].loss_reasons
    for reason, count in lost.items():
        complain(options, Message("lost", lost=count, count=counted.count, reason=reasons.get(reason, reason)), source)
    return 2 if lost else status


def _tell_of_all(options: argparse.Namespace, source: FileSource, counted: "_Counted") -> int:
    """Report what was written and what was not; return the exit status."""
    status = report_read_errors(options, source)
    if source.unfinished:
        complain(options, Message("unfinished", count=len(source.unfinished)), source)
    if options.json and options.output != "-":
        written = {"v": 1, "command": "export", "to": options.to, "output": options.output, "records": counted.count}
        print(json.dumps(written, ensure_ascii=False))
    return status


class _NothingError(Exception):
    """There is no record to write: no file is."""


class _Counted:
    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records
        self.count = 0

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.count += 1
            yield record


@contextlib.contextmanager
def _output(path: str) -> Iterator[Callable[[bytes], object]]:
    """Return what writes; a file is there when it is whole, and not before."""
    if path == "-":
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device
        with open(path, "wb") as file:
            yield file.write
        return
    target = os.path.realpath(path)
    descriptor, name = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".perftrace-")
    try:
        with open(descriptor, "wb") as file:
            yield file.write
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
