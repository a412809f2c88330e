"""SQL over a trace directory, by DuckDB (extra `store`), while bots write."""

import os
from typing import TYPE_CHECKING

from perftrace.formats.jsonl import VERSION
from perftrace.messages import Message
from perftrace.store.folder import LINES, PARQUET, Contents, contents
from perftrace.store.parquet import COLUMNS, database, literal

if TYPE_CHECKING:
    import duckdb

_WHOLE = f"v <= {VERSION} AND name IS NOT NULL AND duration_ns IS NOT NULL"
"""What a line that is no record, half written or of a version to come, does not fulfil."""


def connect(folder: str | os.PathLike[str]) -> "duckdb.DuckDBPyConnection":
    """Open a database in memory with the store's files of this moment as the view `records`.

    Its columns are the fields of a record's JSON line, times in nanoseconds, `checkpoints` a list of structs,
    `attributes` JSON. The view reads the files anew in each query, so that it sees what was appended since; of files
    that were compacted or pruned since DuckDB says that they are gone: connect again.

    Raises OSError where the folder cannot be read or holds no trace files, ValueError where a Parquet file in it is
    damaged, ModuleNotFoundError without DuckDB.
    """
    found = contents(folder)
    if not found.files:
        raise FileNotFoundError(2, Message("no_trace_files", lines=LINES, parquet=PARQUET), os.fspath(folder))
    db = database()
    import duckdb

    try:
        db.execute(f"CREATE VIEW records AS {select_all(found)}")
    except duckdb.Error as error:
        db.close()
        reason = str(error).splitlines()[0]
        damaged = Message("damaged_store", error=reason)
        raise ValueError(Message("in_place", place=os.fspath(folder), error=damaged)) from None
    return db


def select_all(found: Contents, rows: str = "") -> str:
    """Write the query that gives all records of the files.

    rows: a condition for the rows of each Parquet file, on `file_row_number`.
    """
    lines = [file for file in found.files if file.is_lines]
    parquet = [file for file in found.files if not file.is_lines]
    # The columns, whatever a file of another version has or has not.
    empty = ", ".join(f"NULL::{kind} AS {name}" for name, kind in COLUMNS.items())
    parts = [f"SELECT {empty} WHERE false"]
    if parquet:
        paths = ", ".join(quoted(literal(file.path)) for file in parquet)
        options = "union_by_name = true" + (", file_row_number = true" if rows else "")
        every = "* EXCLUDE file_row_number" if rows else "*"
        where = f" WHERE {rows}" if rows else ""
        parts.append(f"SELECT {every} FROM read_parquet([{paths}], {options}){where}")  # noqa: S608  # files, quoted
    if lines:
        paths = ", ".join(quoted(literal(file.path)) for file in lines)
        types = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in COLUMNS.items())
        options = f"format = 'newline_delimited', ignore_errors = true, columns = {{{types}}}"
        parts.append(f"SELECT * FROM read_json([{paths}], {options}) WHERE {_WHOLE}")  # noqa: S608  # as above
    return " UNION ALL BY NAME ".join(parts)


def quoted(text: str) -> str:
    """Write a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
