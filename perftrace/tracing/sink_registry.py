"""Makes sinks of what `configure(sinks=[...])` is given: objects, callables, names."""

import pkgutil
import re
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Any, cast

from perftrace.core.sink import CallableSink, Sink
from perftrace.sinks.jsonlines import JsonLinesSink
from perftrace.sinks.log.sink import LogSink
from perftrace.sinks.memory import MemorySink
from perftrace.store.directory import store

NAMED_SINKS: dict[str, Callable[..., Sink] | str] = {
    "jsonl": JsonLinesSink,
    "log": LogSink,
    "memory": MemorySink,
    "store": store,
    # By name, as their imports take a while.
    "otlp": "perftrace.pipeline.presets:otlp",
    "otlp-json": "perftrace.pipeline.presets:otlp_json",
    "perfetto": "perftrace.pipeline.presets:perfetto",
    "prometheus": "perftrace.pipeline.presets:prometheus",
}
"""What `configure(sinks=["..."])` knows by name; `NAME:TEXT` calls it with the text."""
ENTRY_POINTS = "perftrace.sinks"
"""The entry point group through which other packages add names."""
_NEEDS_TEXT = {
    "jsonl": "jsonl:PATH",
    "otlp-json": "otlp-json:PATH",
    "perfetto": "perfetto:PATH",
    "prometheus": "prometheus:PORT",
    "store": "store:DIR",
}
_MAY_HAVE_TEXT = {"otlp": "otlp:URL"}
_TAKES_NO_TEXT = {"log", "memory"}


def make_sinks(wanted: Any) -> tuple[Sink, ...]:
    """Make all of them; where one fails, close those that were made, and raise what it raised."""
    if isinstance(wanted, str | Sink) or not isinstance(wanted, Iterable):
        raise TypeError(f"configure: sinks must be a list, such as sinks=['log'], not {wanted!r}")
    wanted = list(wanted)
    made: list[Sink] = []
    try:
        for one in wanted:
            made.append(_make_sink(one))  # noqa: PERF401  # what is made so far must be known if the next fails
    except BaseException:
        for sink, one in zip(made, wanted, strict=False):
            if sink is not one:
                sink.close(1.0)
        raise
    return tuple(made)


def _make_sink(wanted: Any) -> Sink:
    if isinstance(wanted, Sink):
        return wanted
    if isinstance(wanted, str):
        return _named_sink(wanted)
    if isinstance(wanted, type):
        raise TypeError(f"configure: {wanted.__name__} is a class; pass an object: {wanted.__name__}()")
    if callable(wanted):
        return CallableSink(wanted)
    raise TypeError(f"configure: {wanted!r} is no sink: subclass perftrace.Sink, or pass a callable or a name")


def _named_sink(wanted: str) -> Sink:
    """Make a sink of its text, `NAME` or `NAME:TEXT`."""
    name, colon, text = wanted.partition(":")
    make = NAMED_SINKS.get(name) or _entry_point(name)
    if isinstance(make, str):
        make = cast("Callable[..., Sink]", pkgutil.resolve_name(make))
    if make is None:
        others = {point.name for point in entry_points(group=ENTRY_POINTS)}
        shapes = {**_NEEDS_TEXT, **_MAY_HAVE_TEXT}
        known = sorted({shapes.get(one, one) for one in NAMED_SINKS} | others)
        raise ValueError(f"configure: unknown sink {without_credentials(wanted)!r}; known: {', '.join(known)}")
    if name in _NEEDS_TEXT and not text:
        raise ValueError(f"configure: {without_credentials(wanted)!r} says not where to: write {_NEEDS_TEXT[name]}")
    if name in _TAKES_NO_TEXT and colon:
        raise ValueError(f"configure: {without_credentials(wanted)!r}: {name} takes nothing after a colon")
    sink = make(text) if colon else make()
    if not isinstance(sink, Sink):
        raise TypeError(f"configure: the entry point {name!r} gave {type(sink).__name__}, which is no perftrace.Sink")
    return sink


def _entry_point(name: str) -> Callable[..., Sink] | None:
    """Load what another package offers under this name."""
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return cast("Callable[..., Sink]", point.load())
    return None


def without_credentials(text: str) -> str:
    """Return a text as it may stand in a message: without the user, password and query of a URL."""
    return re.sub(r"(://[^\s?]*)\?\S*", r"\1?…", re.sub(r"//\S*@", "//…@", text))
