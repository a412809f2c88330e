"""Log files with perftrace's lines among any others -> records."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from perftrace.core.ids import make_operation_id
from perftrace.core.patterns import pattern
from perftrace.core.record import Record, record_of_log
from perftrace.core.run import CallDetails, CheckpointFields, OperationSpec
from perftrace.core.values import NO_ATTRIBUTES, Scalar
from perftrace.formats.line import (
    CHECKPOINT_PARTS,
    ODD_LINE,
    START_PARTS,
    Identity,
    Line,
    PlainLine,
    clean,
    escape,
    may_be_wrapped,
    nanoseconds,
    parse,
    parse_plain,
    plain_block,
    plain_text,
    prefix,
    split_body,
    split_checkpoint,
    split_id,
    subject_of,
    why_not,
)
from perftrace.sources.aggregates import RunAggregates
from perftrace.sources.base import ReadCounters

RECENT = 10_000
"""How many finished ids are remembered at least, to tell a line written twice from a new run."""
MAX_EARLY = 100_000
"""How many runs are kept whose finish was read and whose start was not, as it may come later."""


class _OpenRun:
    """What is known of an operation whose finish has not been read."""

    __slots__ = ("checkpoints", "description", "line", "operation_id", "start_seen")

    def __init__(self, operation_id: str, description: str, line: str, start_seen: bool) -> None:
        self.operation_id = operation_id
        self.description = description
        self.line = line
        """What stands before the marker of its start line: its time."""
        self.checkpoints: list[CheckpointFields] = []
        self.start_seen = start_seen

    def begin(self, started: "_OpenRun") -> None:
        """Take over what a start says that was read after other lines of the run."""
        self.description, self.line, self.start_seen = started.description, started.line, True
        self.checkpoints.sort(key=lambda mark: mark[2])  # they were read before it: perhaps backwards

    def __reduce__(self) -> tuple[Any, ...]:
        checkpoints = [(name, text, elapsed) for name, text, elapsed, _ in self.checkpoints]
        return _rebuild, (self.operation_id, self.description, self.line, checkpoints, self.start_seen)


def _rebuild(
    operation_id: str, description: str, line: str, checkpoints: list[tuple[str, str, int]], start_seen: bool
) -> _OpenRun:
    run = _OpenRun(operation_id, description, line, start_seen)
    run.checkpoints.extend((*mark, NO_ATTRIBUTES) for mark in checkpoints)
    return run


class PartState(NamedTuple):
    """What is left of a part of a log when its lines are read."""

    counters: ReadCounters
    unmatched_lines: list[str]
    abandoned: list[_OpenRun]
    running: dict[str, _OpenRun]
    names: set[str]
    obscured: set[str]
    recent: str
    """Ids that have ended, a line each: handed from process to process, a set of them costs five times as much."""


class LogReader:
    """Reads lines of any number of files as one stream: a run may begin in one and end in the next.

    Memory holds what is open, and nothing of what has ended but the last ids.
    """

    def __init__(self, counters: ReadCounters, *, is_part: bool = False) -> None:
        self._counters = counters
        self._unmatched_lines: list[str] | None = [] if is_part else None
        """Lines of runs whose start was not seen, where that may stand in a part before this one."""
        self._running: dict[str, _OpenRun | list[str]] = {}
        """A run of which only `count` has seen usual lines is a mere list: name and seconds of each checkpoint."""
        self._early: dict[str, tuple[_OpenRun, Line, str]] = {}
        """Runs whose finish was read before their start: in an export that runs backwards, or a later file."""
        self._obscured: set[str] = set()
        """Ids, or ids and checkpoints, that stand in lines that were not understood."""
        self._abandoned: list[_OpenRun] = []
        self._names: set[str] = set()
        self._specs: dict[tuple[str, str | None, bool], OperationSpec] = {}
        self._recent: set[str] = set()
        self._before: set[str] = set()
        self._times = _Times()
        self._seconds = _Seconds()

    def read(self, path: str, lines: Iterable[str], before: int = 0) -> Iterator[Record]:
        """Read the lines of one file and give what finishes in them.

        before: how many lines of it have been read already.
        """
        running, early, counters = self._opened(), self._early, self._counters
        number, used = before, 0
        try:
            for number, text in enumerate(lines, before + 1):
                # The usual lines here, all others by `_take`: logs have millions, and a call a line costs a tenth.
                plain = parse_plain(text)
                run = None if plain is None else running.get(plain[0])
                if (
                    plain is None
                    or (run is None) != (len(plain) == START_PARTS)
                    or (plain[0] in early if run is None else not run.start_seen)
                ):
                    yield from self._take(path, number, text)
                    continue
                used += 1
                if run is None:
                    running[plain[0]] = _OpenRun(plain[0], clean(plain[1]), prefix(text), True)
                elif len(plain) == CHECKPOINT_PARTS:
                    run.checkpoints.append((plain[1], plain[2], nanoseconds(plain[3]), NO_ATTRIBUTES))
                else:
                    del running[plain[0]]
                    yield self._plain_end(run, *plain[1:])
        finally:
            counters.lines += number - before
            counters.used += used

    def count(self, path: str, blocks: Iterable[bytes], aggregates: RunAggregates, before: int = 0) -> Iterator[Record]:
        """Read the lines of one file, in UTF-8, block by block: count the usual runs, and give all others as records.

        Three times as fast as `read`. blocks: whole lines.
        """
        number = before
        for data in blocks:
            block = data.decode("latin-1")
            lines = block.count("\n") + (not block.endswith("\n"))
            found = _split(block)
            if found is None:
                text = data.decode(errors="replace").removesuffix("\n")
                yield from self.read(path, text.split("\n"), number)
            else:
                self._counters.lines += lines
                self._counters.used += len(found)
                yield from self._count(path, number, block, found, aggregates)
            number += lines

    def _open(self, operation_id: str) -> _OpenRun | None:
        """Return a run that runs, in the form that takes any line."""
        run = self._running.get(operation_id)
        if isinstance(run, list):
            found = self._running[operation_id] = _OpenRun(operation_id, "", "", True)
            for name, elapsed in zip(run[::2], run[1::2], strict=True):
                found.checkpoints.append((_decoded(name), "", self._seconds[elapsed], NO_ATTRIBUTES))
            return found
        return run

    def _opened(self) -> dict[str, _OpenRun]:
        """Return all that runs, in the form that takes any line."""
        for operation_id in self._running:
            self._open(operation_id)
        return cast("dict[str, _OpenRun]", self._running)

    def _count(  # noqa: PLR0912, PLR0915  # a call a line would cost a tenth
        self, path: str, before: int, block: str, found: list[PlainLine], aggregates: RunAggregates
    ) -> Iterator[Record]:
        """Read the lines of a block; yield the records of those runs that are not as usual.

        The hot loop of a report: a run costs what its lines cost, so that it is a mere list here.
        """
        running, early, seconds = self._running, self._early, self._seconds.__getitem__
        runs, recent, add_name = aggregates.runs, self._recent, self._names.add
        odd: Iterator[tuple[int, str]] | None = None
        for line in found:
            _, checkpoint_id, checkpoint, elapsed, start_id, _, done_id, before_span, took, field, value = line
            if checkpoint_id:
                if not checkpoint_id.isascii():
                    checkpoint_id = _decoded(checkpoint_id)  # a call a line would cost a tenth
                plain = running.get(checkpoint_id)
                if plain.__class__ is list:
                    plain.append(checkpoint)
                    plain.append(elapsed)
                    continue
            elif start_id:
                if not start_id.isascii():
                    start_id = _decoded(start_id)
                if start_id not in running and start_id not in early:
                    running[start_id] = []
                    continue
            elif before_span:
                if not done_id.isascii():
                    done_id, before_span = _decoded(done_id), _decoded(before_span)
                if not value.isascii():
                    value = _decoded(value)
                plain = running.get(done_id)
                if plain.__class__ is list:
                    del running[done_id]
                    if field and before_span.endswith("_" + value) and "%" not in before_span:
                        name = before_span[: -1 - len(value)]
                        add_name(name)
                    else:
                        name = self._identify(done_id, ((field, value),) if field else ())[1].name
                    recent.add(done_id)
                    plain += ("", took)
                    shape = (name, *plain[::2])
                    rows = runs.get(shape)
                    if rows is None:
                        rows = aggregates.rows(shape)
                    rows.extend(map(seconds, plain[1::2]))
                    aggregates.number += 1
                    if rows[-1] > aggregates.least:
                        run = _OpenRun(done_id, "", "", True)
                        checkpoints = zip(map(_decoded, plain[:-2:2]), map(seconds, plain[1::2]), strict=False)
                        run.checkpoints += ((name, "", length, NO_ATTRIBUTES) for name, length in checkpoints)
                        aggregates.keep(self._plain_end(run, "", took, field or None, value))
                    continue
            self._counters.used -= 1  # counted again
            if odd is None:
                odd = _odd_lines(block, found)
            number, text = next(odd) if line == ODD_LINE else (0, plain_text(line))
            yield from self._take(path, before + number, text)
        aggregates.count_full()
        self._forget()

    def part(self) -> "PartState":
        """Return what the reader of the whole needs of a part that was read."""
        return PartState(
            self._counters,
            self._unmatched_lines or [],
            self._abandoned,
            self._opened(),
            self._names,
            self._obscured,
            "\n".join(self._before | self._recent),
        )

    def merge(self, part: "PartState", before: int) -> Iterator[Record]:
        """Go on after a part that another reader has read; return what began before it and ended in it.

        before: how many lines of the file stand before the part.
        """
        used = self._counters.used
        for text in part.unmatched_lines:
            yield from self._take("", 0, text)
        self._counters.used = used  # the other reader has counted these lines
        places = [(file, line + before) for file, line in part.counters.first_not_understood]
        self._counters.add(replace(part.counters, first_not_understood=places))
        self._names |= part.names
        self._obscured |= part.obscured
        self._abandoned += part.abandoned
        for operation_id, run in part.running.items():
            if operation_id in self._early:
                ended = self._early[operation_id][0]
                ended.checkpoints += run.checkpoints
                ended.begin(run)
                continue
            former = self._open(operation_id)
            if former is not None and split_id(operation_id).span:
                former.checkpoints += run.checkpoints
                if run.start_seen and not former.start_seen:
                    former.begin(run)  # else two handlers wrote the same line
                continue
            if former is not None:
                self._abandoned.append(former)
            self._running[operation_id] = run
        finished = part.recent.split("\n")
        for operation_id in finished:
            if operation_id in self._running and split_id(operation_id).span:
                del self._running[operation_id]  # its start stands in both parts
        self._recent.update(finished)
        self._forget()

    def _plain_end(self, run: _OpenRun, done: str, seconds: str, field: str | None, value: str) -> Record:
        """Make the record of a run that ended as usual."""
        operation_id = run.operation_id
        key_name, identity = self._identify(operation_id, () if field is None else ((field, value),))
        attributes: dict[str, Scalar] | None = {field: value} if field is not None and key_name is None else None
        name, key, span = identity
        if not span:
            return self._record(
                run,
                identity,
                done=done,
                key_name=key_name,
                duration_ns=nanoseconds(seconds),
                attributes=attributes or NO_ATTRIBUTES,
            )
        self._remember(operation_id)
        kind = name, key_name, run.start_seen
        spec = self._specs.get(kind)
        if spec is None:
            spec = self._specs[kind] = OperationSpec(name, key_name, is_block=True, start_seen=run.start_seen)
        details = CallDetails(key, run.description, done, attributes)
        start = self._times.of(run.line)
        return record_of_log(spec, details, operation_id, span, start, nanoseconds(seconds), run.checkpoints)

    def _take(self, path: str, number: int, text: str) -> list[Record]:
        """Read any line; return what ended in it: one that was wrapped may hold several."""
        if "[PERF]" not in text:
            return []
        inner: Sequence[str] = ()
        if '"' in text:
            from perftrace.sources.wrapped_lines import unwrapped

            inner = unwrapped(text)
        records = [self._take_one(path, number, one) for one in inner or (text,)]
        return [record for record in records if record is not None]

    def _take_one(self, path: str, number: int, text: str) -> Record | None:
        """Read a line that is wrapped no more."""
        line = parse(text)
        if line is None:
            reason = why_not(text)
            if reason is not None:
                self._counters.miss(path, number, text.strip(), reason)
                subject = subject_of(text)
                if subject is not None and len(self._obscured) < MAX_EARLY:
                    self._obscured.add(subject)
            return None
        self._counters.used += 1
        if line.kind == "checkpoint":
            self._reach(line, text)
        elif line.kind == "start":
            self._start(line, text)
        else:
            return self._finish(line, text)
        return None

    def late_ends(self) -> Iterator[Record]:
        """Return what ended before its start was read, if it was; call it once, when all files are read."""
        while self._early:
            yield self._earliest()

    def unfinished(self) -> list[Record]:
        """Return what started and never ended, as records with outcome None."""
        obscured = {subject[:at] for subject in self._obscured for at in (len(subject), *_dots(subject))}
        every = [*self._abandoned, *self._opened().values()]
        runs = [run for run in every if run.operation_id not in obscured]
        self._counters.obscured += len(every) - len(runs)
        return [self._record(run, split_id(run.operation_id, names=self._names), outcome=None) for run in runs]

    def _reach(self, line: Line, text: str) -> None:
        operation_id, name, description = split_checkpoint(line.body, self._running)
        early = self._early.get(operation_id)
        run = self._open(operation_id) if early is None else early[0]
        if run is None:
            if operation_id in self._recent or operation_id in self._before:
                return  # written after its finish, by a second handler or a late line
            if self._unmatched_lines is not None:
                self._unmatched_lines.append(text)
                return
            run = self._running[operation_id] = _OpenRun(operation_id, "", "", False)
        run.checkpoints.append((name, description, line.duration_ns, NO_ATTRIBUTES))

    def _start(self, line: Line, text: str) -> None:
        operation_id, description = split_body(line.body)
        run = _OpenRun(operation_id, description.rstrip(), prefix(clean(text)), True)
        if operation_id in self._early:
            self._early[operation_id][0].begin(run)
            return
        former = self._open(operation_id)
        if former is not None:
            if not former.start_seen and _is_unique(operation_id):
                former.begin(run)
                return
            if split_id(operation_id).span:
                return  # such an id never starts twice: two handlers wrote the same line
            self._abandoned.append(former)
        self._running[operation_id] = run

    def _finish(self, line: Line, text: str) -> Record | None:
        operation_id, done = split_body(line.body)
        run = self._open(operation_id)
        self._running.pop(operation_id, None)
        if run is not None and run.start_seen:
            return self._ended(run, line, done)
        if run is None:
            if operation_id in self._recent or operation_id in self._before or operation_id in self._early:
                return None
            if self._unmatched_lines is not None:
                self._unmatched_lines.append(text)
                return None
            run = _OpenRun(operation_id, "", "", False)
        if not _is_unique(operation_id):
            return self._ended(run, line, done)
        self._early[operation_id] = run, line, done
        if len(self._early) <= MAX_EARLY:
            return None
        return self._earliest()

    def _earliest(self) -> Record:
        """End the run whose finish has waited longest for its start."""
        run, line, done = self._early.pop(next(iter(self._early)))
        run.checkpoints.sort(key=lambda mark: mark[2])
        return self._ended(run, line, done)

    def _ended(self, run: _OpenRun, line: Line, done: str) -> Record:
        key_name, identity = self._identify(run.operation_id, line.fields)
        return self._record(
            run,
            identity,
            done=done,
            key_name=key_name,
            duration_ns=line.duration_ns,
            outcome=line.outcome,
            error_type=line.error_type,
            error=line.error,
            slow=line.slow,
            weight=line.weight,
            attributes=dict(line.fields if key_name is None else line.fields[1:]),
        )

    def _identify(self, operation_id: str, fields: tuple[tuple[str, str], ...]) -> tuple[str | None, Identity]:
        """Split the id by the key, if the first field names it: its value ends what stands before the unique part.

        What formatters put behind the value is no part of it.
        """
        if fields:
            name, value = fields[0]
            for key in (value, *_shorter(clean(value), value), *_longer(value, operation_id)):
                identity = split_id(operation_id, key)
                if identity.span and key in (identity.key, escape(identity.key or "")):
                    self._names.add(identity.name)
                    return name, identity
        alone = split_id(operation_id)
        # A finish that names no key says that there is none: a longer name is no key of a shorter one. Of ids that
        # `timed` did not make, and of their digits, nobody knows.
        return None, alone if alone.span else split_id(operation_id, names=self._names)

    def _record(self, run: _OpenRun, identity: Identity, **known: Any) -> Record:
        """Make the record of a run from what is known of it; remember its id."""
        name, key, span = identity
        if span:
            self._remember(run.operation_id)
        is_made = run.operation_id == make_operation_id(name, key, span)
        return Record(
            name,
            span_id=f"{span:016x}" if span else "",
            given_id=None if is_made else run.operation_id,
            description=run.description,
            key=key,
            start=self._times.of(run.line),
            checkpoints=run.checkpoints,
            start_seen=run.start_seen,
            **known,
        )

    def _remember(self, operation_id: str) -> None:
        """Remember the id of a run that ended."""
        self._recent.add(operation_id)
        self._forget()

    def _forget(self) -> None:
        if len(self._recent) > RECENT:
            self._before, self._recent = self._recent, set()


def _split(block: str) -> list[PlainLine] | None:
    """Take the lines of a block apart, those in them if all are wrapped; None where it must be read line by line."""
    inner: str | None = block
    while inner is not None and may_be_wrapped(inner):
        from perftrace.sources.wrapped_lines import unwrapped_block

        inner = unwrapped_block(inner)
    return None if inner is None else plain_block(inner)


def _odd_lines(block: str, found: list[PlainLine]) -> Iterator[tuple[int, str]]:
    """Return those lines of a block, with their numbers, that are not of the usual form."""
    marked = [line for line in enumerate(block.split("\n"), 1) if "[PERF]" in line[1]]
    at = -1
    for _ in range(found.count(ODD_LINE)):
        at = found.index(ODD_LINE, at + 1)
        number, text = marked[at]
        yield number, _decoded(text)


def _decoded(name: str) -> str:
    """Read a name whose bytes were read as Latin-1."""
    return name if name.isascii() else name.encode("latin-1").decode(errors="replace")


def _dots(text: str) -> list[int]:
    """Return the places of the last dots of a text, where a checkpoint may begin."""
    found: list[int] = []
    at = len(text)
    while len(found) < 20 and (at := text.rfind(".", 0, at)) > 0:
        found.append(at)
    return found


def _shorter(value: str, whole: str) -> Iterator[str]:
    """Return what a value may be without what stands behind it: at most ten words of that, the longest value first."""
    if value != whole:
        yield value
    for _ in range(10):
        value, blank, _ = value.rpartition(" ")
        if not blank:
            return
        yield value.rstrip()


def _longer(value: str, operation_id: str) -> Iterator[str]:
    """Return a value with the blanks at its end that an id tells of, and that a line has lost."""
    blanks = _BLANKS.search(operation_id)
    if blanks is not None:
        yield value.rstrip(" ") + " " * (len(blanks[1]) // 3)


_BLANKS = pattern(r"((?:%20)+)_[0-9a-f]{16}\Z")


class _Seconds(dict[str, int]):
    """Nanoseconds by their text: most of a log's durations are the same few thousand."""

    def __missing__(self, text: str) -> int:
        if len(self) >= RECENT:
            self.clear()
        self[text] = found = nanoseconds(text)
        return found


