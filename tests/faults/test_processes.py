"""Forks, exits and signals: what each kind of end brings out."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from perftrace import sources
from tests.conftest import TIMEOUT
from tests.faults.helpers import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and POSIX signals")

TRACE = """
perftrace.configure(sinks=["store:" + sys.argv[1]])
def trace(name="a", count=20):
    for n in range(count):
        with perftrace.operation(name):
            pass
"""


def names_in(folder):
    return [record.name for record in sources.open(str(folder)).records]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise RuntimeError('unhandled')", 1),
        ("import threading; threading.Thread(target=lambda: (time.sleep(0.1), trace('late', 1))).start()", 0),
        ("import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(4)); os.kill(os.getpid(), 15)", 4),
        ("import signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("import asyncio; asyncio.run(asyncio.sleep(0)); sys.exit('text')", 1),
        ("import atexit; atexit.register(trace, 'late', 1)", 0),
    ],
)
def test_an_end_that_runs_exit_handlers_brings_out_all(tmp_path, end, status):
    """However it comes about: what threads and exit handlers traced until then, too."""
    run(f"{TRACE}\ntrace()\n{end}", tmp_path, status=status)
    found = names_in(tmp_path)
    assert found.count("a") == 20
    assert found.count("late") == end.count("'late'")


@pytest.mark.parametrize(
    ("end", "status"), [("os._exit(5)", 5), ("import signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM)]
)
def test_an_end_that_runs_none_keeps_what_was_flushed(tmp_path, end, status):
    """What still waited in the queue is lost: at most what was traced in the last `interval`."""
    run(f"{TRACE}\ntrace()\nassert perftrace.flush(10)\ntrace('unflushed')\n{end}", tmp_path, status=status)
    found = names_in(tmp_path)
    assert found.count("a") == 20
    assert found.count("unflushed") <= 20


def test_daemon_threads_that_trace_to_the_last_do_not_hang_the_exit(tmp_path):
    """What comes after the close is nobody's any more."""
    code = f"""{TRACE}
import threading
def forever():
    while True:
        trace("daemon", 1)
trace()
for _ in range(4):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.1)
"""
    run(code, tmp_path)
    assert names_in(tmp_path).count("a") == 20


def test_forks_while_threads_trace_lose_and_repeat_nothing(tmp_path):
    """Each child has a queue, a worker and a file of its own; so have grandchildren."""
    code = f"""{TRACE}
import threading
stop = False
def forever():
    while not stop:
        trace("thread", 1)
threads = [threading.Thread(target=forever) for _ in range(4)]
for one in threads: one.daemon = True; one.start()
children = []
for n in range(10):
    child = os.fork()
    if child == 0:
        trace("child", 3)
        grandchild = os.fork()
        if grandchild == 0:
            trace("grandchild", 2)
            assert perftrace.shutdown(20)
            os._exit(0)
        status = os.waitpid(grandchild, 0)[1]
        assert perftrace.shutdown(20)
        os._exit(status)
    children.append(child)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 10
stop = True
for one in threads: one.join()
perftrace.flush(20)
print(check_counters()["written"])
"""
    written = int(run(code, tmp_path))
    reading = sources.open(str(tmp_path))
    found = [record.name for record in reading.records]
    assert (found.count("child"), found.count("grandchild")) == (30, 20)
    assert found.count("thread") == written
    assert len({record.span_id for record in reading.records}) == len(found)
    assert reading.counters.not_understood == 0


def test_a_daemon_by_double_fork_traces_on(tmp_path):
    """Its parents end at once, it stands alone."""
    code = f"""{TRACE}
trace("before", 1)
perftrace.flush(10)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.1)
        trace("daemon", 5)
        perftrace.shutdown(10)
        open(sys.argv[1] + "/done.txt", "w").close()
        os._exit(0)
    os._exit(0)
os.wait()
"""
    run(code, tmp_path)
    end = time.monotonic() + 20
    while not (tmp_path / "done.txt").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert sorted(names_in(tmp_path)) == ["before"] + ["daemon"] * 5


APP = """
import os, perftrace
perftrace.configure(sinks=["store:" + os.environ["STORE"]])

@perftrace.timed(operation="request")
def answer():
    perftrace.checkpoint("answered")
    return str(os.getpid()).encode()

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer()})
"""

SERVERS = {
    "gunicorn": ["gunicorn", "--workers=2", "app:wsgi"],
    "gunicorn --preload": ["gunicorn", "--workers=2", "--preload", "app:wsgi"],
    "uvicorn": ["uvicorn", "--workers=2", "app:asgi"],
}


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_preforking_servers_bring_out_every_request(tmp_path, command):
    """Stopped by SIGTERM as in production."""
    (tmp_path / "app.py").write_text(APP)
    folder = tmp_path / "store"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--port", str(port), "--host", "127.0.0.1"] if command[0] == "uvicorn" else ["--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [sys.executable, "-m", *command, *where],
        cwd=tmp_path,
        env={**os.environ, "STORE": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        answers = 0
        end = time.monotonic() + TIMEOUT
        while answers < 60:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                    response.read()
                answers += 1
            except OSError:
                assert time.monotonic() < end, "the server did not come up"
                time.sleep(0.05)
        server.send_signal(signal.SIGTERM)
        server.wait(TIMEOUT)
    finally:
        server.kill()
    reading = sources.open(str(folder))
    assert [record.name for record in reading.records] == ["request"] * 60
    assert len({record.span_id for record in reading.records}) == 60
