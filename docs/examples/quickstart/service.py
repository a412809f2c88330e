"""The HTTP service that the bot calls: replies at once, photos soon, pictures slowly, and some not at all."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS = {"/reply": 0.005, "/photo": 0.02, "/generate": 0.25}
"""How long each path takes."""
FAILS_EVERY = 9
"""Each ninth picture fails."""


class _Handler(BaseHTTPRequestHandler):
    pictures = 0

    def do_GET(self) -> None:
        """Answer after the path's time."""
        path = self.path.partition("?")[0]
        time.sleep(SECONDS[path])
        fails = False
        if path == "/generate":
            _Handler.pictures += 1
            fails = _Handler.pictures % FAILS_EVERY == 0
        self.send_response(503 if fails else 200)
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the demo's output is the report."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that were cancelled."""


@contextmanager
def running_service() -> Iterator[str]:
    """Serve on a free port of the loopback interface while the block runs; gives `host:port`."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
