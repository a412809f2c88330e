"""Names of SQL statements."""

import re

from perftrace.integrations.guard import UNNAMED, guarded

_FIRST_WORD = re.compile(r"(?:\s|;|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
_BEGINNING = 4096
"""Characters of a statement that are looked at."""


def statement_name(statement: object) -> str:
    """Name a statement by its first word, whatever comments and brackets stand before it: `sql SELECT`."""
    return f"sql {guarded('sql: name', lambda: _first_word(statement), UNNAMED)}"


def _first_word(statement: object) -> str:
    found = _FIRST_WORD.match(str(statement)[:_BEGINNING])
    if found is None:
        raise ValueError("a statement without a first word")
    return found[1].upper()
