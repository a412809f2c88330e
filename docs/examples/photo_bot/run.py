"""Runs the photo studio with some users, everything on loopback, then asks perftrace where the time went."""

import argparse
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from database import Database

from perftrace.cli import main as perftrace

HERE = Path(__file__).parent
FINDINGS = 3
"""How many are printed of what `advise` finds."""
WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "begins": "{users} users visit a photo bot, {how}: bot, image service and worker trace to {traces}",
        "webhook": "by webhook",
        "polling": "by long polling",
        "outcomes": {},
        "closer": "Look closer:",
        "report": "The whole report: {path}",
    },
    "zh": {
        "begins": "{users} 个用户访问图片机器人（{how}）: 机器人、图片服务和工作进程的跟踪写入 {traces}",
        "webhook": "webhook",
        "polling": "长轮询",
        "outcomes": {
            "cancelled": "人取消",
            "got a picture": "人得到图片",
            "got an apology": "人得到致歉",
            "had no credits": "人没有积分",
            "heard nothing": "人没有得到回复",
        },
        "closer": "进一步查看:",
        "report": "完整报告: {path}",
    },
}


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


def answer(*arguments: object) -> str:
    """Return what a command of perftrace prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        perftrace([*map(str, arguments), "--language", language()])
    return printed.getvalue()


def language() -> str:
    """Return the reader's language; English where nothing names one."""
    wanted = os.environ.get("PERFTRACE_LANGUAGE") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "zh" if wanted.startswith("zh") else "en"


def tell(folder: Path, traces: Path) -> None:
    """Print what is slow, what to change and what that saves, and how to look closer; the whole report to a file."""
    report, advice = answer("report", traces), answer("advise", traces)
    (folder / "report.txt").write_text(report, encoding="utf-8")
    first, table, *_ = report.split("\n\n")
    titles, operation, *rows = table.split("\n")
    until = next(number for number, row in enumerate(rows) if not row.startswith("  "))
    print(first, "", titles, operation, *rows[:until], sep="\n")
    name = operation.split()[0]
    print("\n" + answer("whatif", name, traces).split("\n\n")[0])
    findings = advice.split("\n\n")
    for finding in findings[1 : 1 + FINDINGS]:
        print("\n" + "\n".join(finding.split("\n")[:2]))
    command = Path(sys.executable).with_name("perftrace")
    print(f"\n{WORDS[language()]['closer']}")
    for arguments in (f"advise {traces}", f"why {name} {traces}", f"slowest {traces}"):
        print(f"  {command} {arguments}")
    print(f"\n{WORDS[language()]['report'].format(path=folder / 'report.txt')}")


def main() -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--webhook", action="store_true", help="Telegram calls the bot in place of being asked")
    parser.add_argument("--folder", type=Path, help="for the database and the traces; a new temporary one if not given")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="perftrace-photo-bot-"))
    traces, database = folder / "traces", folder / "bot.sqlite"
    Database.create(database, options.users)
    telegram, studio, bot = free_ports(3)
    words = WORDS[language()]
    how = words["webhook" if options.webhook else "polling"]
    print(words["begins"].format(users=options.users, how=how, traces=traces), flush=True)
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
    for outcome, word in words["outcomes"].items():
        results = results.replace(outcome, word)
    print(f"{time.monotonic() - began:.0f} s: {results}", flush=True)
    tell(folder, traces)
    return 0


if __name__ == "__main__":
    sys.exit(main())
