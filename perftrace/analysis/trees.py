"""Records put together to trees: who called whom, on one time axis for each trace."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from perftrace.core.record import Record, ids_of, is_same_process
from perftrace.core.values import END


class Node:
    """A run in its tree; times in nanoseconds on the axis of its root.

    `end` is at least `start`. A child of another process is clipped to its parent, as clocks disagree; one of the same
    process that outlives its parent was awaited by nobody.
    """

    __slots__ = ("children", "end", "is_awaited", "parent", "record", "start")

    def __init__(self, record: Record) -> None:
        self.record: Record = record
        self.parent: Node | None = None
        self.children: list[Node] = []
        self.start: int = record.start
        self.end: int = record.start + max(0, record.duration_ns)
        self.is_awaited: bool = True

    def __repr__(self) -> str:
        return f"Node({self.record.name!r}, {self.start}, {self.end})"

    @property
    def name(self) -> str:
        """The operation."""
        return self.record.name

    def walk(self) -> "Iterator[Node]":
        """Return the node and all below it, parents first, children by their start."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def cuts(self) -> list[tuple[int, str]]:
        """Return where its segments end, and their names: the checkpoints in order, then `(end)`.

        A checkpoint that lies past the end, or before the one before it, is moved there.
        """
        found, before = [], self.start
        for name, _, elapsed, _ in self.record.checkpoints:
            before = min(max(before, self.start + elapsed), self.end)
            found.append((before, name))
        found.append((self.end, END))
        return found


@dataclass(frozen=True, slots=True)
class TreeIssues:
    """What does not fit into trees."""

    duplicates: int
    """Records left out, as one with the same trace and span was there."""
    orphans: int
    """Runs whose caller is not in the source: they count as roots."""
    clipped: int
    """Runs of another process than their caller's that lie outside of its time: cut off there."""


class Forest:
    """All traces of a source."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.duplicates: int = 0
        """Records left out, as one with the same trace and span was there."""
        self.orphans: int = 0
        """Runs whose parent is not in the source: they count as roots."""
        self.clipped: int = 0
        """Runs of another process than their caller's that lie outside of its time."""
        nodes: dict[tuple[int, int], Node] = {}
        others: list[Node] = []
        """Further runs of a span: in Zipkin's B3 a client and its server share one."""
        anonymous: list[Node] = []
        for record in records:
            trace, span, _ = ids_of(record)
            key = (trace, span)
            if not trace:
                anonymous.append(Node(record))  # of a log file, which knows no parents
            elif key in nodes:
                former = nodes[key].record
                if (former.name, former.start) == (record.name, record.start):
                    self.duplicates += 1
                else:
                    others.append(Node(record))
            else:
                nodes[key] = Node(record)
        self.roots: list[Node] = []
        for node in nodes.values():
            trace, _, caller = ids_of(node.record)
            parent = None if caller is None else nodes.get((trace, caller))
            if parent is None or parent is node:
                self.orphans += caller is not None
                self.roots.append(node)
            else:
                node.parent = parent
                parent.children.append(node)
        self._place_others(nodes, others)
        self._break_cycles(nodes.values())
        self.roots.extend(anonymous)
        self.roots.sort(key=lambda node: node.start)
        self._place()

    @property
    def unused(self) -> TreeIssues:
        """What does not fit."""
        return TreeIssues(self.duplicates, self.orphans, self.clipped)

    def nodes(self) -> Iterator[Node]:
        """Return all runs, trace by trace."""
        for root in self.roots:
            yield from root.walk()

    def runs_of(self, operation: str) -> list[Node]:
        """Return the runs of an operation, but those that one of them waits for: one that calls itself is whole.

        Each with all that is below it would take time by the square of the depth.
        """
        found: list[Node] = []
        stack = [(root, False) for root in reversed(self.roots)]
        while stack:
            node, is_inside = stack.pop()
            is_inside = is_inside and node.is_awaited
            if node.name == operation and not is_inside:
                found.append(node)
                is_inside = True
            stack.extend((child, is_inside) for child in reversed(node.children))
        return found

    def _place_others(self, nodes: dict[tuple[int, int], Node], others: Iterable[Node]) -> None:
        """Put further runs of a span below the first that began, which called them."""
        seen: set[tuple[int, int, str, int]] = set()
        for node in sorted(others, key=lambda one: one.start):
            trace, span, _ = ids_of(node.record)
            identity = (trace, span, node.name, node.record.start)
            if identity in seen:
                self.duplicates += 1
                continue
            seen.add(identity)
            first = nodes[trace, span]
            if node.start < first.start:  # the client was read last
                node.record, first.record = first.record, node.record
                node.start, node.end, first.start, first.end = first.start, first.end, node.start, node.end
            own = [child for child in first.children if _is_same_service(node, child)]
            first.children = [child for child in first.children if child not in own]
            node.children += own
            for child in own:
                child.parent = node
            node.parent = first
            first.children.append(node)

    def _break_cycles(self, nodes: Iterable[Node]) -> None:
        """Make a root of the first node of each circle of parents, which only damaged data has."""
        reached = {id(node) for node in self.nodes()}
        circles = [node for node in nodes if id(node) not in reached]
        for node in sorted(circles, key=lambda one: (one.start, ids_of(one.record)[:2])):
            if id(node) not in reached:
                parent = node.parent
                assert parent is not None
                parent.children.remove(node)
                node.parent = None
                self.roots.append(node)
                reached.update(id(below) for below in node.walk())

    def _place(self) -> None:
        """Put children on their root's axis: by the monotonic clock within a process, by the wall clock between.

        Find those that outlive their parents meanwhile: where a pair of names does so once, nobody ever awaits it, but
        in its parent's own task. A parent that failed or was cancelled leaves awaited ones behind: those alone.
        """
        pairs: defaultdict[tuple[str, str], list[Node]] = defaultdict(list)
        outliving = set()
        for node in self.nodes():
            for child in node.children:
                length = child.end - child.start
                if _is_same_process(node, child):
                    offset = child.record.start_mono - node.record.start_mono
                    start = node.start + offset
                    child.start, child.end = (
                        max(start, node.start),
                        max(start + length, node.start),
                    )  # clipped, not moved
                    if not _is_own_task(node, child):
                        pair = (node.name, child.name)
                        pairs[pair].append(child)
                        if offset + length > node.record.duration_ns:
                            if node.record.outcome == "ok":
                                outliving.add(pair)
                            else:
                                child.is_awaited = False
                            continue
                else:
                    self.clipped += not node.start <= child.start <= child.end <= node.end
                child.start = min(max(child.start, node.start), node.end)
                child.end = min(max(child.start, child.end), node.end)
            node.children.sort(key=lambda child: (child.start, child.end, child.record.span_id))
        for pair in outliving:
            for node in pairs[pair]:
                node.is_awaited = False


def _is_same_service(one: Node, other: Node) -> bool:
    """Report whether two runs are of one service, as far as they say."""
    name = one.record.attributes.get("service.name")
    return (one.record.pid != 0 and is_same_process(one.record, other.record)) or (
        name is not None and name == other.record.attributes.get("service.name")
    )


def _is_own_task(parent: Node, child: Node) -> bool:
    """Report whether a run was in its caller's own task, or without tasks in its thread: then that waited for it."""
    one, other = parent.record, child.record
    return bool(one.thread) and (one.thread, one.task) == (other.thread, other.task)


def _is_same_process(parent: Node, child: Node) -> bool:
    one, other = parent.record, child.record
    return bool(one.start_mono and other.start_mono) and is_same_process(one, other)
