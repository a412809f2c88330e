"""taskiq through a real Redis server, to its own worker in another process."""

import asyncio
import importlib
import os
import subprocess
import sys

import perftrace
from perftrace import sources
from perftrace.testing import capture


def test_the_trace_goes_through_the_broker(redis_url, tmp_path, monkeypatch):
    """From the sender to the worker, with the time in the broker."""
    monkeypatch.setenv("PERFTRACE_TEST_REDIS", redis_url)
    environment = {**os.environ, "PERFTRACE_SINKS": f"store:{tmp_path}"}
    command = [sys.executable, "-m", "taskiq", "worker", "--workers", "1", "tests.peers.worker:broker"]
    worker = importlib.import_module("tests.peers.worker")

    async def send():
        await worker.broker.startup()
        async with perftrace.operation("handler"):
            task = await worker.resize.kiq(640)
        result = await task.wait_result(timeout=30)
        await worker.broker.shutdown()
        return result.return_value

    with capture() as records, subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        assert asyncio.run(send()) == 640
        process.terminate()
    (handler,) = (r for r in records if r.name == "handler")
    (task,) = (r for r in sources.open(str(tmp_path)).records if r.name == "resize")
    assert (task.parent_id, task.trace_id) == (handler.span_id, handler.trace_id)
    assert [c.name for c in task.checkpoints] == ["queue", "resized"]
    assert task.checkpoints[0].elapsed_ns > 0
