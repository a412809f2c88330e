"""Records as Parquet, by DuckDB (extra `store`): JSON lines in, records out."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perftrace.core.record import Record
from perftrace.formats.jsonl import VERSION, record_of
from perftrace.messages import Message

if TYPE_CHECKING:
    import duckdb

COLUMNS = {
    "v": "INTEGER",
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "operation_id": "VARCHAR",
    "name": "VARCHAR",
    "key": "VARCHAR",
    "key_name": "VARCHAR",
    "description": "VARCHAR",
    "start": "BIGINT",
    "start_mono": "BIGINT",
    "duration_ns": "BIGINT",
    "outcome": "VARCHAR",
    "checkpoints": "STRUCT(name VARCHAR, description VARCHAR, elapsed_ns BIGINT, attributes JSON)[]",
    "attributes": "JSON",
    "running_ns": "BIGINT",
    "inner_ns": "BIGINT",
    "steps": "BIGINT",
    "longest_step_ns": "BIGINT",
    "process": "VARCHAR",
    "pid": "BIGINT",
    "thread": "VARCHAR",
    "task": "VARCHAR",
    "sequence": "BIGINT",
    "start_seen": "BOOLEAN",
    "done": "VARCHAR",
    "error_type": "VARCHAR",
    "error": "VARCHAR",
    "slow": "BOOLEAN",
    "link": "STRUCT(trace_id VARCHAR, span_id VARCHAR)",
    "weight": "DOUBLE",
}
"""Of a record, as in its JSON line; what is left out there is NULL here."""
_MEMORY = "512MB"
_ROWS = 2_000


def database() -> "duckdb.DuckDBPyConnection":
    """Open an empty database in memory.

    Raises ModuleNotFoundError, with the command that helps, where DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise ModuleNotFoundError(Message("needs_duckdb"), name="duckdb") from None
    return duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})


def literal(path: str | os.PathLike[str]) -> str:
    """Write a path so that DuckDB takes it for no pattern."""
    return "".join(f"[{character}]" if character in "[*?" else character for character in os.fspath(path))


def write(lines: Path, parquet: Path) -> int:
    """Write a file of records as JSON lines into a Parquet file, ordered by start; return the number of records.

    The file is for its owner alone (0600). All lines must be records, as `encode` writes them. Raises OSError.
    """
    parquet.touch(mode=0o600)
    with contextlib.closing(database()) as db:
        import duckdb

        try:
            number = _write(db, lines, parquet)
        except duckdb.Error as error:
            raise OSError(str(error).splitlines()[0]) from None
    parquet.chmod(0o600)
    return number


def _write(db: "duckdb.DuckDBPyConnection", lines: Path, parquet: Path) -> int:
    db.execute(f"SET memory_limit = '{_MEMORY}'")
    # What does not fit goes beside the file, not to where the process happens to be.
    db.execute("SET temp_directory = ?", [f"{parquet}.spill"])
    source = db.from_query(
        "SELECT * FROM read_json($lines, format = 'newline_delimited', columns = $columns) ORDER BY start",
        params={"lines": [literal(lines)], "columns": COLUMNS},
    )
    source.to_parquet(os.fspath(parquet), compression="zstd", use_tmp_file=False)
    return _count(db, parquet)


def read(parquet: str | os.PathLike[str]) -> Iterator[Record]:
    """Return the records of a Parquet file in its order.

    Raises ValueError where it is no Parquet, or holds no records or those of a newer version, and
    FileNotFoundError.
    """
    with contextlib.closing(database()) as db:
        import duckdb

        try:
            rows = db.execute("SELECT * FROM read_parquet($1)", [[literal(parquet)]])
            names = [str(column[0]) for column in rows.description or ()]
            while batch := rows.fetchmany(_ROWS):
                yield from (record_of_row(dict(zip(names, row, strict=True))) for row in batch)
        except duckdb.Error as error:
            raise _unreadable(parquet, error) from None


def count(parquet: str | os.PathLike[str]) -> int:
    """Count the records of a Parquet file, without reading them; raises as `read` does."""
    with contextlib.closing(database()) as db:
        import duckdb

        try:
            return _count(db, parquet)
        except duckdb.Error as error:
            raise _unreadable(parquet, error) from None


def _count(db: "duckdb.DuckDBPyConnection", parquet: str | os.PathLike[str]) -> int:
    (number,) = db.execute("SELECT count(*) FROM read_parquet($1)", [[literal(parquet)]]).fetchall()[0]
    return int(number)


def _unreadable(parquet: str | os.PathLike[str], error: Exception) -> Exception:
    if not os.path.exists(parquet):
        return FileNotFoundError(2, os.strerror(2), os.fspath(parquet))
    return ValueError(Message("bad_parquet", error=str(error).splitlines()[0]))


def record_of_row(row: dict[str, Any]) -> Record:
    """Make a record of a row's columns; raises ValueError if a newer version wrote it."""
    fields = {name: value for name, value in row.items() if value is not None}
    if fields.get("v", VERSION) > VERSION:
        raise ValueError(Message("newer_records", version=fields["v"], known=VERSION))
    if "attributes" in fields:
        fields["attributes"] = json.loads(fields["attributes"])
    if "checkpoints" in fields:
        fields["checkpoints"] = [_checkpoint(checkpoint) for checkpoint in fields["checkpoints"]]
    return record_of(fields)


def _checkpoint(row: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in row.items() if value is not None}
    if "attributes" in fields:
        fields["attributes"] = json.loads(fields["attributes"])
    return fields
