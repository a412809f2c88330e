"""`perftrace store stats|compact|prune|check DIR`: look after a trace directory."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from typing import Any

from perftrace.cli.common import language_of
from perftrace.store.compaction import compact
from perftrace.store.integrity import check
from perftrace.store.inventory import inventory
from perftrace.store.pruning import parse_age, parse_size, prune
from perftrace.views import store as views


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "store", help="look after a trace directory: count, compact, prune, check", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, parents=[common], help=text, description=text)
        action.add_argument("folder", metavar="DIR", help="the trace directory, as in store:DIR")
        action.set_defaults(run=lambda options: _guarded(run, options))
        return action

    add("stats", _stats, "Counts files, records and bytes.")
    add("compact", _compact, "Turns the files of processes that are gone into Parquet, while bots write.")
    add("check", _check, "Reads everything; exit status 1 if anything is damaged, torn or too new.")
    pruning = add("prune", _prune, "Removes the oldest files, whole ones, that nobody writes to.")
    pruning.add_argument("--max-age", type=_argument(parse_age), metavar="AGE", help="of the newest record, as 30d")
    pruning.add_argument("--max-size", type=_argument(parse_size), metavar="SIZE", help="of all files, as 1GB")


def _argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Pass the text of a ValueError through argparse."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def _guarded(run: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Return one line that says why the folder cannot be worked on."""
    try:
        return run(options)
    except (OSError, ImportError) as error:
        why = getattr(error, "strerror", None) or error
        print(f"perftrace: {options.folder}: {why}", file=sys.stderr)
        return 2


def _stats(options: argparse.Namespace) -> int:
    found = inventory(options.folder)
    _answer(options, dataclasses.asdict(found), views.stats_text(found, language_of(options)))
    return _tell(found.errors)


def _compact(options: argparse.Namespace) -> int:
    done = compact(options.folder)
    _answer(options, dataclasses.asdict(done), views.compact_text(done, language_of(options)))
    return _tell(done.errors)


def _prune(options: argparse.Namespace) -> int:
    if options.max_age is options.max_size is None:
        print("perftrace: prune needs --max-age, such as 30d, or --max-size, such as 1GB, or both", file=sys.stderr)
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


def _tell(errors: list[str]) -> int:
    for error in errors:
        print(f"perftrace: {error}", file=sys.stderr)
    return 2 if errors else 0
