"""One trace as a whole: its runs in order, its critical path, and the time that nothing accounts for."""

from collections.abc import Iterable
from dataclasses import dataclass

from perftrace.analysis.critical_path import PathSegment, critical_path
from perftrace.analysis.trees import Forest, Node
from perftrace.core.record import Record


@dataclass(frozen=True, slots=True)
class Gap:
    """Own time, on the critical path, of a run that has children: no child accounts for it; nanoseconds."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TraceDetail:
    """A trace, or what a source has of it."""

    root: Node
    path: list[PathSegment]
    gaps: list[Gap]


def find(records: Iterable[Record], wanted: str) -> list[TraceDetail]:
    """Find traces by the id of one of their runs, of their own, or of a span of theirs.

    wanted: an operation id, a trace id or a span id, these in hexadecimal. Gives the roots of each trace that it names,
    several where runs between them are not in the source, the longest first; nothing where it names none.
    """
    everything = list(records)
    named = {_trace(record) for record in everything if wanted in _ids(record)}
    chosen = [record for record in everything if _trace(record) in named]
    roots = sorted(Forest(chosen).roots, key=lambda root: root.start - root.end)
    return [whole(root) for root in roots]


def _trace(record: Record) -> str:
    """Return what identifies a trace; a run of a log file, which knows no traces, stands by itself."""
    return record.trace_id or f"-{record.operation_id}"


def _ids(record: Record) -> tuple[str, ...]:
    return (record.operation_id, *((record.trace_id, record.span_id) if record.trace_id else ()))


def whole(root: Node) -> TraceDetail:
    """Work out the detail of a trace."""
    path = critical_path(root)
    gaps: list[Gap] = []
    for piece in path:
        if any(child.is_awaited for child in piece.node.children):
            if gaps and gaps[-1].end == piece.start:
                gaps[-1] = Gap(gaps[-1].start, piece.end)
            else:
                gaps.append(Gap(piece.start, piece.end))
    return TraceDetail(root, path, gaps)
