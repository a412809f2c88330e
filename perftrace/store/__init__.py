"""The trace directory: `DirectorySink` writes, `connect` queries, `compact` and `prune` keep it small."""

from perftrace.store.compaction import Compacted, compact
from perftrace.store.directory import DirectorySink
from perftrace.store.pruning import Pruned, prune
from perftrace.store.query import connect

__all__ = ["Compacted", "DirectorySink", "Pruned", "compact", "connect", "prune"]
