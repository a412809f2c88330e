"""What is worth changing, by the pattern of a trace: one function a rule, each a few lines over its runs."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from perftrace.analysis.trees import Node
from perftrace.core.checks import is_number
from perftrace.core.record import Record

Rule = Literal[
    "repeated_lookup",
    "state_check",
    "n_plus_one",
    "sequential_awaits",
    "slow_external",
    "retried_external",
    "large_download",
    "slow_database",
    "blocking_step",
    "cold_start",
    "rare_stall",
]

MANY_CALLS = 5
"""So many calls one after another, each for something else, should be one."""
LARGE_BYTES = 100_000
HALF = 0.5
"""What remains of a step if it is made faster with effort: an index, a smaller picture, a nearer server."""
_BACK_TO_BACK = 0.02
"""Calls are back to back if less than this share of their time lies between them."""
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[^\W\d_A-Za-z]+")
_CHECKS = frozenset(
    ("check", "checks", "verify", "state", "status", "session", "permission", "auth", "quota", "balance")
)
_CHECKS_IN_CHINESE = re.compile("检查|校验|状态|权限|会话|余额")
_CHANGES = frozenset(
    (
        "add", "append", "begin", "charge", "clear", "close", "commit", "create", "decrease", "delete", "end",
        "increase", "insert", "login", "logout", "mark", "open", "pay", "push", "put", "refresh", "register",
        "remove", "renew", "reset", "save", "send", "set", "sign", "start", "stop", "store", "touch", "update",
        "write",
    )
)  # fmt: skip
_CHANGES_IN_CHINESE = re.compile("设置|更新|保存|发送|删除|清除|新增|添加|创建|注册|登录|写入|提交|扣")
_LAST_PART = re.compile(r"[^./:\s]*\Z")
_READING_COMMANDS = frozenset(
    (
        "EXISTS", "GET", "HGET", "HGETALL", "HMGET", "LLEN", "LRANGE", "MGET", "PTTL", "SCARD", "SISMEMBER",
        "SMEMBERS", "STRLEN", "TTL", "ZCARD", "ZRANGE", "ZSCORE",
    )
)  # fmt: skip
MANY_STATEMENTS = 3
"""A call below which all statements of a trace stand, at least so many different ones, is the way to the database."""
_WRITES = re.compile(
    r"\s*(insert|update|delete|merge|replace|create|alter|drop|begin|commit|rollback)\b", re.IGNORECASE
)
_TRANSACTION = re.compile(r"\b(begin|commit|rollback|savepoint)\b", re.IGNORECASE)
_READING_METHODS = ("GET", "HEAD", "OPTIONS", None)


class Match(NamedTuple):
    """A pattern in one trace, and what would be spared without it."""

    rule: Rule
    operation: str
    """Where it happens."""
    segment: str
    """What it is: the called operation, or a segment."""
    root: Node
    remains: dict[tuple[int, str | None], float]
    """As `perftrace.analysis.replay.TimeFactors`."""


def is_external(record: Record) -> bool:
    """Report whether it is a call to another service."""
    attributes = record.attributes
    return not is_database(record) and ("http.request.method" in attributes or "server.address" in attributes)


def is_database(record: Record) -> bool:
    """Report whether it is a statement."""
    return "db.system.name" in record.attributes or "db.query.text" in record.attributes


def has_failed(record: Record) -> bool:
    """Report whether a call may be tried again: an error, or a status of 429 or 500 and above."""
    status = record.attributes.get("http.response.status_code")
    return record.outcome in ("error", "cancelled") or (isinstance(status, int) and (status == 429 or status >= 500))


def may_be_a_lookup(record: Record) -> bool:
    """Report whether asking again would give the same, as far as attributes tell."""
    text = record.attributes.get("db.query.text")
    is_read = record.attributes.get("http.request.method") in _READING_METHODS
    return is_read and not (isinstance(text, str) and _WRITES.match(text))


def is_state_check(name: str) -> bool:
    """Report whether a step, by the words of its last part, looks at a state without changing it.

    What stands before the last dot, slash or colon says where it is: `app.auth.sign_up_user` checks nothing.
    """
    last = _LAST_PART.findall(name)[0]
    words = {word.lower() for word in _WORDS.findall(last)}
    checks = words & _CHECKS or _CHECKS_IN_CHINESE.search(last)
    return bool(checks) and not (words & _CHANGES or _CHANGES_IN_CHINESE.search(last))


def may_write(record: Record) -> bool:
    """Report whether it may change something, as far as attributes and the names of integrations tell."""
    name = record.name
    if name.startswith("redis "):
        return name[6:] not in _READING_COMMANDS
    return not may_be_a_lookup(record) or (name.startswith("sql ") and bool(_WRITES.match(name[4:])))


class Trace:
    """A trace, its calls by their callers, and which of them a rule has already spoken of."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.nodes: list[Node] = [node for node in root.walk() if node.is_awaited]
        self.consumed: set[int] = set()
        self._ways: dict[str, bool] = {}

    def is_way_to_database(self, name: str) -> bool:
        """Report whether all statements of the trace go through calls of this name, and those are many."""
        if name not in self._ways:
            inside = {id(below) for node in self.nodes if node.name == name for below in node.walk()}
            statements = [node for node in self.nodes if is_database(node.record)]
            texts = {str(node.record.attributes.get("db.query.text", node.name)) for node in statements}
            self._ways[name] = len(texts) >= MANY_STATEMENTS and all(id(node) in inside for node in statements)
        return self._ways[name]

    def calls(self) -> Iterator[tuple[Node, list[Node]]]:
        """Return each node that has calls, with those of which no rule has spoken, nor of what they are part of."""
        spoken: set[int] = set()
        for node in self.nodes:  # parents first
            if id(node) in self.consumed or (node.parent is not None and id(node.parent) in spoken):
                spoken.add(id(node))
                continue
            free = [child for child in node.children if child.is_awaited and id(child) not in self.consumed]
            if free:
                yield node, free

    def case(self, rule: Rule, caller: Node, segment: str, remains: Mapping[int, float]) -> Match:
        """Make a case of calls, which no later rule speaks of."""
        self.consumed.update(remains)
        return Match(rule, caller.name, segment, self.root, {(one, None): share for one, share in remains.items()})


