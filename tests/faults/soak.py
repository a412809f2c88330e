"""Lets a bot trace for ten minutes while its store is compacted and pruned: memory, descriptors, threads stay flat.

Run it as `python tests/faults/soak.py [SECONDS]`; exit status 1 if anything grew or was lost.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import perftrace
from perftrace.pipeline import Background, Cardinality, FlightRecorder, RateLimit, Redact, Sampling
from perftrace.sinks.memory import MemorySink
from perftrace.store import DirectorySink

SAMPLES = 20
WARM_UP = 0.3
"""The part of the time after which nothing may grow any more."""
TENANT = """
import sys, time
from perftrace.store import compact, prune
while True:
    done = compact(sys.argv[1])
    assert not done.errors, done
    prune(sys.argv[1], max_bytes=3_000_000)
    time.sleep(0.2)
"""


@perftrace.timed(operation="handle", key="user", slow=0.05)
async def handle(user):
    perftrace.checkpoint("begin", token="secret", url="http://host/x?y=z")
    await asyncio.sleep(0.002)
    with perftrace.operation(f"call_{user % 3000}"):
        await asyncio.sleep(0)
    perftrace.checkpoint("end")
    if user % 97 == 0:
        raise ValueError("planted")


async def bot(is_over):
    user = 0
    while not is_over():
        await asyncio.gather(*(handle(user + n) for n in range(20)), return_exceptions=True)
        with perftrace.get_performance_monitor().timer(f"job_{user}", "by id"):
            pass
        user += 20


def thread_bot(is_over):
    while not is_over():
        with perftrace.operation("thread"):
            perftrace.checkpoint("x")
        time.sleep(0.001)


def used():
    """Count resident kilobytes, descriptors and threads."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024, len(os.listdir("/proc/self/fd")), threading.active_count()


def main(seconds):
    end = time.monotonic() + seconds
    samples = []

    def is_over():
        return time.monotonic() > end

    with tempfile.TemporaryDirectory() as folder:
        perftrace.configure(
            sinks=[
                Background(Redact(DirectorySink(folder, file_bytes=200_000, max_size="4MB"))),
                Sampling(Cardinality(MemorySink(), names=100), slow=0.01, share=0.1),
                FlightRecorder(MemorySink(), seconds=5, megabytes=1),
                RateLimit(MemorySink(), per_second=5),
            ]
        )
        tenant = subprocess.Popen([sys.executable, "-c", TENANT, folder])
        threads = [threading.Thread(target=thread_bot, args=(is_over,)) for _ in range(2)]
        threads.append(threading.Thread(target=lambda: asyncio.run(bot(is_over))))
        for thread in threads:
            thread.start()
        print("    at      KB  fds  threads", flush=True)
        for _ in range(SAMPLES):
            time.sleep(seconds / (SAMPLES + 1))
            memory, descriptors, running = sample = used()
            samples.append(sample)
            print(f"{seconds - (end - time.monotonic()):5.0f}s {memory:8d} {descriptors:4d} {running:4d}", flush=True)
        for thread in threads:
            thread.join()
        was_alive = tenant.poll() is None
        tenant.kill()
        tenant.wait()
        assert perftrace.flush(10), perftrace.stats()
        counters = perftrace.stats()["sinks"][0]
        assert counters["accepted"] == counters["written"] + counters["pending"] + sum(counters["dropped"].values()), (
            counters
        )
        perftrace.configure(sinks=[])
    print(f"{counters['written']} records, dropped {counters['dropped']}")
    warm, later = samples[int(SAMPLES * WARM_UP)], samples[-1]
    grown = later[0] / warm[0] - 1
    print(
        f"after the warm-up: {grown:+.1%} memory, {later[1] - warm[1]:+d} descriptors, {later[2] - warm[2]:+d} threads"
    )
    return 0 if was_alive and grown < 0.1 and abs(later[1] - warm[1]) <= 3 and later[2] <= warm[2] else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0))
