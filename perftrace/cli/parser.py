"""The parser of the command line, whose texts come in each language."""

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from perftrace.messages import TEXTS, Language, in_language
from perftrace.messages.texts import HelpTexts

Run = Callable[[argparse.Namespace], int]


class _Formatter(argparse.HelpFormatter):
    """Breaks lines by columns of the terminal: a Chinese character takes two."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        from rich.console import Console  # who asks for no help needs none
        from rich.text import Text

        return [line.plain.rstrip() for line in Text(text).wrap(Console(width=width), width)]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in self._split_lines(text, width - len(indent)))


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that speaks a language."""

    def __init__(self, *, language: Language = "zh", **options: Any) -> None:
        words = self._words = TEXTS[language].help
        self._titles = {"usage: ": words.usage, "positional arguments:": f"{words.arguments}:"}
        self._titles["options:"] = f"{words.options}:"
        super().__init__(add_help=False, formatter_class=_Formatter, **options)
        self.add_argument("-h", "--help", action="help", help=words.help)

    def option(self, *names: str, help: str, **options: Any) -> None:  # noqa: A002  # argparse's own name
        """Add an argument; in its help a percent sign is only that."""
        self.add_argument(*names, help=help.replace("%", "%%"), **options)

    @property
    def options(self) -> list[argparse.Action]:
        """All arguments and options, in their order."""
        return [*self._actions]

    def format_help(self) -> str:
        """Return the help, its titles in the language."""
        return self._translated(super().format_help())

    def format_usage(self) -> str:
        """Return the usage in the language."""
        return self._translated(super().format_usage())

    def error(self, message: str) -> NoReturn:
        """End the program, with what is wrong in the language."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {self._words.error}: {self._complaint(message)}\n")

    def _complaint(self, message: str) -> str:
        of_argument = re.fullmatch(r"argument ([^:]+): (.+)", message, re.DOTALL)
        if of_argument:
            return f"{self._words.argument} {of_argument[1]}: {self._complaint(of_argument[2])}"
        for pattern, text in self._words.complaints.items():
            found = re.fullmatch(pattern, message, re.DOTALL)
            if found:
                return text.format(*found.groups())
        return message

    def _translated(self, text: str) -> str:
        pattern = "|".join(map(re.escape, self._titles))
        return re.sub(rf"^(?:{pattern})", lambda found: self._titles[found[0]], text, flags=re.MULTILINE)


class Commands:
    """The commands of the command line, to which each file adds its own."""

    def __init__(self, parser: Parser, language: Language, default: Language | None) -> None:
        """Begin with none.

        language: of the help. default: the language of texts, if one is chosen.
        """
        self.words: HelpTexts = TEXTS[language].help
        self.language: Language = language
        self.parsers: dict[str, Parser] = {}
        """Those of the commands, and of the actions of those that have some, by what one types."""
        self._default: Language | None = default
        self._actions = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(self, name: str, run: Run) -> Parser:
        """Add a command that has the options of all."""
        return self._add(self._actions, name, name, run)

    def add_group(self, name: str) -> Callable[[str, Run], Parser]:
        """Add a command that has actions; return what adds one."""
        parser = self._actions.add_parser(name, language=self.language, **self._texts(name))
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        return lambda action, run: self._add(actions, action, f"{name} {action}", run)

    def _add(self, actions: "argparse._SubParsersAction[Parser]", name: str, place: str, run: Run) -> Parser:
        parser = actions.add_parser(name, language=self.language, **self._texts(place))
        parser.option("--json", action="store_true", help=self.words.json)
        parser.option(
            "--language", choices=("zh", "en"), default=self._default, metavar="{zh,en}", help=self.words.language
        )
        parser.set_defaults(run=run)
        self.parsers[place] = parser
        return parser

    def _texts(self, place: str) -> dict[str, Any]:
        # Of the two only the help is filled in with `%`.
        return {
            "help": self.words.commands[place].replace("%", "%%"),
            "description": self.words.descriptions[place],
        }


def argument(parse: Callable[[str], Any], language: Language) -> Callable[[str], Any]:
    """Return what parses an argument and says in the language what is wrong with it."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(in_language(error, language)) from None

    return parsed
