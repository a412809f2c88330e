"""Servers that say what a test wants them to."""

import contextlib
import socket
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 2\r\n\r\nok"


@contextlib.contextmanager
def server(*scripts, tls=None):
    """Serve one connection a script; a script gets the socket and a list for the requests that it reads.

    tls: the context of a server that speaks https.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    requests = []

    def serve():
        for script in scripts:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.settimeout(10)
                with tls.wrap_socket(connection, server_side=True) if tls else connection as connection:
                    connection.settimeout(10)
                    script(connection, requests)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.close()
        thread.join(15)
        assert not thread.is_alive()


def read_request(connection):
    """Read one request whole; empty where the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(*answers):
    """Answer the requests of one connection one after the other, then close it."""

    def script(connection, requests):
        for answer in answers:
            requests.append(read_request(connection))
            connection.sendall(answer)

    return script
