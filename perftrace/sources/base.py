"""What a source gives: records, what never ended, and the counters of the reading."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from perftrace.core.record import Record
from perftrace.exceptions import SourceError
from perftrace.messages import Language
from perftrace.sources.aggregates import RunAggregates

Records_co = TypeVar("Records_co", bound=Iterable[Record], covariant=True)

MAX_PLACES = 10
"""How many places of what was not understood are kept."""
MAX_TEXT = 200
"""How many characters of a line that was not understood are kept."""


@dataclass
class ReadCounters:
    """What was read: every line is used, not understood, or another application's."""

    lines: int = 0
    """Lines, records or events that were looked at."""
    used: int = 0
    """Those that made a record or a part of one."""
    not_understood: int = 0
    """Those that are perftrace's, or of the form that was expected, and say nothing that can be read."""
    first_not_understood: list[tuple[str, int]] = field(default_factory=list)
    """The first such places: file and line number."""
    first_texts: list[tuple[str, str]] = field(default_factory=list)
    """Of each of these the text and the name of a reason, for the lines of logs; else empty."""
    passed_over: "Counter[str]" = field(default_factory=Counter)
    """What a trace file holds besides spans, by its format's own names: instants, counters, log records."""
    missed_lines: int = 0
    """Of what was not understood, the lines of logs."""
    obscured: int = 0
    """Runs that started and whose other lines were not understood: nobody knows how they ended."""
    newer: int = 0
    """Of the lines not understood, those that a newer perftrace wrote."""
    skipped: list[str] = field(default_factory=list)
    """What lay in a trace directory and holds no records: files of other programs, folders, pipes."""

    def miss(self, file: str, line: int, text: str = "", reason: str = "") -> None:
        """Count a line that was not understood.

        text, reason: of a line of a log; the reason is a `Miss` of `formats.line`.
        """
        self.not_understood += 1
        self.missed_lines += bool(reason)
        if len(self.first_not_understood) < MAX_PLACES:
            self.first_not_understood.append((file, line))
            self.first_texts.append((text[:MAX_TEXT], reason))

    def misses(self) -> Iterator[tuple[tuple[str, int], tuple[str, str]]]:
        """Return each of the first places with its text and reason."""
        for number, place in enumerate(self.first_not_understood):
            yield place, self.first_texts[number] if number < len(self.first_texts) else ("", "")

    def add(self, other: "ReadCounters") -> None:
        """Add what was read elsewhere."""
        self.lines += other.lines
        self.used += other.used
        self.not_understood += other.not_understood
        self.passed_over += other.passed_over
        self.missed_lines += other.missed_lines
        self.obscured += other.obscured
        room = MAX_PLACES - len(self.first_not_understood)
        self.first_not_understood += other.first_not_understood[:room]
        self.first_texts += other.first_texts[:room]
        self.newer += other.newer
        self.skipped += other.skipped


@dataclass
class Reading(Generic[Records_co]):
    """What a source gives.

    Where `records` are read as they are iterated, the rest is complete once they have been.
    """

    records: Records_co
    """Finished operations, in the order of their finishes."""
    unfinished: Iterable[Record] = ()
    """What started and never ended: records with outcome None and what is known of them."""
    counters: ReadCounters = field(default_factory=ReadCounters)
    """What was read and what was not understood."""
    aggregates: RunAggregates | None = None
    """Finished operations that were counted in place of being given as records; None where all are records."""
    errors: Sequence[str] = ()
    """One line for each file of a trace directory that could not be read, or not to its end."""


class Source:
    """A source that is read once, record by record, with memory for what is open only.

    Iterate it; after that `unfinished`, `counters` and `errors` are complete.
    """

    def __init__(self, aggregates: RunAggregates | None = None) -> None:
        self.unfinished: list[Record] = []
        self.given: int = 0
        """How many finished runs it has given as records."""
        self.untimed: int = 0
        """How many of these have no time, as their lines have none."""
        self.counters: ReadCounters = ReadCounters()
        self.aggregates: RunAggregates | None = aggregates
        self.errors: list[str] = []
        """One line for each thing named that could not be read."""
        self.language: Language | None = None
        """Of the first log that has lines of perftrace's; None where none has."""
        self.on_progress: Callable[[int], object] | None = None
        """Called now and then with the number of bytes read since the last time."""

    def count(self, record: Record) -> None:
        """Count a record that is given."""
        self.given += 1
        if not record.start:
            self.untimed += 1

    def __iter__(self) -> Iterator[Record]:
        raise NotImplementedError

    def reading(self) -> Reading[Iterator[Record]]:
        """Return a reading whose records are read as they are iterated, once."""
        return Reading(iter(self), self.unfinished, self.counters, self.aggregates, self.errors)

    def read(self, *, is_lenient: bool = False) -> Reading[list[Record]]:
        """Read it whole.

        is_lenient: whether what could be read is returned with the errors beside it.

        Raises SourceError for what could not be read; where it is lenient, only if nothing could be.
        """
        records = list(self)
        if self.errors and not (is_lenient and self.counters.used):
            raise SourceError("; ".join(self.errors))
        return Reading(records, self.unfinished, self.counters, self.aggregates, self.errors)
