"""The command line: one file a command."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import get_args

from perftrace.cli import advise, compare, export, importing, report, show, slowest, store, trend, whatif, why
from perftrace.formats.line import Language

COMMANDS = (report, advise, why, whatif, trend, compare, slowest, show, store, export, importing)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0 all is well, 1 it found what it looked for, 2 something went wrong."""
    parser = argparse.ArgumentParser(
        prog="perftrace", description="Tells why a bot or async service is slow, and which step to fix first."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print data in place of text")
    common.add_argument(
        "--language", choices=get_args(Language), default=_language(), help="of the text (default: %(default)s)"
    )
    for command in COMMANDS:
        command.add_to(commands, common)
    options = parser.parse_args(arguments)
    _accept_any_character()
    try:
        status = int(options.run(options))
        print(end="", flush=True)
        return status
    except BrokenPipeError:  # `| head` has seen enough; at exit Python would flush into it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # what was shown of the progress
        return 130


def _language() -> Language:
    return "en" if os.environ.get("PERFTRACE_LANGUAGE") == "en" else "zh"


def _accept_any_character() -> None:
    """Write escapes where the terminal knows no such character."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
