"""Starts servers from the system's packages, on loopback, for `make test-peers`; without it nothing here is run."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from perftrace.integrations import uninstrument

collect_ignore_glob = [] if os.environ.get("PERFTRACE_PEERS") else ["test_*.py"]
CURE = "apt-get install redis-server postgresql prometheus chromium npm"


@pytest.fixture(autouse=True)
def _nothing_stays_patched():
    yield
    uninstrument()


def program(name):
    """Find a server's program, which Debian has outside of PATH for PostgreSQL."""
    places = [os.environ["PATH"], *(str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin")))]
    found = shutil.which(name, path=os.pathsep.join(places))
    assert found, f"{name} is not installed: {CURE}"
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def until_it_listens(port, process, seconds=30):
    """Wait until a server takes connections."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture(scope="session")
def redis_url():
    """Give the URL of a Redis server that keeps nothing."""
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        until_it_listens(port, process)
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """Give `user@host:port/database` of a PostgreSQL server with a cluster of its own."""
    folder = tmp_path_factory.mktemp("postgres")
    # PostgreSQL refuses to be root.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        for place in (folder, *list(folder.parents)[:2]):
            place.chmod(0o755)
        shutil.chown(folder, "postgres")
    data, port = folder / "data", free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*user, program("initdb"), "-D", data, "-U", "bot", "-A", "trust"], check=True, timeout=60, **quiet)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
    with subprocess.Popen([*user, program("postgres"), "-D", data, "-p", str(port), *options], **quiet) as process:
        until_it_listens(port, process)
        yield f"bot@127.0.0.1:{port}/postgres"
        process.terminate()
