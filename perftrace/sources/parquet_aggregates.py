"""Parquet files of a store as numbers by shape, for reports: a hundred times as fast as record by record."""

import contextlib
import math
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from perftrace.core.record import Record
from perftrace.formats.jsonl import VERSION
from perftrace.messages import Message
from perftrace.sources.aggregates import EVERYTHING, RunAggregates, RunGroup, RunTimes, Selection, StoreAggregates
from perftrace.store.folder import Contents, TraceFile
from perftrace.store.parquet import database, literal, record_of_row
from perftrace.store.query import quoted, select_all

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

_ROWS = 1_000_000
"""How many rows are taken at once."""
_OF_MANY = 0.4
"""Where there are too many records, so much of what might be held is taken: one costs as much as fifty counted."""
_SHAPES = """
SELECT name, coalesce(weight, 1.0) AS weight,
    hash(list_transform(checkpoints, lambda c: c.name)) AS shape,
    list_transform(coalesce(any_value(checkpoints), []), lambda c: c.name) AS names,
    coalesce(start_seen, true) AS seen,
    count(*) FILTER (outcome IN ('error', 'abandoned')) AS failures,
    count(*) FILTER (outcome = 'cancelled') AS cancelled,
    coalesce(sum(duration_ns) FILTER (running_ns IS NOT NULL), 0)::BIGINT AS known,
    coalesce(sum(greatest(0, least(running_ns, duration_ns))) FILTER (running_ns IS NOT NULL), 0)::BIGINT AS running,
    bool_and(coalesce(trace_id, '') <> '') AS placed,
    list(duration_ns) AS durations,
    coalesce(flatten(list(list_transform(checkpoints, lambda c: c.elapsed_ns))), []) AS elapsed
FROM chosen WHERE outcome IS NOT NULL GROUP BY name, coalesce(weight, 1.0), shape, seen
"""
_TIMES = """
SELECT name, list(start), list(greatest(0, duration_ns)), list(coalesce(weight, 1.0)),
    list((outcome IN ('error', 'abandoned'))::TINYINT)
FROM chosen WHERE outcome IS NOT NULL AND start <> 0 GROUP BY name
"""
_CUT_OFF = """
WITH outside AS (
    SELECT trace_id, span_id, false AS is_line FROM everything WHERE outcome IS NOT NULL
    UNION ALL SELECT trace_id, span_id, true FROM lines WHERE outcome IS NOT NULL
), inside AS (SELECT * FROM all_runs WHERE outcome IS NOT NULL)
SELECT (
    SELECT count(*) FROM (SELECT * FROM runs WHERE outcome IS NOT NULL) call
    SEMI JOIN outside caller ON call.parent_id = caller.span_id AND call.trace_id = caller.trace_id
    ANTI JOIN inside ON call.parent_id = inside.span_id AND call.trace_id = inside.trace_id
) + (
    SELECT count(*) FROM (SELECT * FROM line_runs WHERE outcome IS NOT NULL) call
    SEMI JOIN (SELECT * FROM outside WHERE NOT is_line) caller
        ON call.parent_id = caller.span_id AND call.trace_id = caller.trace_id
    ANTI JOIN inside ON call.parent_id = inside.span_id AND call.trace_id = inside.trace_id
    ANTI JOIN (SELECT * FROM outside WHERE is_line) told
        ON call.parent_id = told.span_id AND call.trace_id = told.trace_id
)
"""
_STRAYS = """
runs call SEMI JOIN (SELECT * FROM line_runs WHERE outcome IS NOT NULL) caller
    ON call.parent_id = caller.span_id AND call.trace_id = caller.trace_id
WHERE outcome IS NOT NULL
"""
_ERRORS = """
SELECT name, coalesce(weight, 1.0), coalesce(error_type, outcome), count(*) FROM chosen
WHERE outcome IN ('error', 'abandoned') GROUP BY ALL
"""
_AGAIN = """
SELECT count(*) - count(DISTINCT hash(trace_id, span_id, name, start)) FROM anywhere WHERE trace_id <> ''
"""
# How long children of the same process ran, side by side counted once: of each the part that ends after all before it.
# By wall time where there is no monotonic one, as in imported traces.
_CALLED = """
WITH placed AS (
    SELECT *, coalesce(nullif(start_mono, 0), start) AS began, coalesce(process, pid::VARCHAR) AS whose FROM all_runs
), callers AS (
    SELECT *, coalesce(nullif(start_mono, 0), start) AS began, coalesce(process, pid::VARCHAR) AS whose FROM chosen
), calls AS (
    SELECT caller.name, coalesce(caller.weight, 1.0) AS weight, caller.whose, caller.trace_id, caller.span_id,
        caller.began,
        greatest(call.began, caller.began) AS begun,
        least(call.began + call.duration_ns, caller.began + caller.duration_ns) AS ended
    FROM placed call JOIN callers caller
        ON call.parent_id = caller.span_id AND call.trace_id = caller.trace_id
            AND call.whose IS NOT DISTINCT FROM caller.whose
    WHERE call.parent_id IS NOT NULL AND call.outcome IS NOT NULL AND caller.outcome IS NOT NULL
), parts AS (
    SELECT name, weight, ended, greatest(begun, coalesce(max(ended) OVER (
        PARTITION BY whose, trace_id, span_id, name, began ORDER BY begun, ended
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), begun)) AS begun FROM calls
)
SELECT name, weight, sum(ended - begun)::BIGINT FROM parts WHERE ended > begun GROUP BY ALL
"""


