"""The default tracer and what is configured: the only global state beside the current operation."""

import atexit
import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from types import EllipsisType
from typing import Any, Final, TypedDict, cast, get_args

from perftrace.core.clock import Clock, SystemClock
from perftrace.core.ids import Ids, RandomIds, process_id
from perftrace.core.record import Record
from perftrace.core.run import Run, ThreadName
from perftrace.core.sink import Sink, SinkLike, name_of
from perftrace.core.sink_guard import SinkGuard, end_all
from perftrace.core.tracer import Tracer, current, thread
from perftrace.formats.languages import locale_language
from perftrace.messages import TEXTS, Language
from perftrace.messages.texts import WarningTexts
from perftrace.pipeline.wrapper import SinkWrapper
from perftrace.sinks.log.sink import LogSink
from perftrace.sinks.memory import MemorySink
from perftrace.sinks.warnings import LocalizedSink, warn
from perftrace.tracing.sink_registry import make_sinks, without_credentials

_TEXTS: Final = dict(TEXTS)
"""All languages: not to be imported when they are needed, as another thread may fork then."""
tracer: Final = Tracer()
"""What every decorated function, block and timer of the process reports to."""
checkpoint: Final = tracer.checkpoint
annotate: Final = tracer.annotate
current_operation: Final = tracer.current_operation


class SinkStats(TypedDict):
    """The counters of one sink: accepted = written + dropped + pending."""

    name: str
    """The sink's class."""
    accepted: int
    """How many events it was given."""
    written: int
    """How many of them are where they should go."""
    pending: int
    """How many wait, in a queue or a buffer."""
    dropped: dict[str, int]
    """How many are lost, by reason."""
    errors: int
    """How many times it raised."""


class Stats(TypedDict):
    """What was counted since the start of the process."""

    sinks: list[SinkStats]
    """In the order of `configure`."""
    orphans: int
    """Checkpoints reached where no operation was current."""
    late: int
    """Checkpoints and changes of operations that had ended."""
    unknown_ids: int
    """Calls of the explicit API with an id that never started, or was given up on."""
    doubled_ids: int
    """Second starts and second ends of an id."""
    overflowed_checkpoints: int
    """Checkpoints beyond the 10,000 that an operation keeps."""
    misplaced: int
    """Blocks that were left in another task or context than they were entered in."""
    unread: int
    """Names, keys and the like that an integration could not read; it went on without."""
    reentrant: int
    """Operations and checkpoints inside a sink's own call, which are not traced."""


def configure(
    *,
    sinks: Iterable[SinkLike] | EllipsisType = ...,
    language: str | EllipsisType = ...,
    enabled: bool | EllipsisType = ...,
    clock: Clock | EllipsisType | None = ...,
    ids: Ids | EllipsisType | None = ...,
) -> None:
    """Set what is given and leave the rest; a call that fails changes nothing.

    sinks: where events go, in place of the former sinks, which are closed: objects, callables that
        take records, or names (`log`, `memory`, `jsonl:PATH`, `store:DIR`,
        `otlp:URL`, `otlp-json:PATH`, `perfetto:PATH`, `prometheus:PORT` and those of other packages). `[]`: nowhere.
    language: of log lines, `zh` or `en`; without it the locale's, Chinese where that names none.
    enabled: False stops all tracing, True resumes it.
    clock, ids: where time and ids come from, for tests; None restores the machine's own.

    Each has a default from the environment: `PERFTRACE_SINKS` (names, separated by commas),
    `PERFTRACE_LANGUAGE`, `PERFTRACE_ENABLED` (0 or 1). Raises ValueError for an unknown name or
    language and TypeError for what is no sink.
    """
    speaks = _language if language is ... else _known_language(language)
    if sinks is not ...:
        made = make_sinks(sinks)
    _apply_language(speaks)
    if clock is not ...:
        tracer.set_clock(SystemClock() if clock is None else clock)
    if ids is not ...:
        tracer.set_ids(RandomIds() if ids is None else ids)
    if sinks is not ...:
        _replace_sinks(made)
    if enabled is not ...:
        tracer.enabled = bool(enabled)
        tracer.set_guards(tracer.guards)


def flush(timeout: float = 5.0) -> bool:
    """Flush every sink, waiting at most `timeout` seconds.

    Return True if everything was written; False if an event was lost since the previous flush.
    """
    return end_all(tracer.guards, "flush", timeout)


def shutdown(timeout: float = 5.0) -> bool:
    """Close all sinks within `timeout` seconds; nothing is traced until the next `configure(sinks=...)`.

    Return True if everything was written.
    """
    guards = tracer.guards
    tracer.set_guards(())
    return end_all(guards, "close", timeout)


def stats() -> Stats:
    """Count what was handed to each sink, and what was lost or out of place, since the process started."""
    return {
        "sinks": [{"name": type(o.sink).__name__, **asdict(o.counters())} for o in tracer.guards],  # type: ignore[typeddict-item]
        "orphans": tracer.orphans,
        "late": tracer.late,
        "unknown_ids": tracer.unknown_ids,
        "doubled_ids": tracer.doubled_ids,
        "overflowed_checkpoints": tracer.overflowed_checkpoints,
        "misplaced": tracer.misplaced,
        "reentrant": tracer.reentrant,
        "unread": tracer.unread,
    }