def retried_external(trace: Trace) -> Iterator[Match]:
    """Find calls that failed and were made again by the same caller; without the failed ones."""
    for caller, calls in trace.calls():
        for name, attempts in _by_name(calls).items():
            failed = [one for one, after in pairwise(attempts) if has_failed(one.record) and _same(one, after)]
            if failed:
                yield trace.case("retried_external", caller, name, {id(one): 0.0 for one in failed})


def repeated_lookup(trace: Trace) -> Iterator[Match]:
    """Find the same name and key more than once in a trace; without all but the first, that took its whole time."""
    found: defaultdict[tuple[str, str | None, str], list[Node]] = defaultdict(list)
    for _, calls in trace.calls():
        for call in calls:
            record = call.record
            if record.key is not None and may_be_a_lookup(record) and not has_failed(record):
                found[record.name, record.key_name, record.key].append(call)
    for (name, _, _), calls in found.items():
        again = sorted(calls, key=lambda call: call.start)[1:]
        again = [call for call in again if not _is_below(call, trace.consumed)]
        if again:
            caller = again[0].parent or trace.root
            yield trace.case("repeated_lookup", caller, name, {id(call): 0.0 for call in again})


def n_plus_one(trace: Trace) -> Iterator[Match]:
    """Find many calls of one name for different things, one after another; with one in place of all."""
    for caller, calls in trace.calls():
        for name, same in _by_name(calls).items():
            single = [call for call in same if not has_failed(call.record) and not _TRANSACTION.search(call.name)]
            keys = Counter(call.record.key for call in single)
            one_after_another = [b for a, b in pairwise(single) if b.start >= a.end]
            if len(one_after_another) + 1 >= MANY_CALLS and (None in keys or len(keys) >= MANY_CALLS):
                longest = max(single, key=lambda call: call.end - call.start)
                yield trace.case("n_plus_one", caller, name, {id(c): 0.0 for c in single if c is not longest})


def sequential_awaits(trace: Trace) -> Iterator[Match]:
    """Find reading calls of one kind that follow each other at once; as if they ran together.

    Nothing lies between them, no checkpoint either: a step that is marked there has probably a reason for the order.
    """
    for caller, calls in trace.calls():
        cuts = [at for at, _ in caller.cuts()[:-1]]
        group: list[Node] = []
        for call in [*sorted(calls, key=lambda call: call.start), None]:
            if call is not None and (not group or _follows(group[-1], call, cuts)):
                group.append(call)
                continue
            if len({(one.name, one.record.key) for one in group}) == len(group) > 1 and not _any_beside(caller, group):
                longest = max(group, key=lambda one: one.end - one.start)
                names = " + ".join(dict.fromkeys(one.name for one in group))
                yield trace.case("sequential_awaits", caller, names, {id(c): 0.0 for c in group if c is not longest})
            group = [] if call is None else [call]


def slow_external(trace: Trace) -> Iterator[Match]:
    """Find calls to other services; in half their time."""
    yield from _all_of(trace, "slow_external", is_external)


