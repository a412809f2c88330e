"""`perftrace store stats|compact|prune|check DIR`: look after a trace directory."""

import argparse
import dataclasses
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from perftrace.cli.common import complain, language_of, os_error
from perftrace.cli.parser import Commands, argument
from perftrace.messages import Message
from perftrace.store.compaction import compact
from perftrace.store.integrity import check
from perftrace.store.inventory import inventory
from perftrace.store.pruning import parse_age, parse_size, prune
from perftrace.views import store as views


def add_to(commands: Commands) -> None:
    """Add the command to the command line."""
    words = commands.words
    add = commands.add_group("store")
    parsers = {name: add(name, partial(_guarded, run)) for name, run in _ACTIONS.items()}
    for parser in parsers.values():
        parser.option("folder", metavar="DIR", help=words.folder)
    age, size = argument(parse_age, commands.language), argument(parse_size, commands.language)
    parsers["prune"].option("--max-age", type=age, metavar="AGE", help=words.max_age)
    parsers["prune"].option("--max-size", type=size, metavar="SIZE", help=words.max_size)


def _guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Print one line that says why the folder cannot be worked on."""
    try:
        return run(options)
    except (OSError, ImportError) as error:
        complain(options, Message("in_place", place=options.folder, error=os_error(error)))
        return 2


def _stats(options: argparse.Namespace) -> int:
    found = inventory(options.folder)
    _answer(options, dataclasses.asdict(found), views.stats_text(found, language_of(options)))
    return _tell(options, found.errors)


def _compact(options: argparse.Namespace) -> int:
    done = compact(options.folder)
    _answer(options, dataclasses.asdict(done), views.compact_text(done, language_of(options)))
    return _tell(options, done.errors)


def _prune(options: argparse.Namespace) -> int:
    if options.max_age is options.max_size is None:
        complain(options, Message("prune_what"))
        return 2
    done = prune(options.folder, max_age=options.max_age, max_bytes=options.max_size)
    _answer(options, dataclasses.asdict(done), views.prune_text(done, language_of(options)))
    return 0


def _check(options: argparse.Namespace) -> int:
    found = check(options.folder)
    data = [{**dataclasses.asdict(file), "is_sound": file.is_sound} for file in found]
    _answer(options, {"files": data}, views.check_text(found, language_of(options)))
    return 0 if all(file.is_sound for file in found) else 1


def _answer(options: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    if options.json:
        print(json.dumps({"v": 1, "command": f"store {options.action}", **data}, ensure_ascii=False))
    else:
        print(text, end="")


def _tell(options: argparse.Namespace, errors: list[str]) -> int:
    for error in errors:
        complain(options, error)
    return 2 if errors else 0


_ACTIONS = {"stats": _stats, "compact": _compact, "check": _check, "prune": _prune}
