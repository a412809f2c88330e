"""Writes `cli.md` from the parsers of the commands: `python docs/cli_reference.py`. A test holds it in step."""

import argparse
import importlib
from pathlib import Path

from perftrace.cli import COMMANDS
from perftrace.cli.parser import Commands, Parser

PAGE = Path(__file__).with_name("cli.md")
BEGINNING = """\
# Command line

<!-- Written by docs/cli_reference.py. -->

Every command reads what its content tells: logs with perftrace's lines among any others, plain, gzipped or wrapped in
JSON; JSON lines; a trace directory or its Parquet files; OTLP and Chrome's traces; `-` is standard input. The exit
status is 0 where all is well, 1 where a command found what it looks for or nothing is left to tell, 2 where something
could not be read or an option is wrong. Each example runs as it stands; `perftrace COMMAND --help` says the same in the
language of the terminal.

Options of every command: `--json` writes the answer as data, `--language zh|en` chooses the language, `-h` or `--help`
shows the help.
"""
EXAMPLES = {
    "report": "perftrace report bot.log --sort p95",
    "advise": "perftrace advise traces",
    "why": "perftrace why button_click bot.log --tail 0.9",
    "whatif": "perftrace whatif button_click bot.log --since 2001-01-01",
    "trend": "perftrace trend bot.log --window 1m",
    "compare": "perftrace compare before.log bot.log --operation button_click --min-ms 5",
    "slowest": "perftrace slowest bot.log --count 3 --where user_id=7",
    "show": "perftrace show button_click_7_00000000000000aa bot.log",
    "store stats": "perftrace store stats traces",
    "store compact": "perftrace store compact traces",
    "store prune": "perftrace store prune traces --max-age 30d",
    "store check": "perftrace store check traces",
    "export": "perftrace export bot.log --to jsonl -o bot.jsonl",
    "import": "perftrace import bot.log --to store:traces",
}
"""One of each command, with files that the test makes."""
_OF_ALL = ("-h", "--json", "--language")


def parsers() -> dict[str, Parser]:
    """Return the parsers of all commands, in their order."""
    commands = Commands(Parser(prog="perftrace", language="en"), "en", "en")
    for file in COMMANDS.values():
        importlib.import_module(f"perftrace.cli.{file}").add_to(commands)
    return commands.parsers


def _row(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    many = f" [{metavar} ...]" if action.nargs == "+" else ""
    value = "" if action.nargs == 0 else f"{metavar}{many}"
    name = ", ".join(f"{option} {value}".strip() for option in action.option_strings) or value
    text = (action.help or "").replace("%%", "%").replace("|", "\\|")
    return f"| `{name}` | {text} |"


def page() -> str:
    """Return the page."""
    parts = [BEGINNING]
    for name, parser in parsers().items():
        rows = [
            _row(action) for action in parser.options if action.option_strings[:1] not in ([one] for one in _OF_ALL)
        ]
        table = "\n".join(["| option | what it does |", "|---|---|", *rows])
        parts.append(f"## perftrace {name}\n\n{parser.description}\n\n{table}\n\n```sh\n{EXAMPLES[name]}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