def records() -> list[Record]:
    """Return what the first configured `memory` sink holds, newest last; empty where there is none."""
    for sink in _all_sinks():
        if isinstance(sink, MemorySink):
            return sink.records()
    return []


def _all_sinks() -> Iterator[Sink]:
    """Return the configured sinks, each before what it wraps."""
    for guard in tracer.guards:
        sink = guard.sink
        while isinstance(sink, SinkWrapper):
            yield sink
            sink = sink.wrapped
        yield sink


def report_broken(sink: Sink, error: BaseException) -> None:
    """Report a sink's first exception, by the class of the sink inside all wrappers."""
    warn(notes().broken_sink.format(sink=_name_of(sink), error=type(error).__name__))


def _name_of(sink: Sink) -> str:
    """Return the name of the sink inside all wrappers."""
    return name_of(sink.innermost() if isinstance(sink, SinkWrapper) else sink)


def notes() -> WarningTexts:
    """Return the texts of perftrace's own warnings, in the configured language."""
    return TEXTS[_language].warnings


def _replace_sinks(sinks: tuple[Sink, ...]) -> None:
    """Install sinks, then close the former ones that are not among them."""
    former = tracer.guards
    kept = {id(guard.sink): guard for guard in former}
    guards = tuple(kept.get(id(sink)) or tracer.guard(sink, report_broken) for sink in sinks)
    opened: list[SinkGuard] = []
    try:
        for guard in guards:
            if guard not in former:
                opened.append(guard)
                guard.open()
    except BaseException:
        end_all(opened, "close", 1.0)
        raise
    tracer.set_guards(guards)
    _apply_language(_language)
    end_all([guard for guard in former if guard not in guards], "close", 5.0)


def _known_language(language: Any) -> Language:
    if language not in get_args(Language):
        raise ValueError(f"unknown language {language!r}; known: {', '.join(get_args(Language))}")
    return cast("Language", language)


def _apply_language(language: Language) -> None:
    """Set the language of every sink that chose none of its own."""
    global _language  # noqa: PLW0603  # this module is where global state lives
    _language = language
    for sink in _all_sinks():
        if isinstance(sink, LocalizedSink) or (isinstance(sink, LogSink) and not sink.chooses_language):
            sink.language = language


_language: Language = "zh"


def _from_environment() -> None:
    """Configure by the environment."""
    _by_variable("PERFTRACE_LANGUAGE", locale_language() or "zh", lambda text: configure(language=text))
    _by_variable("PERFTRACE_SINKS", "log", lambda text: configure(sinks=_split_names(text)))
    _by_variable("PERFTRACE_ENABLED", "1", lambda text: configure(enabled=_truth(text)))


def _by_variable(variable: str, default: str, apply: Callable[[str], None]) -> None:
    """Apply one variable; a bad value never breaks the import."""
    text = os.environ.get(variable, "").strip() or default
    try:
        apply(text)
    except Exception as error:
        warnings.warn(
            f"{variable}={without_credentials(text)!r}: {error}; using {default!r}", RuntimeWarning, stacklevel=3
        )
        apply(default)


def _split_names(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _truth(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("neither 0 nor 1")


def _after_fork() -> None:
    """Start clean in a forked child: other ids, its own process id, no current operation."""
    current.set(None)
    tracer.pid = os.getpid()
    thread.token = ThreadName(thread.token.name, tracer.pid, process_id())
    tracer.ids.reseed()
    tracer.set_ids(tracer.ids)
    for guard in tracer.guards:
        guard.open_in_child()
    _end_with_multiprocessing()


def _end_with_multiprocessing() -> None:
    """Close all sinks where a child of multiprocessing ends: it runs no `atexit`, only finalizers.

    It clears them before it calls what is registered here. A child of the forkserver has imported perftrace after the
    fork, any other before it; then multiprocessing may have come later than perftrace.
    """
    global _ends_with_multiprocessing  # noqa: PLW0603  # children inherit it
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not _ends_with_multiprocessing:
        _ends_with_multiprocessing = True
        util.register_after_fork(shutdown, lambda shutdown: util.Finalize(None, _at_exit, exitpriority=0))


_ends_with_multiprocessing = False


def _at_exit() -> None:
    """Close all sinks, and say on standard error what one that hangs has not written."""
    guards = tracer.guards
    shutdown()
    for guard in guards:
        with contextlib.suppress(Exception):  # a user's sink counts, and standard error may be closed
            counters = guard.counters()
            if counters.pending:
                count = counters.pending + sum(counters.dropped.values())
                note = notes().lost_at_exit.format(sink=_name_of(guard.sink), count=count)
                print(f"perftrace: {note}", file=sys.stderr)


def _before_fork() -> None:
    """Draw the ids of the current operation: the child, which shares it, would draw others."""
    run = current.get()
    if isinstance(run, Run) and run.ids is None:
        run.make_ids()


_from_environment()
atexit.register(_at_exit)
_end_with_multiprocessing()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
