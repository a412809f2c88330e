"""Files of JSON lines -> records."""

from collections.abc import Iterator

from perftrace.core.record import Record
from perftrace.exceptions import NewerVersionError
from perftrace.formats.jsonl import decode
from perftrace.sources.base import ReadCounters


def read_lines(path: str, lines: Iterator[str], counters: ReadCounters) -> Iterator[Record]:
    """Read records and keep the counters; what is damaged or of a newer version is counted and placed."""
    for number, raw in enumerate(lines, 1):
        counters.lines += 1
        line = raw.removeprefix("\ufeff").strip()
        if not line:
            continue
        try:
            record = decode(line)
        except ValueError as error:
            counters.miss(path, number)
            counters.newer += isinstance(error, NewerVersionError)
        else:
            counters.used += 1
            yield record


def looks_like(beginning: bytes) -> bool:
    """Report whether a file, by its beginning, holds records as JSON lines; the first may be torn."""
    lines = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n")
    return lines[0].startswith(b'{"v":') or any(
        line.startswith(b"{") and b'"v"' in line and b'"duration_ns"' in line for line in lines
    )
