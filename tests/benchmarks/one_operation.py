"""Cost of one operation with four checkpoints, side by side with its peers, above the bare call.

`make bench` runs each peer in a process of its own, in several rounds by turns, and prints the least costs and their
ratios: on a shared machine the ratios of one run mean something, the microseconds little. All output is discarded.
With `--before FOLDER` it compares the memory sink alone with that of another checkout, by turns.
"""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import time
import types
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run

CALLS = 20_000
"""A round is as long as it takes for what a peer leaves to a thread of its own to be paid for within."""
ROUNDS = 5
"""Of all peers by turns, each in a new process; its cost is the least of them, in processor time."""
CHECKPOINTS = ("get_user", "check_points", "set_state", "send_reply")
SHAPES = ("sync", "no suspension", "with a value", "one suspension", "four suspensions")


@types.coroutine
def suspend():
    yield


def decorated(wrap, mark):
    """Define the handlers of a peer that decorates."""

    @wrap
    def function():
        for name in CHECKPOINTS:
            mark(name)

    @wrap
    async def nothing():
        for name in CHECKPOINTS:
            mark(name)

    @wrap
    async def value():
        for name in CHECKPOINTS:
            mark(name)
        return name

    @wrap
    async def once():
        await suspend()
        for name in CHECKPOINTS:
            mark(name)

    @wrap
    async def often():
        for name in CHECKPOINTS:
            await suspend()
            mark(name)

    return function, nothing, value, once, often


def inside(span, mark):
    """Define the handlers of a peer whose block stands in them."""

    def function():
        with span():
            for name in CHECKPOINTS:
                mark(name)

    async def nothing():
        with span():
            for name in CHECKPOINTS:
                mark(name)

    async def value():
        with span():
            for name in CHECKPOINTS:
                mark(name)
            return name

    async def once():
        with span():
            await suspend()
            for name in CHECKPOINTS:
                mark(name)

    async def often():
        with span():
            for name in CHECKPOINTS:
                await suspend()
                mark(name)

    return function, nothing, value, once, often


def perftrace_memory():
    """Call `timed` and four checkpoints into the memory sink."""
    import perftrace

    perftrace.configure(sinks=["memory"])
    return decorated(perftrace.timed(operation="button_click"), perftrace.checkpoint)


def perftrace_log():
    """Call `timed` and four checkpoints into the log line."""
    import perftrace

    _logger()
    return decorated(perftrace.timed(operation="button_click"), perftrace.checkpoint)


def perftrace_off():
    """`timed(enabled=False)` and four checkpoints that find no operation."""
    import perftrace

    return decorated(perftrace.timed(operation="button_click", enabled=False), perftrace.checkpoint)


def opentelemetry_batch():
    """Make a span with four events into the SDK's batch processor."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Discard(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Discard(), max_queue_size=10**6))
    tracer = provider.get_tracer("bench")
    return inside(
        lambda: tracer.start_as_current_span("button_click"), lambda name: trace.get_current_span().add_event(name)
    )


def logging_lines():
    """Six `logger.info` calls that write the same lines by hand."""
    log = _logger()
    operation = "button_click_00f067aa0ba902b7"

    class Lines:
        def __enter__(self):
            self.start = start[0] = time.perf_counter()
            log.info(f"⏱️  [PERF] 开始: {operation} - button_click")

        def __exit__(self, *error):
            log.info(f"⏱️  [PERF] 完成: {operation} - button_click | 耗时: {time.perf_counter() - self.start:.3f}s")

    def mark(name):
        elapsed = time.perf_counter() - start[0]
        log.info(f"⏱️  [PERF] 检查点: {operation}.{name} - {name} | 已耗时: {elapsed:.3f}s")

    start = [0.0]
    return inside(Lines, mark)


def _logger():
    log = logging.getLogger("performance_monitor")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.FileHandler(os.devnull, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
    log.addHandler(handler)
    return log


def eliot_actions():
    """Make an action with four messages, written to nowhere."""
    import eliot

    eliot.to_file(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # for as long as the process
    return inside(
        lambda: eliot.start_action(action_type="button_click"), lambda name: eliot.log_message(message_type=name)
    )


def ddtrace_spans():
    """Make a span with four spans below it, dropped before they are sent."""
    os.environ.update(DD_INSTRUMENTATION_TELEMETRY_ENABLED="false", DD_REMOTE_CONFIGURATION_ENABLED="false")
    logging.getLogger("ddtrace").setLevel(logging.CRITICAL)
    from ddtrace.trace import TraceFilter, tracer

    class Drop(TraceFilter):
        def process_trace(self, trace):
            return None

    tracer.configure(trace_processors=[Drop()])

    def mark(name):
        with tracer.trace(name):
            pass

    return decorated(tracer.wrap("button_click"), mark)


def viztracer_events():
    """Log an event with four instants into viztracer's ring."""
    from viztracer import VizTracer

    tracer = VizTracer(log_sparse=True, tracer_entries=1_000_000, verbose=0)
    tracer.start()
    return inside(lambda: tracer.log_event("button_click"), tracer.log_instant)


