"""What the tests of integrations share."""

import asyncio
import threading
import time

import pytest
import uvicorn

from perftrace.integrations import uninstrument


@pytest.fixture(autouse=True)
def _nothing_stays_patched():
    yield
    uninstrument()


def ended(records, count):
    """Wait until so many operations have ended: a server's may end after its answer is there."""
    end = time.monotonic() + 10
    while len(records) < count:
        assert time.monotonic() < end, records
        time.sleep(0.001)
    return records


@pytest.fixture
def serve():
    """Serve an ASGI application over real HTTP on loopback; gives the function that starts it and gives its URL."""
    servers = []

    def start(app):
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
        thread = threading.Thread(target=asyncio.run, args=(server.serve(),), daemon=True)
        thread.start()
        servers.append((server, thread))
        while not server.started:
            assert thread.is_alive(), "the server did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(10)
