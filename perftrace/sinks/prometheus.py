"""Counts operations for Prometheus and serves the page that it scrapes (extra `prometheus`)."""

import bisect
import itertools
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from perftrace.core.checks import check_whole
from perftrace.core.events import Started
from perftrace.core.record import Record
from perftrace.core.sink import Sink
from perftrace.core.values import END, OTHER

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds in seconds: from a click to what a user no longer waits for."""
_MAX_IN_FLIGHT = 100_000
_Labels: TypeAlias = tuple[str, str]


class _Histogram:
    """Counts durations by bucket; keeps the newest operation of each as an example."""

    __slots__ = ("counts", "examples", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0.0] * (buckets + 1)
        self.examples: list[tuple[float, str, str, float] | None] = [None] * (buckets + 1)
        """Of each bucket: duration in seconds, trace id, span id, Unix seconds."""
        self.total = 0.0

    def add(self, bounds: Sequence[float], seconds: float, record: Record) -> None:
        """Count one duration."""
        place = bisect.bisect_left(bounds, seconds)
        self.counts[place] += record.weight
        self.total += seconds * record.weight
        if record.trace_id and record.span_id:
            ended = (record.start + record.duration_ns) / 1e9
            self.examples[place] = (seconds, record.trace_id, record.span_id, ended)


class PrometheusSink(Sink):
    """Serves histograms of operations and segments and the number of operations in flight at `/metrics`.

    `perftrace_operation_duration_seconds` by `operation` and `outcome`, `perftrace_segment_duration_seconds` by
    `operation` and `segment`, `perftrace_operations_in_flight` by `operation`. A run that stands for several, where
    sampling left some out, counts as many. Scrapers that ask for OpenMetrics get an example of each bucket with its
    trace id. Meant to stand behind `Background`.

    port: of the server; 0: any that is free, see `port`. host: that it listens on; from elsewhere it is reached with
    `0.0.0.0`. buckets: upper bounds in seconds, rising. names: so many operations and so many segments of all are
    told apart, the others are `__other__`.

    Raises ValueError for what makes no sense, and ModuleNotFoundError where `prometheus-client` is not installed;
    `open` raises OSError where the port is taken. A forked child counts for itself and serves nothing.
    """

    def __init__(
        self, port: int, host: str = "127.0.0.1", *, buckets: Sequence[float] = BUCKETS, names: int = 1000
    ) -> None:
        try:
            import prometheus_client
        except ImportError:
            raise ModuleNotFoundError(
                "Prometheus needs prometheus-client: pip install 'perftrace-toolkit[prometheus]'",
                name="prometheus_client",
            ) from None
        check_whole("PrometheusSink: port", port, least=0, most=65535)
        check_whole("PrometheusSink: names", names)
        self._bounds = _checked(buckets)
        self._prometheus: Any = prometheus_client
        self._host, self._wanted, self._names = host, port, names
        self._process = os.getpid()
        self._server: Any = None
        self.port: int = 0
        """Where it serves; 0 while it does not."""
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        """Of the counts, between the worker that adds and the server that reads."""
        self._operations: dict[_Labels, _Histogram] = {}
        self._segments: dict[_Labels, _Histogram] = {}
        self._known: set[str] = set()
        self._in_flight: OrderedDict[str, str] = OrderedDict()
        """The operation of each span that has started and not ended."""
        self._seen: set[str] = set()
        """Operations that were in flight once: their number is 0 now."""

    def open(self) -> None:
        """Begin to count and to serve."""
        self._begin()
        server, self._server, self.port = self._server, None, 0
        if self._process != os.getpid():  # the parent's server: its socket is ours to close, no more
            if server is not None:
                server.server_close()
            return
        registry = self._prometheus.CollectorRegistry()
        registry.register(_Page(self))
        try:
            self._server, _ = self._prometheus.start_http_server(self._wanted, self._host, registry)
        except OSError as error:
            where = f"{self._host}:{self._wanted}"
            raise OSError(error.errno, f"prometheus: cannot listen on {where}: {error.strerror or error}") from None
        self.port = self._server.server_port

    def started(self, event: Started) -> None:
        """Count an operation in flight."""
        with self._lock:
            name = self._operation(event.name)
            self._in_flight[event.span_id] = name
            self._seen.add(name)
            if len(self._in_flight) > _MAX_IN_FLIGHT:
                self._in_flight.popitem(last=False)

    def finished(self, record: Record) -> None:
        """Count a finished operation and its segments."""
        with self._lock:
            self._in_flight.pop(record.span_id, None)
            name = self._operation(record.name)
            labels = (name, record.outcome or "")
            self._histogram(self._operations, labels).add(self._bounds, record.duration_ns / 1e9, record)
            before = 0
            for number, (segment, _, elapsed, _) in enumerate(record.checkpoints):
                if number or record.start_seen:
                    self._segment(name, segment).add(self._bounds, max(0, elapsed - before) / 1e9, record)
                before = elapsed
            if record.checkpoints:
                self._segment(name, END).add(self._bounds, max(0, record.duration_ns - before) / 1e9, record)

    def _operation(self, name: str) -> str:
        """Return a name that is told apart as it is, any other as `__other__`."""
        name = _unicode(name)
        if name in self._known:
            return name
        if len(self._known) >= self._names:
            return OTHER
        self._known.add(name)
        return name

    def _segment(self, operation: str, segment: str) -> _Histogram:
        labels = (operation, _unicode(segment))
        if labels not in self._segments and len(self._segments) >= self._names:
            labels = (OTHER, OTHER)
        return self._histogram(self._segments, labels)

    def _histogram(self, of: dict[_Labels, _Histogram], labels: _Labels) -> _Histogram:
        found = of.get(labels)
        if found is None:
            found = of[labels] = _Histogram(len(self._bounds))
        return found

    def close(self, timeout: float) -> bool:
        """Serve no more."""
        server, self._server, self.port = self._server, None, 0
        if server is not None and self._process == os.getpid():
            server.shutdown()
            server.server_close()
        return True

    def metrics(self) -> "Iterator[Metric]":
        """Return what the page shows."""
        from prometheus_client.core import GaugeMetricFamily

        with self._lock:
            yield self._family("operation", "outcome", "How long operations took.", self._operations)
            yield self._family("segment", "segment", "How long the segments of operations took.", self._segments)
            gauge = GaugeMetricFamily(
                "perftrace_operations_in_flight", "Operations that have started and not ended.", labels=["operation"]
            )
            counts = dict.fromkeys(sorted(self._seen), 0)
            for name in self._in_flight.values():
                counts[name] += 1
            for name, count in counts.items():
                gauge.add_metric([name], count)
            yield gauge

    def _family(self, what: str, label: str, text: str, found: dict[_Labels, _Histogram]) -> "Metric":
        from prometheus_client.core import Exemplar, HistogramMetricFamily

        family = HistogramMetricFamily(f"perftrace_{what}_duration_seconds", text, labels=["operation", label])
        names = [*map(_bound, self._bounds), "+Inf"]
        for labels, histogram in found.items():
            buckets: list[Any] = []
            for name, count, example in zip(
                names, itertools.accumulate(histogram.counts), histogram.examples, strict=True
            ):
                if example is None:
                    buckets.append((name, count))
                else:
                    seconds, trace_id, span_id, ended = example
                    ids = {"trace_id": trace_id, "span_id": span_id}
                    buckets.append((name, count, Exemplar(ids, seconds, ended)))
            family.add_metric(labels, buckets, histogram.total)
        return family


class _Page:
    """A collector as `prometheus_client` takes it."""

    def __init__(self, sink: PrometheusSink) -> None:
        self._sink = sink

    def collect(self) -> "Iterator[Metric]":
        """Return what the page shows."""
        return self._sink.metrics()


def _checked(buckets: Sequence[float]) -> tuple[float, ...]:
    bounds = tuple(buckets)
    if (
        not bounds
        or not all(isinstance(bound, int | float) and 0 < bound < math.inf for bound in bounds)
        or any(upper <= lower for lower, upper in itertools.pairwise(bounds))
    ):
        raise ValueError(f"PrometheusSink: buckets must be rising numbers of seconds above 0, not {buckets!r}")
    return bounds


def _bound(bound: float) -> str:
    return repr(float(bound))


def _unicode(name: str) -> str:
    """Escape half a surrogate pair, which no page can hold."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()