PEERS = (
    perftrace_memory,
    perftrace_log,
    perftrace_off,
    logging_lines,
    opentelemetry_batch,
    eliot_actions,
    ddtrace_spans,
    viztracer_events,
)


def cost_of(function):
    """Nanoseconds of a call, the loop included."""
    before = time.process_time_ns()
    for _ in range(CALLS):
        function()
    return (time.process_time_ns() - before) / CALLS


async def cost_of_coroutine(coroutine):
    """Nanoseconds of awaiting a call in a task, stepped by hand: an event loop's own turns cost more than all of it."""

    async def call():
        await coroutine()

    before = time.process_time_ns()
    for _ in range(CALLS):
        steps = call()
        try:
            while True:
                steps.send(None)
        except StopIteration:
            pass
    return (time.process_time_ns() - before) / CALLS


def costs_of(handlers):
    function, *coroutines = handlers
    return [cost_of(function), *(asyncio.run(cost_of_coroutine(coroutine)) for coroutine in coroutines)]


def measure_one(name):
    handlers = next(peer for peer in PEERS if peer.__name__ == name)()
    bare = decorated(lambda function: function, lambda name: None)
    for _ in range(200):
        handlers[0]()
    rows = [[own - of_bare for own, of_bare in zip(costs_of(handlers), costs_of(bare), strict=True)] for _ in range(2)]
    print(json.dumps([min(column) for column in zip(*rows, strict=True)]), flush=True)
    os._exit(0)  # no peer's farewell is part of the measurement


def by_turns(peers):
    """Measure peers, name to (environment, function's name), and return the least cost of each in each shape."""
    costs = {peer: [] for peer in peers}
    for _ in range(ROUNDS):
        for peer, (environment, name) in peers.items():
            command = [sys.executable, __file__, "--one", name]
            answer = subprocess.run(
                command, capture_output=True, timeout=300, check=True, env={**os.environ, **environment}
            )
            costs[peer].append(json.loads(answer.stdout))
    return {name: [min(column) for column in zip(*rounds, strict=True)] for name, rounds in costs.items()}


def print_row(name, cells):
    print(f"{name:22}" + "".join(f"{cell:>22}" for cell in cells))


def beside_peers(goals):
    minima = by_turns({peer.__name__: ({}, peer.__name__) for peer in PEERS})
    base = minima["perftrace_memory"]
    print(f"Python {sys.version.split()[0]}, one operation with four checkpoints, above the bare call")
    print_row("", SHAPES)
    for name, found in minima.items():
        print_row(name, [f"{ns / 1e3:.2f} µs {ns / own:6.2f}x" for ns, own in zip(found, base, strict=True)])
    for name, shape, least in (("opentelemetry_batch", 0, 9), ("opentelemetry_batch", 1, 6.5)):
        ratio = minima[name][shape] / base[shape]
        print(f"{name}, {SHAPES[shape]}: {ratio:.1f}x", goals.check(ratio, least=least))
    for shape in (0, 1):
        ratio = minima["viztracer_events"][shape] / base[shape]
        print(f"viztracer_events, {SHAPES[shape]}: {ratio:.2f}x", goals.check(ratio, least=1))


def beside_before(folder):
    found = by_turns({"before": ({"PYTHONPATH": folder}, PEERS[0].__name__), "now": ({}, PEERS[0].__name__)})
    print(f"Python {sys.version.split()[0]}, the memory sink, above the bare call")
    print_row("", SHAPES)
    for name, ns in found.items():
        print_row(name, [f"{one / 1e3:.2f} µs" for one in ns])
    print_row("now / before", [f"{now / old:.2f}x" for now, old in zip(found["now"], found["before"], strict=True)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="FOLDER", help="another checkout")
    parser.add_argument("--one", metavar="PEER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure_one(options.one)
    elif options.before:
        beside_before(options.before)
    else:
        run(beside_peers)
