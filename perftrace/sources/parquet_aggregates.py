"""Parquet files of a store as numbers by shape, for reports: a hundred times as fast as record by record."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from perftrace.core.record import Record
from perftrace.formats.jsonl import VERSION
from perftrace.messages import Message
from perftrace.sources.aggregates import RunGroup, StoreAggregates
from perftrace.store.folder import Contents, TraceFile
from perftrace.store.parquet import database, literal, record_of_row
from perftrace.store.query import select_all

if TYPE_CHECKING:
    import duckdb

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
FROM runs WHERE outcome IS NOT NULL GROUP BY name, coalesce(weight, 1.0), shape, seen
"""
_ERRORS = """
SELECT name, coalesce(weight, 1.0), coalesce(error_type, outcome), count(*) FROM runs
WHERE outcome IN ('error', 'abandoned') GROUP BY ALL
"""
_AGAIN = """
SELECT count(*) - count(DISTINCT hash(trace_id, span_id, name, start)) FROM runs WHERE trace_id <> ''
"""
# How long children of the same process ran, side by side counted once: of each the part that ends after all before it.
# By wall time where there is no monotonic one, as in imported traces.
_CALLED = """
WITH placed AS (
    SELECT *, coalesce(nullif(start_mono, 0), start) AS began, coalesce(process, pid::VARCHAR) AS whose FROM runs
), calls AS (
    SELECT caller.name, coalesce(caller.weight, 1.0) AS weight, caller.whose, caller.trace_id, caller.span_id,
        caller.began,
        greatest(call.began, caller.began) AS begun,
        least(call.began + call.duration_ns, caller.began + caller.duration_ns) AS ended
    FROM placed call JOIN placed caller
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
    files: Sequence[TraceFile], slowest: int, sample: int, beside: Sequence[TraceFile] = ()
) -> StoreAggregates:
    """Count the records of Parquet files, in which each is once.

    slowest: how many of the slowest are given as records. sample: how many of whole traces at most. beside: files of
    JSON lines that are read, too.

    Raises ValueError where a file cannot be read, or holds records of a newer version, or where a record is there
    twice; ModuleNotFoundError without DuckDB or numpy.
    """
    import numpy as np  # noqa: F401  # DuckDB gives arrays by it

    with contextlib.closing(database()) as db:
        import duckdb

        try:
            _create_view(db, select_all(Contents((*files, *beside), (), ())))
            ((again,),) = db.execute(_AGAIN).fetchall()
            if again:
                raise ValueError("records that are there twice")  # to be read one by one
            if beside:
                _create_view(db, select_all(Contents(tuple(files), (), ())))
            counts = _count(db, slowest, sample)
            for group, rows in _groups(db, files):
                _create_view(db, select_all(Contents(tuple(group), (), ()), rows))
                counts.blocks.extend(_blocks(db))
            return counts
        except duckdb.Error as error:
            raise ValueError(str(error).splitlines()[0]) from None


def _count(db: "duckdb.DuckDBPyConnection", slowest: int, sample: int) -> StoreAggregates:
    ((rows, newest, roots),) = db.execute(
        "SELECT count(*), max(v), count(*) FILTER (parent_id IS NULL AND trace_id <> '' AND outcome IS NOT NULL) "
        "FROM runs"
    ).fetchall()
    if newest is not None and newest > VERSION:
        raise ValueError(Message("newer_records", version=newest, known=VERSION))
    # Of these rows all columns are read, so that it pays to know first which they are.
    longest = "SELECT duration_ns FROM runs WHERE outcome IS NOT NULL ORDER BY duration_ns DESC"
    ((least,),) = db.execute(f"SELECT min(duration_ns) FROM ({longest} LIMIT {slowest:d})").fetchall()  # noqa: S608  # ours
    order = f"ORDER BY duration_ns DESC, start LIMIT {slowest:d}"
    step = 1
    if rows > sample > 0:
        while rows > _OF_MANY * sample * step:
            step *= 2
    is_chosen = f"trace_id <> '' AND ('0x' || right(trace_id, 8))::UBIGINT % {step:d} = 0"
    chosen = list(_records(db, f"outcome IS NOT NULL AND {is_chosen}")) if sample else []
    return StoreAggregates(
        int(rows),
        [],
        db.execute(_ERRORS).fetchall(),
        db.execute(_CALLED).fetchall(),
        list(_records(db, f"outcome IS NOT NULL AND duration_ns >= {least or 0:d} {order}")),
        list(_records(db, "outcome IS NULL")),
        chosen,
        step,
        roots - sum(record.parent_id is None for record in chosen),
    )


def _create_view(db: "duckdb.DuckDBPyConnection", select: str) -> None:
    db.execute(f"CREATE OR REPLACE VIEW runs AS {select}")


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


def _blocks(db: "duckdb.DuckDBPyConnection") -> list[RunGroup]:
    return [
        RunGroup(
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
        for name, weight, _, names, start_seen, failures, cancelled, known, running, is_placed, durations, elapsed in (
            zip(*db.execute(_SHAPES).fetchnumpy().values(), strict=True)
        )
    ]


def _records(db: "duckdb.DuckDBPyConnection", condition: str) -> Iterator[Record]:
    rows = db.execute(f"SELECT * FROM runs WHERE {condition}")  # noqa: S608  # our own conditions
    names = [str(column[0]) for column in rows.description or ()]
    for row in rows.fetchall():
        yield record_of_row(dict(zip(names, row, strict=True)))