def aggregate_runs(
    files: Sequence[TraceFile],
    wanted: RunAggregates,
    beside: Sequence[TraceFile] = (),
    elsewhere: Sequence[TraceFile] = (),
) -> StoreAggregates:
    """Count the records of Parquet files, in which each is once.

    wanted: says how many of the slowest are given as records, how many of whole traces at most, and which runs are
    wanted. beside: files of JSON lines of this store, which are read record by record. elsewhere: files of other stores
    that are read, too.

    Raises ValueError where a file cannot be read, or holds records of a newer version, or where a record is there
    twice; ModuleNotFoundError without DuckDB or numpy.
    """
    with _opened(files, wanted.selection, beside, elsewhere) as db:
        counts = _count(db, wanted)
        if not wanted.is_slowest_only:
            for columns in _by_group(db, files, wanted.selection, _SHAPES):
                counts.blocks.extend(map(_block, *columns))
        return counts


def read_times(
    files: Sequence[TraceFile],
    wanted: RunTimes,
    beside: Sequence[TraceFile] = (),
    elsewhere: Sequence[TraceFile] = (),
) -> tuple[int, int, int]:
    """Take the times of the runs that are wanted; return how many rows, finished runs, and such without a time.

    Raises as `aggregate_runs` does.
    """
    with _opened(files, wanted.selection, beside, elsewhere) as db:
        counts = _rows(db)
        found = [
            rows for columns in _by_group(db, files, wanted.selection, _TIMES) for rows in zip(*columns, strict=True)
        ]
    for name, starts, *columns in found:
        wanted.which.extend([wanted.names.setdefault(str(name), len(wanted.names))] * len(starts))
        taken: tuple[array[Any], ...] = wanted.starts, wanted.lengths, wanted.weights, wanted.failed
        for column, numbers in zip(taken, (starts, *columns), strict=True):
            column.frombytes(numbers.tobytes())
    return counts


