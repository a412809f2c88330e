"""What to change first: findings of the rules, ranked by what a replay without them saves."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perftrace.analysis.bootstrap import WeightedSample
from perftrace.analysis.population_rules import BlockedLoop, blocks, delayed, outliers
from perftrace.analysis.replay import spared
from perftrace.analysis.trace_rules import HALF, TRACE_RULES, Match, Rule, Trace
from perftrace.analysis.trees import Forest, Node, TreeIssues
from perftrace.core.record import Record

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Numbers = NDArray[float64]

MIN_SHARE = 0.02
"""A finding saves at least this share of the time of the operation's runs."""
MIN_SECONDS = 0.001
"""And at least this in a trace that has it, on average."""
MIN_CASES = 3
"""And so many traces have it."""
SLOW_SHARE = 0.2
"""Calls are slow, and downloads and checks worth it, from this share of the operation's time on."""
EVIDENCE = 5
"""How many operation ids a finding names at most."""
_CONFIDENCE: dict[Rule, float] = {
    "retried_external": 0.9,
    "repeated_lookup": 0.9,
    "n_plus_one": 0.8,
    "sequential_awaits": 0.5,
    "large_download": 0.6,
    "state_check": 0.6,
    "slow_external": 0.6,
    "slow_database": 0.6,
    "blocking_step": 0.7,
    "cold_start": 0.7,
    "rare_stall": 0.6,
}
"""How often, in our judgement, the pattern is what it seems to be; with many cases."""
_SELDOM = ("cold_start", "rare_stall")
"""Few traces have these by their nature: they are told for what they do to those."""
_SHARES = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Gain:
    """What would be saved, in seconds."""

    p50: float
    """Of the median of the traces of this kind."""
    p95: float
    """Of the 95th percentile of these traces."""
    total: float
    """Over all traces."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth changing."""

    rule: Rule
    """What was found, by the name of its rule."""
    operation: str
    """Where it happens."""
    segment: str
    """What it is: the called operations, or a segment."""
    gain: Gain
    """What mending it would save."""
    count: int
    """How many traces have it."""
    confidence: float
    """0 to 1: how surely the pattern is what it seems, by the rule and the number of cases; a judgement."""
    evidence: list[str]
    """Operation ids of the traces where it costs most."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The whole answer."""

    count: int
    """How many traces were looked at."""
    findings: list[Finding]
    """By the total gain, largest first."""
    unused: TreeIssues
    """Records that do not fit into trees."""


def advise(records: Iterable[Record]) -> Advice:
    """Look for patterns that cost time, and replay the traces without each of them; needs numpy."""
    forest = Forest(records)
    roots = forest.roots
    by_name: defaultdict[str, list[Node]] = defaultdict(list)
    for root in roots:
        by_name[root.name].append(root)
    cases: defaultdict[tuple[Rule, str, str], list[Match]] = defaultdict(list)
    for case in _cases(roots):
        cases[case.rule, case.operation, case.segment].append(case)
    findings = []
    for kind, found in cases.items():
        merged: dict[int, Match] = {}
        for case in found:
            known = merged.get(id(case.root))
            merged[id(case.root)] = case if known is None else case._replace(remains={**known.remains, **case.remains})
        of_kind = [root for name in {case.root.name for case in found} for root in by_name[name]]
        finding = _finding(*kind, list(merged.values()), of_kind)
        if finding is not None:
            findings.append(finding)
    findings += _blocking(roots)
    findings.sort(key=lambda one: (-one.gain.total, one.rule, one.operation, one.segment))
    return Advice(len(roots), findings, forest.unused)


def _cases(roots: Sequence[Node]) -> Iterator[Match]:
    for root in roots:
        trace = Trace(root)
        for rule in TRACE_RULES:
            yield from rule(trace)
    yield from outliers(roots)


def _finding(rule: Rule, operation: str, segment: str, cases: list[Match], roots: Sequence[Node]) -> Finding | None:
    """Replay the traces of a finding; None where it is not worth telling."""
    import numpy as np

    if len(cases) < MIN_CASES and rule != "cold_start":  # there is one in a process
        return None
    now = np.array([root.end - root.start for root in roots], dtype=float) / 1e9
    place = {id(root): number for number, root in enumerate(roots)}
    numbers = [place[id(case.root)] for case in cases]
    then = now.copy()
    then[numbers] = spared((case.root, case.remains) for case in cases) / 1e9
    weights = np.array([root.record.weight for root in roots], dtype=float)
    gain = _gain(now, then, weights)
    least = 0.0 if rule in _SELDOM else _least_share(rule) * float((now * weights).sum())
    if gain.total <= max(least, MIN_SECONDS * float(weights[numbers].sum())):
        return None
    worst = sorted(numbers, key=lambda number: (-(now - then)[number], number))[:EVIDENCE]
    evidence = [roots[number].record.operation_id for number in worst]
    return Finding(rule, operation, segment, gain, len(cases), _confidence(rule, len(cases)), evidence)


def _blocking(roots: Sequence[Node]) -> Iterator[Finding]:
    """Report what blocked the loop of other traces, even where no other trace was there."""
    import numpy as np

    found: defaultdict[tuple[str, str], list[BlockedLoop]] = defaultdict(list)
    for block in blocks(roots):
        found[block.operation, block.segment].append(block)
    for (operation, segment), held in found.items():
        blockers = {id(block.root): block.root for block in held}
        if len(blockers) < MIN_CASES:
            continue
        lost = delayed(held, roots)
        concerned = [root for root in roots if id(root) in lost] or list(blockers.values())
        now = np.array([root.end - root.start for root in concerned], dtype=float) / 1e9
        then = now - np.array([lost.get(id(root), 0) for root in concerned], dtype=float) / 1e9
        gain = _gain(now, then, np.array([root.record.weight for root in concerned], dtype=float))
        longest = {id(block.root): block.end - block.start for block in held}
        worst = sorted(blockers, key=lambda one: (-longest[one], blockers[one].start))[:EVIDENCE]
        evidence = [blockers[one].record.operation_id for one in worst]
        confidence = _confidence("blocking_step", len(blockers))
        yield Finding("blocking_step", operation, segment, gain, len(blockers), confidence, evidence)


def _gain(now: "Numbers", then: "Numbers", weights: "Numbers") -> Gain:
    import numpy as np

    p50, p95 = (
        WeightedSample(now, weights).percentile(np.array(_SHARES))
        - WeightedSample(then, weights).percentile(np.array(_SHARES))
    ).tolist()
    return Gain(p50, p95, float(((now - then) * weights).sum()))


def _confidence(rule: Rule, count: int) -> float:
    return round(_CONFIDENCE[rule] * count / (count + 3), 3)


def _least_share(rule: Rule) -> float:
    """Return the share of the operation's time that a rule must save for its finding to be reported."""
    if rule in ("slow_external", "slow_database", "large_download"):
        return SLOW_SHARE * (1 - HALF)
    return SLOW_SHARE / 2 if rule == "state_check" else MIN_SHARE
