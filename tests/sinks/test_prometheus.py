"""The Prometheus sink: what its page says, read by Prometheus's own client, and what no name may do to it."""

import os
import socket
import subprocess
import sys
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

import perftrace
from perftrace.core.events import Started
from perftrace.core.record import Record
from perftrace.sinks.prometheus import PrometheusSink
from tests.conftest import TIMEOUT
from tests.ids import span_id, trace_id

SECOND = 1_000_000_000
RECORDS = [
    Record(
        "a",
        trace_id=trace_id(1),
        span_id=span_id(1),
        start=SECOND,
        duration_ns=2 * SECOND,
        checkpoints=[("m", "", SECOND // 2, {})],
    ),
    Record("a", trace_id=trace_id(1), span_id=span_id(2), start=SECOND, duration_ns=SECOND // 100, outcome="error"),
    Record("b", span_id=span_id(3), duration_ns=100 * SECOND, weight=4.0),
]


@pytest.fixture
def sink():
    made = PrometheusSink(0, buckets=(0.1, 1, 10))
    made.open()
    yield made
    made.close(1)


def page(sink, accept=""):
    request = urllib.request.Request(f"http://127.0.0.1:{sink.port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def samples(text, read=parse):
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample
        for family in read(text)
        for sample in family.samples
    }


def test_operations_and_segments_are_histograms(sink):
    """Counts, sums and buckets; a sampled run counts as many as it stands for."""
    for record in RECORDS:
        sink.finished(record)
    found = {name: sample.value for name, sample in samples(page(sink)).items()}
    operations = "perftrace_operation_duration_seconds"
    assert {key[1:]: value for key, value in found.items() if key[0] == f"{operations}_count"} == {
        ("a", "ok"): 1, ("a", "error"): 1, ("b", "ok"): 4,
    }  # fmt: skip
    assert found[f"{operations}_sum", "b", "ok"] == 400
    assert [found[f"{operations}_bucket", bound, "a", "ok"] for bound in ("0.1", "1.0", "10.0", "+Inf")] == [0, 0, 1, 1]
    segments = "perftrace_segment_duration_seconds"
    assert {key[1:]: value for key, value in found.items() if key[0] == f"{segments}_sum"} == {
        ("a", "m"): 0.5, ("a", "(end)"): 1.5,
    }  # fmt: skip


def test_openmetrics_has_an_example_of_each_bucket(sink):
    """With the trace it can be found by; the older format has none."""
    for record in RECORDS:
        sink.finished(record)
    text = page(sink, "application/openmetrics-text; version=1.0.0")
    found = samples(text, parse_openmetrics)
    example = found["perftrace_operation_duration_seconds_bucket", "10.0", "a", "ok"].exemplar
    assert example.labels == {"trace_id": f"{1:032x}", "span_id": f"{1:016x}"}
    assert (example.value, float(example.timestamp)) == (2.0, 3.0)
    assert "trace_id" not in page(sink)


def test_operations_in_flight_are_a_gauge(sink):
    """0 again when they have ended; an end whose start was not seen changes nothing."""
    for span in ("1", "2", "3"):
        sink.started(Started("a", "a" if span != "3" else "b", "", None, "1", span.zfill(16), None, 0))
    gauge = "perftrace_operations_in_flight"
    assert {k[1]: s.value for k, s in samples(page(sink)).items() if k[0] == gauge} == {"a": 2, "b": 1}
    sink.finished(Record("a", trace_id=trace_id(1), span_id=span_id(1)))
    sink.finished(Record("a", trace_id=trace_id(1), span_id=span_id(9)))
    sink.finished(Record("b", trace_id=trace_id(1), span_id=span_id(3)))
    assert {k[1]: s.value for k, s in samples(page(sink)).items() if k[0] == gauge} == {"a": 1, "b": 0}


def test_names_beyond_the_cap_are_other():
    """A name made of a user's id fills no memory."""
    sink = PrometheusSink(0, names=2)
    for i in range(10):
        sink.finished(Record(f"op{i}", duration_ns=1, checkpoints=[(f"m{i}", "", 1, {})]))
    names = {s.labels["operation"] for family in sink.metrics() for s in family.samples}
    assert names == {"op0", "op1", "__other__"}
    assert len(list(sink.metrics())[1].samples) == 3 * (14 + 2)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_any_name_is_a_label(sink_names):
    """Quotes, line ends, backslashes, surrogates: read back as they were."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

    sink = PrometheusSink(0)
    for name, mark in [*sink_names, ("\ud800", 'x\\n\n"')]:
        sink.finished(
            Record(name, trace_id=trace_id(1), span_id=span_id(1), duration_ns=2, checkpoints=[(mark, "", 1, {})])
        )

    class Page:
        def collect(self):
            return sink.metrics()

    registry = CollectorRegistry()
    registry.register(Page())
    expected = {name for name, _ in sink_names} | {"\\ud800"}
    found = {sample.labels["operation"] for sample in samples(generate_latest(registry).decode()).values()}
    assert found == expected
    assert len(list(parse_openmetrics(generate_openmetrics(registry).decode()))) == 3


def test_by_its_name_it_stands_behind_a_queue():
    """From end to end; the counters balance."""
    perftrace.configure(sinks=["prometheus:0"])
    try:
        with perftrace.operation("a"):
            perftrace.checkpoint("m")
        assert perftrace.flush()
        sink = next(iter(perftrace.tracing.configuration.tracer.guards)).sink.wrapped
        assert ("perftrace_segment_duration_seconds_count", "a", "m") in samples(page(sink))
        [counters] = perftrace.stats()["sinks"]
        assert (counters["accepted"], counters["written"]) == (2, 2)
    finally:
        perftrace.configure(sinks=[])


def test_a_port_that_is_taken_is_told_by_configure():
    """And nothing changes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=f"prometheus: cannot listen on 127.0.0.1:{port}"):
            perftrace.configure(sinks=[f"prometheus:{port}"])


@pytest.mark.parametrize(
    "text", ["prometheus:", "prometheus:x", "prometheus:70000", "prometheus:-1", "prometheus:host"]
)
def test_a_port_that_is_none_is_a_value_error(text):
    """That says how to write it."""
    with pytest.raises(ValueError, match="prometheus:PORT"):
        perftrace.configure(sinks=[f"prometheus:{text}"])


@pytest.mark.parametrize(
    "options", [{"port": -1}, {"port": "9464"}, {"names": 0}, {"buckets": ()}, {"buckets": (2, 1)}, {"buckets": (0, 1)}]
)
def test_options_that_make_no_sense_are_value_errors(options):
    """At once."""
    with pytest.raises(ValueError, match="PrometheusSink"):
        PrometheusSink(**{"port": 0, **options})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_leaves_the_port_alone():
    """The parent serves on, after the child has gone."""
    code = """
import os, sys, urllib.request, perftrace
perftrace.configure(sinks=["prometheus:0"])
sink = perftrace.tracing.configuration.tracer.guards[0].sink.wrapped
port = sink.port
child = os.fork()
if not child:
    with perftrace.operation("in child"):
        pass
    sys.exit(0 if perftrace.shutdown(5) and sink.port == 0 else 3)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
with perftrace.operation("in parent"):
    pass
perftrace.flush()
text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
assert "in parent" in text and "in child" not in text
"""
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", code], check=True, timeout=TIMEOUT)