@contextlib.contextmanager
def _opened(
    files: Sequence[TraceFile], selection: Selection, beside: Sequence[TraceFile], elsewhere: Sequence[TraceFile]
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open a database with the records of Parquet files, if each is once in these and those beside."""
    import numpy as np  # noqa: F401  # DuckDB gives arrays by it

    with contextlib.closing(database()) as db:
        import duckdb

        try:
            everywhere = select_all(Contents((*files, *beside, *elsewhere), (), ()))
            db.execute(f"CREATE VIEW anywhere AS {everywhere}")
            ((again,),) = db.execute(_AGAIN).fetchall()
            if again:
                raise ValueError("records that are there twice")  # to be read one by one
            _create_views(db, select_all(Contents(tuple(files), (), ())), selection)
            _create_lines(db, select_all(Contents(tuple(beside), (), ())), selection)
            ((newest,),) = db.execute("SELECT max(v) FROM everything").fetchall()
            if newest is not None and newest > VERSION:
                raise ValueError(Message("newer_records", version=newest, known=VERSION))
            yield db
        except duckdb.Error as error:
            raise ValueError(str(error).splitlines()[0]) from None


def _count(db: "duckdb.DuckDBPyConnection", wanted: RunAggregates) -> StoreAggregates:
    rows, finished, untimed = _rows(db)
    ((inside, roots),) = db.execute(
        "SELECT count(*), count(*) FILTER (parent_id IS NULL AND trace_id <> '' AND outcome IS NOT NULL) FROM runs"
    ).fetchall()
    # Of these rows all columns are read, so that it pays to know first which they are.
    longest = "SELECT duration_ns FROM chosen WHERE outcome IS NOT NULL ORDER BY duration_ns DESC"
    ((least,),) = db.execute(f"SELECT min(duration_ns) FROM ({longest} LIMIT {wanted.slowest:d})").fetchall()  # noqa: S608  # ours
    order = f"ORDER BY duration_ns DESC, start LIMIT {wanted.slowest:d}"
    slowest = list(_records(db, f"chosen WHERE outcome IS NOT NULL AND duration_ns >= {least or 0:d} {order}"))
    if wanted.is_slowest_only:
        return StoreAggregates(rows, [], [], [], slowest, [], [], 1, 0, 0, finished, untimed, [])
    step = 1
    if inside > wanted.sample > 0:
        while inside > _OF_MANY * wanted.sample * step:
            step *= 2
    is_chosen = f"trace_id <> '' AND ('0x' || right(trace_id, 8))::UBIGINT % {step:d} = 0"
    sample = list(_records(db, f"runs WHERE outcome IS NOT NULL AND {is_chosen}")) if wanted.sample else []
    ((cut_off,),) = db.execute(_CUT_OFF).fetchall() if wanted.selection != EVERYTHING else [(0,)]
    return StoreAggregates(
        rows,
        [],
        db.execute(_ERRORS).fetchall(),
        db.execute(_CALLED).fetchall(),
        slowest,
        list(_records(db, "everything WHERE outcome IS NULL")),
        sample,
        step,
        roots - sum(record.parent_id is None for record in sample),
        int(cut_off),
        finished,
        untimed,
        list(_records(db, _STRAYS, "call.*")),
    )


def _rows(db: "duckdb.DuckDBPyConnection") -> tuple[int, int, int]:
    """Return how many rows there are, how many of them are finished runs, and how many of these have no time."""
    ((rows, finished, untimed),) = db.execute(
        "SELECT count(*), count(outcome), count(outcome) FILTER (coalesce(start, 0) = 0) FROM everything"
    ).fetchall()
    return int(rows), int(finished), int(untimed)


def _create_views(db: "duckdb.DuckDBPyConnection", select: str, selection: Selection) -> None:
    """Create `everything`, of that `runs` of the period, and of those `chosen`, which are wanted."""
    period = _period(selection)
    name = [] if selection.operation is None else [f"name = {quoted(selection.operation)}"]
    for view, source, conditions in (
        ("everything", f"({select})", []),
        ("runs", "everything", period),
        ("chosen", "runs", name),
    ):
        where = " WHERE " + " AND ".join(conditions) if conditions else ""
        db.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {source}{where}")  # noqa: S608  # quoted


def _create_lines(db: "duckdb.DuckDBPyConnection", select: str, selection: Selection) -> None:
    """Create `lines`, of these `line_runs` of the period, and with those of the Parquet files `all_runs`."""
    where = " AND ".join(["true", *_period(selection)])
    db.execute(f"CREATE VIEW lines AS {select}")
    db.execute(f"CREATE VIEW line_runs AS SELECT * FROM lines WHERE {where}")  # noqa: S608  # numbers
    db.execute("CREATE VIEW all_runs AS SELECT * FROM runs UNION ALL BY NAME SELECT * FROM line_runs")


def _period(selection: Selection) -> list[str]:
    return [
        f"start {sign} {math.ceil(limit * 1e9)}"
        for sign, limit in ((">=", selection.since), ("<", selection.until))
        if limit is not None
    ]


def _by_group(
    db: "duckdb.DuckDBPyConnection", files: Sequence[TraceFile], selection: Selection, query: str
) -> "Iterator[Sequence[NDArray[Any]]]":
    """Yield the columns that a query gives for about `_ROWS` rows each."""
    for group, rows in _groups(db, files):
        _create_views(db, select_all(Contents(tuple(group), (), ()), rows), selection)
        yield list(db.execute(query).fetchnumpy().values())


def _groups(db: "duckdb.DuckDBPyConnection", files: Sequence[TraceFile]) -> Iterator[tuple[list[TraceFile], str]]:
    """Yield files, or a condition for the rows of a large one, of about `_ROWS` rows each: arrays need memory."""
    group: list[TraceFile] = []
    held = 0
    for file in files:
        ((rows,),) = db.execute("SELECT num_rows FROM parquet_file_metadata($1)", [[literal(file.path)]]).fetchall()
        if rows > _ROWS:
            for first in range(0, rows, _ROWS):
                yield [file], f"file_row_number >= {first} AND file_row_number < {first + _ROWS}"
            continue
        if held + rows > _ROWS and group:
            yield group, ""
            group, held = [], 0
        group.append(file)
        held += rows
    if group:
        yield group, ""


def _block(
    name: Any, weight: Any, _: Any, names: Any, start_seen: Any, failures: Any, cancelled: Any, known: Any,
    running: Any, is_placed: Any, durations: Any, elapsed: Any,
) -> RunGroup:  # fmt: skip
    """Take a row of `_SHAPES`."""
    return RunGroup(
        str(name),
        float(weight),
        tuple(map(str, names)),
        bool(start_seen),
        int(failures),
        int(cancelled),
        int(known),
        int(running),
        bool(is_placed),
        durations,
        elapsed.reshape(len(durations), -1),
    )


def _records(db: "duckdb.DuckDBPyConnection", wanted: str, columns: str = "*") -> Iterator[Record]:
    rows = db.execute(f"SELECT {columns} FROM {wanted}")  # noqa: S608  # our own conditions
    names = [str(column[0]) for column in rows.description or ()]
    for row in rows.fetchall():
        yield record_of_row(dict(zip(names, row, strict=True)))
