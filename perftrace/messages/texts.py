"""What texts there are: the fields of each group, which both languages fill in."""

from typing import Literal, NamedTuple

Language = Literal["zh", "en"]


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
    more: str


class ErrorTexts(NamedTuple):
    """Errors and notes of the commands and of what they call; filled in by `Message`."""

    in_place: str
    most_not_understood: str
    foreign_format: str
    no_spans: str
    miss_no_sign: str
    miss_unknown_word: str
    miss_no_text: str
    miss_no_duration: str
    miss_odd_addition: str
    not_found: str
    stdin_closed: str
    no_trace_files: str
    parquet_from_stdin: str
    damaged_gzip: str
    reader_killed: str
    binary: str
    too_large: str
    inflates: str
    damaged_json: str
    damaged_json_at: str
    cut_message: str
    no_otlp: str
    newer_records: str
    bad_parquet: str
    damaged_store: str
    store_busy: str
    not_all_taken: str
    needs_duckdb: str
    needs_protobuf: str
    needs_urllib3: str
    not_written: str
    not_a_time: str
    not_a_condition: str
    not_a_group: str
    range_reversed: str
    too_many_windows: str
    not_an_age: str
    not_a_size: str
    not_a_length: str
    not_a_count: str
    not_a_tail: str
    below_zero: str
    not_a_target: str
    no_record_left: str
    no_operation: str
    no_id: str
    stdin_once: str
    needs_numpy: str
    prune_what: str
    binary_on_terminal: str
    not_to_a_receiver: str
    lost: str
    full: str
    empty: str
    no_line: str
    none_understood: str
    none_of_log: str
    newer_lines: str
    passed_over: str
    passed_over_more: str
    unfinished: str
    untimed: str
    cut_off: str


class HelpTexts(NamedTuple):
    """Texts of `--help`."""

    program: str
    usage: str
    error: str
    argument: str
    complaints: dict[str, str]
    """What is wrong with options, by the pattern of what argparse says of it."""
    arguments: str
    options: str
    help: str
    json: str
    language: str
    files: str
    operation: str
    since: str
    until: str
    where: str
    by: str
    sort: str
    how_many: str
    id: str
    name: str
    tail: str
    window: str
    before: str
    after: str
    within: str
    fail_on: str
    min_change: str
    export_to: str
    export_output: str
    import_to: str
    folder: str
    max_age: str
    max_size: str
    commands: dict[str, str]
    """By command: what it shows, in a few words."""
    descriptions: dict[str, str]
    """By command: what it does."""


class ReportTexts(NamedTuple):
    """The texts of a report in one language."""

    first: str
    first_of_log: str
    step: str
    callers: str
    sampled: str
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
    unplaced: str
    folded: str
    not_understood: str
    obscured: str
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
    lost_at_exit: str
    logger_disabled: str
    unread: str
    receiver: str
    file_full: str


class Texts(NamedTuple):
    """All texts in one language."""

    advice: AdviceTexts
    compare: CompareTexts
    errors: ErrorTexts
    help: HelpTexts
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
    loss_reasons: dict[str, str]
    """By the reason that `Sink.dropped` gives, and what else a receiver's answers come to."""
