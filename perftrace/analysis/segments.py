"""Runs cut at their checkpoints."""

from perftrace.core.record import Record
from perftrace.core.values import END


def segments_of(record: Record) -> list[tuple[str, int]]:
    """Cut a finished run into its segments: name and nanoseconds, `(end)` last.

    The first is left out where the start was not seen: nobody knows where it began.
    """
    segments = []
    before = 0 if record.start_seen else None
    for name, _, elapsed, _ in record.checkpoints:
        if before is not None:
            segments.append((name, elapsed - before if elapsed > before else 0))
        before = elapsed
    if before is not None:
        # Lines round to milliseconds, each on its own: a last checkpoint may seem to lie past the end.
        segments.append((END, record.duration_ns - before if record.duration_ns > before else 0))
    return segments