def _is_unique(operation_id: str) -> bool:
    """Report whether an id is of one run alone: it ends with a span id, or with the moment of its start."""
    return _UNIQUE.fullmatch(operation_id) is not None


_UNIQUE = pattern(r".*_(?:[0-9a-f]{16}|[0-9]{10}|[0-9]{13})", re.DOTALL | re.ASCII)


class _Times:
    """Reads the time that a formatter put before a line; lines of one minute are taken apart once."""

    def __init__(self) -> None:
        self._minute = ""
        self._ns = 0

    def of(self, before: str) -> int:
        """Return Unix nanoseconds, of local time where no zone is told; 0 if there is no time."""
        usual = _USUAL.match(before)
        if usual is None:
            return _time_before(before) if before else 0
        minute, second, milliseconds = usual.groups()
        if minute != self._minute:
            self._minute, self._ns = minute, _time_before(f"{minute}:00 ")
        return self._ns + int(second) * 1_000_000_000 + int(milliseconds) * 1_000_000 if self._ns else 0


def _time_before(text: str) -> int:
    from perftrace.formats.times import time_before  # where runs are counted nobody asks for it

    return time_before(text)


_USUAL = pattern(r"(\d{4}-\d\d-\d\d \d\d:\d\d):(\d\d)[,.](\d{3})(?= [^ \d+Z-]| - )", re.ASCII)
"""A time as `logging` writes it."""
