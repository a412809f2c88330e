"""What the store costs the traced thread, how fast it takes records, how much room they need, how fast SQL is."""

import logging
import logging.handlers
import queue
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import duckdb
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

import perftrace
from perftrace.pipeline import Background
from perftrace.sinks.memory import MemorySink
from perftrace.store import DirectorySink, compact, connect
from perftrace.store.folder import contents

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run as run_with_goals

CHECKPOINTS = ("get_user", "check_points", "set_state", "send_reply")
CALLS = 500
ROUNDS = 40
SUSTAINED = 50_000
ROWS = 10_000_000
MANY = 1_000_000
"""Of a queue: more than is ever put in, so that nothing is dropped."""


@perftrace.timed(operation="button_click", key="user")
def traced(user):
    for name in CHECKPOINTS:
        perftrace.checkpoint(name)


def cost_on_the_traced_thread(folder, goals):
    """Compare the processor time of the thread that traces with the memory sink's."""
    sinks: dict[str, Callable[[], perftrace.Sink]] = {
        "memory": MemorySink,
        "store": lambda: Background(DirectorySink(folder), capacity=MANY),
    }
    costs = {name: [] for name in sinks}
    for _ in range(ROUNDS):
        for name, make in sinks.items():
            perftrace.configure(sinks=[make()])
            before = time.thread_time_ns()
            for user in range(CALLS):
                traced(user)
            costs[name].append((time.thread_time_ns() - before) / CALLS)
            perftrace.configure(sinks=[])
    memory, store = (min(costs[name]) for name in sinks)
    ratio = store / memory
    print(
        f"an operation with four checkpoints, processor time of its thread: {ratio:.2f}x the memory sink",
        goals.check(ratio, most=1.5),
    )


@contextmanager
def with_perftrace(folder):
    perftrace.configure(sinks=[Background(DirectorySink(folder), capacity=MANY)])
    yield traced
    assert perftrace.flush(60)
    perftrace.configure(sinks=[])


@contextmanager
def with_opentelemetry(folder):
    with (folder / "otel.jsonl").open("w") as file:
        exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=MANY))
        tracer = provider.get_tracer("bench")

        def run(user):
            with tracer.start_as_current_span("button_click", attributes={"user": user}):
                for name in CHECKPOINTS:
                    trace.get_current_span().add_event(name)

        yield run
        provider.shutdown()


@contextmanager
def with_queue_handler(folder):
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    file = logging.FileHandler(folder / "queue.log")
    file.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    listener = logging.handlers.QueueListener(records, file)
    logger = logging.getLogger("queued")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.handlers.QueueHandler(records)
    logger.addHandler(handler)
    listener.start()

    def run(user):
        logger.info("start button_click_%s", user)
        for name in CHECKPOINTS:
            logger.info("checkpoint button_click_%s.%s", user, name)
        logger.info("done button_click_%s", user)

    yield run
    listener.stop()
    logger.removeHandler(handler)
    file.close()


def sustained(folder, goals):
    """Compare how many operations a second reach the disk, from the first call to the last byte."""
    rates = {}
    for peer in (with_perftrace, with_opentelemetry, with_queue_handler):
        best = 0.0
        for _ in range(3):
            before = time.perf_counter()
            with peer(folder) as run:
                for user in range(SUSTAINED):
                    run(user)
            best = max(best, SUSTAINED / (time.perf_counter() - before))
        rates[peer.__name__.removeprefix("with_")] = best
    own = rates["perftrace"]
    print(f"operations a second into a file, with four checkpoints each: {own:,.0f}")
    for name in ("opentelemetry", "queue_handler"):
        print(f"  {own / rates[name]:.1f}x those of {name}", goals.check(own / rates[name], least=1))


def room(folder):
    """Count bytes a record before and after compaction."""
    lines = contents(folder).files
    done = compact(folder)
    before, after = done.bytes_before / done.records, done.bytes_after / done.records
    print(f"bytes a record: {before:.0f} JSON lines, {after:.0f} Parquet")
    assert done.files == sum(file.is_own for file in lines)


def reading(folder, goals):
    """Compare p95 per operation over the view with DuckDB's own query over the bare file."""
    path = str(folder / "1795000000000000000-1-00000000.parquet")
    with duckdb.connect() as db:
        db.sql(
            "SELECT 1 AS v, 'ok' AS outcome, 'operation_' || (i % 20) AS name, "
            f"(hash(i) % 1000000000)::BIGINT AS duration_ns, i AS start FROM range({ROWS}) r(i)"
        ).write_parquet(path)
    question = "SELECT name, quantile_cont(duration_ns, 0.95) FROM {} GROUP BY name ORDER BY name"
    times = {"bare": [], "view": []}
    with connect(folder) as db:
        for _ in range(3):
            answers = []
            for name, source in (("bare", f"'{path}'"), ("view", "records")):
                before = time.perf_counter()
                answers.append(db.sql(question.format(source)).fetchall())
                times[name].append(time.perf_counter() - before)
            assert answers[0] == answers[1]
    bare, view = min(times["bare"]), min(times["view"])
    print(
        f"p95 per operation of {ROWS:,} records: {view / bare:.2f}x DuckDB's own query ({bare:.1f} s)",
        goals.check(view / bare, most=1.5),
    )


def main(goals):
    print(f"Python {sys.version.split()[0]}")
    for part in (cost_on_the_traced_thread, sustained, reading):
        with tempfile.TemporaryDirectory() as name:
            part(Path(name), goals)
            if part is sustained:
                room(Path(name))


if __name__ == "__main__":
    run_with_goals(main)
