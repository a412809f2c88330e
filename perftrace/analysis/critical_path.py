"""The critical path of a trace: the work that its end waited for."""

from typing import NamedTuple

from perftrace.analysis.trees import Node
from perftrace.core.values import END


class PathSegment(NamedTuple):
    """A piece of the critical path, within one segment of one run; nanoseconds."""

    node: Node
    segment: str
    start: int
    end: int

    @property
    def self_ns(self) -> int:
        """Its length: no other piece of the path runs at the same time."""
        return self.end - self.start


def critical_path(root: Node) -> list[PathSegment]:
    """Return the pieces of the critical path, from the start on; their lengths add up to the root's duration.

    Back from the end: what ran last before it is the child that finished last, by its own path; then the child that
    had finished when that one began, and so on. What lies between is the parent's own. Children that nobody awaits are
    passed over. Source: Zhang et al., CRISP: Critical Path Analysis of Large-Scale Microservice Architectures, USENIX
    ATC 2022, with strict happens-before: a child counts only if it ended before the next began.
    """
    pieces: list[PathSegment] = []
    # What is still to be walked, last first: own stretches of a node, and children in between.
    todo: list[tuple[Node, int, int, bool]] = [(root, root.start, root.end, False)]
    while todo:
        node, start, end, is_own = todo.pop()
        if is_own:
            pieces.extend(reversed(_cut(node, start, end)))
            continue
        found: list[tuple[Node, int, int, bool]] = []
        until = end
        for child in sorted(node.children, key=_last_first):
            if child.is_awaited and child.end <= until and child.end > child.start:
                found.append((node, child.end, until, True))
                found.append((child, child.start, child.end, not child.children))
                until = child.start
        found.append((node, start, until, True))
        todo.extend(reversed(found))
    pieces.reverse()
    return pieces


def _last_first(child: Node) -> tuple[int, int, str]:
    """Order children by their end, the last first; of several that end together, the one that began last."""
    return -child.end, -child.start, child.record.span_id


def _cut(node: Node, start: int, end: int) -> list[PathSegment]:
    """Cut a stretch of a node's own time at its checkpoints."""
    if not node.record.checkpoints:
        return [PathSegment(node, END, start, end)] if end > start else []
    pieces = []
    before = node.start
    for cut, name in node.cuts():
        low, high = max(before, start), min(cut, end)
        if high > low:
            pieces.append(PathSegment(node, name, low, high))
        before = cut
    return pieces