def slow_database(trace: Trace) -> Iterator[Match]:
    """Find statements; in half their time."""
    yield from _all_of(trace, "slow_database", is_database)


def large_download(trace: Trace) -> Iterator[Match]:
    """Find segments and calls that moved many bytes, as their attribute says; in half their time."""
    for node in trace.nodes:
        size = node.record.attributes.get("bytes", node.record.attributes.get("http.response.body.size"))
        if node is not trace.root and _is_large(size) and not _is_below(node, trace.consumed):
            yield trace.case("large_download", node.parent or node, node.name, {id(node): HALF})
            continue
        for number, (name, _, _, attributes) in enumerate(node.record.checkpoints):
            if _is_large(attributes.get("bytes") if attributes else None):
                yield _of_segment("large_download", trace, node, number, name, HALF)


def state_check(trace: Trace) -> Iterator[Match]:
    """Find segments and calls that are named as checks of a state; as if a memory cache answered."""
    for node in trace.nodes:
        if node is not trace.root and is_state_check(node.name) and not _is_below(node, trace.consumed):
            if not any(may_write(below.record) for below in node.walk()) and not trace.is_way_to_database(node.name):
                yield trace.case("state_check", node.parent or node, node.name, {id(node): 0.0})
            continue
        for number, (name, _, _, _) in enumerate(node.record.checkpoints):
            if is_state_check(name) and not any(may_write(b.record) for c in _within(node, number) for b in c.walk()):
                yield _of_segment("state_check", trace, node, number, name, 0.0)


TRACE_RULES: Sequence[Callable[[Trace], Iterable[Match]]] = (
    retried_external,
    repeated_lookup,
    n_plus_one,
    sequential_awaits,
    large_download,
    state_check,
    slow_external,
    slow_database,
)
"""In order: what one has spoken of, the later ones leave alone."""


def _by_name(calls: Iterable[Node]) -> dict[str, list[Node]]:
    found: defaultdict[str, list[Node]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: call.start):
        found[call.name].append(call)
    return found


def _same(one: Node, other: Node) -> bool:
    """Report whether two calls ask for the same, as far as they say, one after the other."""
    same = all(
        one.record.attributes.get(name) == other.record.attributes.get(name)
        for name in ("server.address", "url.path", "http.request.method", "db.query.text")
    )
    return same and one.record.key == other.record.key and other.start >= one.end


def _follows(before: Node, call: Node, cuts: Sequence[int]) -> bool:
    between = call.start - before.end
    return (
        0 <= between <= _BACK_TO_BACK * (call.end - before.start)
        and not any(before.end <= cut <= call.start for cut in cuts)
        and all(may_be_a_lookup(one.record) and not has_failed(one.record) for one in (before, call))
        and (is_external(before.record), is_database(before.record))
        == (is_external(call.record), is_database(call.record))
    )


def _any_beside(caller: Node, group: Sequence[Node]) -> bool:
    """Report whether another call already runs beside these."""
    start, end = group[0].start, group[-1].end
    return any(
        child.start < end and child.end > start and all(child is not one for one in group)
        for child in caller.children
        if child.end > child.start
    )


def _is_below(node: Node, consumed: set[int]) -> bool:
    above: Node | None = node
    while above is not None:
        if id(above) in consumed:
            return True
        above = above.parent
    return False


def _all_of(trace: Trace, rule: Rule, is_one: Callable[[Record], bool]) -> Iterator[Match]:
    for caller, calls in trace.calls():
        for name, same in _by_name(call for call in calls if is_one(call.record)).items():
            free = [call for call in same if not _is_below(call, trace.consumed)]
            if free:
                yield trace.case(rule, caller, name, {id(call): HALF for call in free})
    if is_one(trace.root.record) and not trace.root.children:
        yield trace.case(rule, trace.root, trace.root.name, {id(trace.root): HALF})


def _of_segment(rule: Rule, trace: Trace, node: Node, number: int, name: str, share: float) -> Match:
    """Make a case of a segment: its own time and that of the calls that begin in it."""
    inside: dict[tuple[int, str | None], float] = {
        (id(child), None): share
        for child in _within(node, number)
        if child.is_awaited and id(child) not in trace.consumed
    }
    trace.consumed.update(one for one, _ in inside)
    return Match(rule, node.name, name, trace.root, {(id(node), name): share, **inside})


def _within(node: Node, number: int) -> list[Node]:
    """Return the calls that begin in a segment."""
    cuts = node.cuts()
    start, end = (cuts[number - 1][0] if number else node.start), cuts[number][0]
    return [child for child in node.children if start <= child.start < end]


def _is_large(size: object) -> bool:
    return is_number(size) and size >= LARGE_BYTES
