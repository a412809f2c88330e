"""The command line: one file a command."""

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from perftrace.cli.common import os_error
from perftrace.cli.parser import Commands, Parser
from perftrace.formats.languages import chosen_language
from perftrace.messages import TEXTS, Language, Message, in_language

COMMANDS = {
    "report": "report",
    "advise": "advise",
    "why": "why",
    "whatif": "whatif",
    "trend": "trend",
    "compare": "compare",
    "slowest": "slowest",
    "show": "show",
    "store": "store",
    "export": "export",
    "import": "importing",
}
"""The file of each command; only that of the one that is called is imported, as all of them take a quarter second."""

GC_THRESHOLDS = 50_000, 50, 100
"""When garbage is collected: what commands keep are records, and looking through them again and again for what goes
round in circles takes a third of the time of `why`."""

_ONE_THREAD = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"
"""Variables that numpy's libraries read when it is imported: on the small matrices of change points, threads of theirs
cost twice to nine times the CPU, by machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0 all is well, 1 it found what it looked for, 2 something went wrong."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _run(given)
    except BrokenPipeError:  # `| head` has seen enough; at exit Python would flush into it once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(given: Sequence[str]) -> int:
    for variable in _ONE_THREAD:
        os.environ.setdefault(variable, "1")
    default = chosen_language()
    language = _asked_language(given) or default or "zh"
    parser = Parser(prog="perftrace", description=TEXTS[language].help.program, language=language)
    commands = Commands(parser, language, default)
    for name in given[:1] if given and given[0] in COMMANDS else COMMANDS:
        importlib.import_module(f"perftrace.cli.{COMMANDS[name]}").add_to(commands)
    options = parser.parse_args(given)
    _accept_any_character()
    thresholds = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        with contextlib.ExitStack() as options.cleanup:
            status = int(options.run(options))
        print(end="", flush=True)
        return status
    except BrokenPipeError:
        raise
    except OSError as error:  # what a command reads and makes it watches itself: this is its answer
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"perftrace: {in_language(Message('not_written', error=os_error(error)), language)}", file=sys.stderr)
        return 2
    finally:
        gc.set_threshold(*thresholds)


def _asked_language(arguments: Sequence[str]) -> Language | None:
    """Return the language that `--language` names, for the help and for what is wrong with other options."""
    texts = [*arguments, ""]
    found: Language | None = None
    for at, text in enumerate(arguments):
        name, equals, value = text.partition("=")
        if len(name) > 2 and "--language".startswith(name):  # argparse takes abbreviations, and the last one counts
            wanted = value if equals else texts[at + 1]
            found = next((language for language in TEXTS if language == wanted), found)
    return found


def _accept_any_character() -> None:
    """Write escapes where the terminal knows no such character."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
