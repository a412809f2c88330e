"""Receivers that harm: none of them slows the host down, keeps it from ending, or loses what is not counted."""

import contextlib
import socket
import threading

import pytest

from tests.faults.helpers import run

SEND = """
perftrace.configure(sinks=[f"otlp:http://127.0.0.1:{sys.argv[1]}"])
before = time.monotonic()
for _ in range(2000):
    with perftrace.operation("a"):
        perftrace.checkpoint("b")
assert time.monotonic() - before < 5, "the host was held up"
whole = perftrace.flush(1)
"""
END = """
before = time.monotonic()
done = perftrace.shutdown(3)
assert time.monotonic() - before < 4, "the end was held up"
"""


def endless(connection):
    """Answer without end."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def silent(connection):
    """Take everything, say nothing."""
    while connection.recv(65536):
        pass


def gone(connection):
    """Close within the request."""
    connection.recv(10)


def garbage(connection):
    """Say what is no HTTP."""
    connection.recv(65536)
    connection.sendall(b"\x00\xff" * 1000)


def busy(connection):
    """Ask for a pause that is too long."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 429 Later\r\nRetry-After: 100000\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.recv(65536)


@pytest.fixture
def receiver():
    """Give what starts a receiver of a kind; it serves each connection that comes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def start(serve):
        def one(connection):
            with contextlib.suppress(OSError), connection:
                serve(connection)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    listener.close()


@pytest.mark.parametrize("serve", [silent, gone, garbage, busy])
def test_what_cannot_be_brought_out_is_counted_and_the_end_comes_in_time(receiver, serve):
    """The counters balance at any time."""
    run(f"{SEND}\nassert not whole\nbooks = check_counters(0)\n{END}\nassert not done", receiver(serve))


def test_an_endless_answer_is_cut(receiver):
    """Its status counts; each costs no more than what is read of it."""
    run(f"{SEND}\nassert whole\ncheck_counters(2000)\n{END}\nassert done", receiver(endless))


def test_without_a_receiver_the_process_ends_at_once():
    """Without a word from the user, by `atexit`; what was lost is told once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code = SEND.replace("whole = perftrace.flush(1)", "")
    run(f"import atexit\nstart = time.monotonic()\n{code}", port, timeout=15)
