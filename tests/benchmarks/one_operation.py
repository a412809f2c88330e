"""Cost of one operation with four checkpoints, side by side with its peers, above the bare call.

`make bench` runs each peer in a process of its own, in several rounds by turns, and prints the least
of their medians and the ratios: on a shared machine the ratios of one run mean something, the microseconds little.
All output is discarded.
"""

import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import time

CALLS = 20_000
"""A run is as long as it takes for what a peer leaves to a thread of its own to be paid for within."""
REPEATS = 3
"""Of a run; its cost is their median."""
ROUNDS = 8
"""Of all peers by turns, each in a new process; its cost is the least of these medians."""
CHECKPOINTS = ("get_user", "check_points", "set_state", "send_reply")


def perftrace_memory():
    """Call `timed` and four checkpoints into the memory sink."""
    import perftrace

    perftrace.configure(sinks=["memory"])
    return _perftrace(perftrace)


def perftrace_log():
    """Call `timed` and four checkpoints into the log line."""
    import perftrace

    _logger()
    return _perftrace(perftrace)


def perftrace_off():
    """`timed(enabled=False)` and four checkpoints that find no operation."""
    import perftrace

    return _perftrace(perftrace, enabled=False)


def _perftrace(perftrace, **options):
    checkpoint = perftrace.checkpoint

    @perftrace.timed(operation="button_click", **options)
    def function():
        for name in CHECKPOINTS:
            checkpoint(name)

    @perftrace.timed(operation="button_click", **options)
    async def coroutine():
        for name in CHECKPOINTS:
            checkpoint(name)

    return function, coroutine


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

    @tracer.start_as_current_span("button_click")
    def function():
        for name in CHECKPOINTS:
            trace.get_current_span().add_event(name)

    async def coroutine():
        with tracer.start_as_current_span("button_click"):
            for name in CHECKPOINTS:
                trace.get_current_span().add_event(name)

    return function, coroutine


def logging_lines():
    """Six `logger.info` calls that write the same lines by hand."""
    log = _logger()

    def function():
        start = time.perf_counter()
        operation = "button_click_00f067aa0ba902b7"
        log.info(f"⏱️  [PERF] 开始: {operation} - button_click")
        for name in CHECKPOINTS:
            elapsed = time.perf_counter() - start
            log.info(f"⏱️  [PERF] 检查点: {operation}.{name} - {name} | 已耗时: {elapsed:.3f}s")
        log.info(f"⏱️  [PERF] 完成: {operation} - button_click | 耗时: {time.perf_counter() - start:.3f}s")

    async def coroutine():
        function()

    return function, coroutine


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

    @eliot.log_call(action_type="button_click", include_result=False)
    def function():
        for name in CHECKPOINTS:
            eliot.log_message(message_type=name)

    async def coroutine():
        with eliot.start_action(action_type="button_click"):
            for name in CHECKPOINTS:
                eliot.log_message(message_type=name)

    return function, coroutine


def ddtrace_spans():
    """Make a span with four spans below it, dropped before they are sent."""
    os.environ.update(DD_INSTRUMENTATION_TELEMETRY_ENABLED="false", DD_REMOTE_CONFIGURATION_ENABLED="false")
    logging.getLogger("ddtrace").setLevel(logging.CRITICAL)
    from ddtrace.trace import TraceFilter, tracer

    class Drop(TraceFilter):
        def process_trace(self, trace):
            return None

    tracer.configure(trace_processors=[Drop()])

    @tracer.wrap("button_click")
    def function():
        for name in CHECKPOINTS:
            with tracer.trace(name):
                pass

    @tracer.wrap("button_click")
    async def coroutine():
        for name in CHECKPOINTS:
            with tracer.trace(name):
                pass

    return function, coroutine


def viztracer_events():
    """Log an event with four instants into viztracer's ring."""
    from viztracer import VizTracer

    tracer = VizTracer(log_sparse=True, tracer_entries=1_000_000, verbose=0)
    tracer.start()

    def function():
        with tracer.log_event("button_click"):
            for name in CHECKPOINTS:
                tracer.log_instant(name)

    async def coroutine():
        function()

    return function, coroutine


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


def typical(measure):
    return statistics.median(measure() for _ in range(REPEATS))


def cost_of(function):
    """Nanoseconds of a call, the loop included."""

    def measure():
        before = time.perf_counter_ns()
        for _ in range(CALLS):
            function()
        return (time.perf_counter_ns() - before) / CALLS

    return typical(measure)


def cost_of_coroutine(coroutine):
    """Nanoseconds of awaiting a call, the loop included."""

    async def main():
        before = time.perf_counter_ns()
        for _ in range(CALLS):
            await coroutine()
        return (time.perf_counter_ns() - before) / CALLS

    return typical(lambda: asyncio.run(main()))


def bare():
    for _ in CHECKPOINTS:
        pass


async def bare_coroutine():
    for _ in CHECKPOINTS:
        pass


def measure_one(name):
    function, coroutine = next(peer for peer in PEERS if peer.__name__ == name)()
    for _ in range(200):
        function()
    sync = cost_of(function) - cost_of(bare)
    async_ = cost_of_coroutine(coroutine) - cost_of_coroutine(bare_coroutine)
    print(json.dumps([sync, async_]), flush=True)
    os._exit(0)  # no peer's farewell is part of the measurement


def main():
    costs = {peer.__name__: [] for peer in PEERS}
    for _ in range(ROUNDS):
        for name, rounds in costs.items():
            command = [sys.executable, __file__, name]
            answer = subprocess.run(command, capture_output=True, timeout=120, check=True)
            rounds.append(json.loads(answer.stdout))
    minima = {name: [min(column) for column in zip(*rounds, strict=True)] for name, rounds in costs.items()}
    base = minima["perftrace_memory"]
    print(f"Python {sys.version.split()[0]}, one operation with four checkpoints, above the bare call")
    print(f"{'':22}{'sync':>10}{'async':>10}{'ratio':>16}{'ratio':>10}")
    for name, (sync, async_) in minima.items():
        print(f"{name:22}{sync / 1e3:8.2f}µs{async_ / 1e3:8.2f}µs{sync / base[0]:15.2f}x{async_ / base[1]:9.2f}x")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_one(sys.argv[1])
    else:
        main()
