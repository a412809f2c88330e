"""The trace directory: `DirectorySink` writes, `connect` queries, `compact` and `prune` keep it small."""

from perftrace.store.compaction import compact
from perftrace.store.directory import DirectorySink
from perftrace.store.pruning import prune
from perftrace.store.query import connect

__all__ = ["DirectorySink", "compact", "connect", "prune"]
