"""Runs a public example of a framework, instrumented as the docs say; prints what was traced as JSON.

run_example.py NAMES SECONDS PORT SCRIPT: patches NAMES (with commas between), lets bots speak to the stand-in for
Telegram's servers at PORT, and interrupts the script after so many seconds.
"""

import contextlib
import json
import os
import runpy
import signal
import sys
import threading
from pathlib import Path

import perftrace


def use_stand_in(port):
    """Let aiogram's bots and python-telegram-bot's applications speak to it."""
    url = f"http://127.0.0.1:{port}"
    if "aiogram" in sys.argv[1]:
        from aiogram.client.session.base import BaseSession
        from aiogram.client.telegram import TelegramAPIServer

        made = BaseSession.__init__

        def init(self, *args, **kwargs):
            made(self, *args, **{**kwargs, "api": TelegramAPIServer.from_base(url)})

        setattr(BaseSession, "__init__", init)
    if "telegram" in sys.argv[1]:
        from telegram.ext import ApplicationBuilder

        build = ApplicationBuilder.build
        setattr(ApplicationBuilder, "build", lambda self: build(self.base_url(f"{url}/bot")))


def main():
    names, seconds, port, script = sys.argv[1:]
    perftrace.configure(sinks=["memory"])
    perftrace.instrument(*names.split(","))
    use_stand_in(port)
    alarm = threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGINT))
    alarm.daemon = True
    alarm.start()
    sys.argv = [script]
    sys.path.insert(0, str(Path(script).parent))
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        runpy.run_path(script, run_name="__main__")
    records = perftrace.records()
    by_span = {record.span_id: record.name for record in records}
    told = [
        {
            "name": record.name,
            "outcome": record.outcome,
            "key": record.key,
            "parent": by_span.get(record.parent_id, "?") if record.parent_id else None,
            "link": record.link and by_span.get(record.link.span_id, "?"),
            "segments": [checkpoint.name for checkpoint in record.checkpoints],
        }
        for record in records
    ]
    print("\n" + json.dumps({"records": told, "unread": perftrace.stats()["unread"]}))


if __name__ == "__main__":
    main()
