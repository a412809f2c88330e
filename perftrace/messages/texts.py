"""What texts there are: the fields of each group, which both languages fill in."""

from typing import NamedTuple


class AdviceTexts(NamedTuple):
    """The words in one language."""

    first: str
    nothing: str
    gain: str
    evidence: str
    more: str
    texts: dict[str, str]


class CompareTexts(NamedTuple):
    """The words in one language."""

    counts: str
    columns: tuple[str, ...]
    verdicts: dict[str, str]
    needed: str
    only: str
    nothing: str
    method: str


class ReportTexts(NamedTuple):
    """The texts of a report in one language."""

    first: str
    columns: tuple[str, ...]
    bottleneck: str
    failures: str
    failure: str
    slowest: str
    run_columns: tuple[str, ...]
    never_ended: str
    stood_at: str
    at_start: str
    more: str
    not_understood: str
    duplicates: str
    read: str
    outcomes: dict[str | None, str]
    """By outcome, where it is not shown as it is."""


class StoreTexts(NamedTuple):
    """The words in one language."""

    files: str
    kind: str
    records: str
    written: str
    other_files: str
    compacted: str
    kept: str
    in_use: str
    pruned: str
    left: str
    over: str
    sound: str
    unsound: str
    torn: str
    damaged: str
    newer: str
    live: str


class TableTexts(NamedTuple):
    """The words in one language."""

    left_out: str


class TrendTexts(NamedTuple):
    """The words in one language."""

    window: str
    columns: tuple[str, ...]
    change_columns: tuple[str, ...]
    metrics: dict[str, str]
    changes: str
    none: str
    more: str
    needed: str
    per_second: str


class WaterfallTexts(NamedTuple):
    """The words in one language."""

    title: str
    path: str
    gaps: str
    more: str
    unawaited: str


class WhatifTexts(NamedTuple):
    """The words in one language."""

    first: str
    columns: tuple[str, ...]
    more: str
    too_few: str
    nothing: str
    assumption: str


class WhyTexts(NamedTuple):
    """The words in one language."""

    longer: str
    part: str
    attribute: str
    end: str
    no_gap: str
    too_few: str
    groups: str
    columns: tuple[str, ...]
    more: str
    attributes: str
    attribute_columns: tuple[str, ...]
    no_attributes: str


class WarningTexts(NamedTuple):
    """The texts of perftrace's own warnings in one language; they carry no marker, so they are no lines."""

    unknown_id: str
    running_id: str
    ended_id: str
    too_many: str
    broken_sink: str
    too_many_names: str
    queue_full: str
    queue_free: str
    receiver: str
    file_full: str


class Texts(NamedTuple):
    """All texts in one language."""

    advice: AdviceTexts
    compare: CompareTexts
    report: ReportTexts
    store: StoreTexts
    table: TableTexts
    trend: TrendTexts
    waterfall: WaterfallTexts
    whatif: WhatifTexts
    why: WhyTexts
    warnings: WarningTexts
    tree_issues: tuple[str, ...]
    """Of what does not fit into trees: duplicates, orphans, what was clipped."""
    imported: str
