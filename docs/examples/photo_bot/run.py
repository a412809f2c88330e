"""Runs the photo studio with some hundred users, everything on loopback, then asks perftrace where the time went."""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from database import Database

from perftrace.cli import main as perftrace

HERE = Path(__file__).parent


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def running(script: str, *arguments: object, traces: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a script of this folder beside the block; then ask it to end."""
    command = [sys.executable, str(HERE / script), *(str(argument) for argument in arguments)]
    environment = {**os.environ, "PERFTRACE_SINKS": f"store:{traces}"}
    process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)  # noqa: S603
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def main() -> int:
    """Run it; returns the report's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=120)
    parser.add_argument("--webhook", action="store_true", help="Telegram calls the bot in place of being asked")
    parser.add_argument("--folder", type=Path, help="for the database and the traces; a new temporary one if not given")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="perftrace-photo-bot-"))
    traces, database = folder / "traces", folder / "bot.sqlite"
    Database.create(database, options.users)
    telegram, studio, bot = free_ports(3)
    how = "by webhook" if options.webhook else "by long polling"
    print(f"{options.users} users visit the photo studio, {how}; traces go to {traces}", flush=True)
    began = time.monotonic()
    with (
        running("users.py", telegram, options.users, traces=traces) as users,
        running("studio.py", studio, traces=traces),
        running(
            "serve_bot.py",
            *("--telegram", f"http://127.0.0.1:{telegram}", "--studio", f"http://127.0.0.1:{studio}"),
            *("--database", database, "--port", bot, *(["--webhook"] if options.webhook else [])),
            traces=traces,
        ),
    ):
        results = users.stdout.readline() if users.stdout else ""
    if not results:
        print("The users are gone before their time.", file=sys.stderr)
        return 2
    print(f"{time.monotonic() - began:.0f} s: {results}\n$ perftrace report {traces}\n", flush=True)
    return perftrace(["report", str(traces)])


if __name__ == "__main__":
    sys.exit(main())
