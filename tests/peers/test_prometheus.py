"""Prometheus itself scrapes the page: its own query gives the counts, and promtool has nothing to say."""

import json
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

import perftrace
from tests.peers.conftest import free_port, program, until_it_listens

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: bot
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
"""


@pytest.fixture
def page():
    """Give the port of a page that tells of a bit of everything."""
    perftrace.configure(sinks=["prometheus:0"])
    for number in range(7):
        with perftrace.operation("click", key=None):
            perftrace.checkpoint('hostile "name" \\ with\nall')
            if number == 3:
                perftrace.current_operation().fail("bad")
    with perftrace.operation("running"):
        assert perftrace.flush()
        yield perftrace.tracing.configuration.tracer.guards[0].sink.wrapped.port
    perftrace.configure(sinks=[])


def test_promtool_is_content(page):
    """It knows the conventions of names, units and types."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{page}/metrics", timeout=10).read()
    command = [program("promtool"), "check", "metrics"]
    done = subprocess.run(command, check=False, input=text, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_prometheus_counts_what_we_count(page, tmp_path):
    """By its own query, examples included."""
    config, port = tmp_path / "prometheus.yml", free_port()
    config.write_text(CONFIG.format(target=page))
    command = [
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage", "--log.level=error",
    ]  # fmt: skip

    def ask(path, **query):
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        return json.load(urllib.request.urlopen(url, timeout=10))["data"]

    def answers(query):
        return {tuple(sorted(one["metric"].items())): one["value"][1] for one in ask("query", query=query)["result"]}

    with subprocess.Popen(command) as process:
        try:
            until_it_listens(port, process)
            end = time.monotonic() + 30
            while not (counts := answers("sum by (operation, outcome) (perftrace_operation_duration_seconds_count)")):
                assert time.monotonic() < end
                time.sleep(0.1)
            assert counts == {
                (("operation", "click"), ("outcome", "ok")): "6", (("operation", "click"), ("outcome", "error")): "1",
            }  # fmt: skip
            assert answers("sum by (operation) (perftrace_operations_in_flight)") == {
                (("operation", "click"),): "0", (("operation", "running"),): "1",
            }  # fmt: skip
            segments = answers("sum by (segment) (perftrace_segment_duration_seconds_count)")
            assert segments == {(("segment", 'hostile "name" \\ with\nall'),): "7", (("segment", "(end)"),): "7"}
            found = ask(
                "query_exemplars", query="perftrace_operation_duration_seconds_bucket", start=0, end=time.time()
            )
            assert {len(example["labels"]["trace_id"]) for one in found for example in one["exemplars"]} == {32}
        finally:
            process.terminate()
