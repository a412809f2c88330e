"""Which language lines and commands speak."""

import json
import os
import re
import sys
from collections.abc import Mapping

from perftrace.formats.line import WORDS
from perftrace.messages import Language


def locale_language(environment: Mapping[str, str] = os.environ) -> Language | None:
    """Return the language that the locale names: Chinese, or English for any other; None where it names none.

    As POSIX has it, `LC_ALL` counts before `LC_MESSAGES` and that before `LANG`; `C` and `POSIX` name no language.
    """
    names = (environment.get(variable) for variable in ("LC_ALL", "LC_MESSAGES", "LANG"))
    name = next(filter(None, names), "")
    if not name and sys.platform == "win32":
        import locale

        name = locale.getlocale()[0] or ""
    name = re.split(r"[.@]", name)[0].lower()
    if name in ("", "c", "posix"):
        return None
    return "zh" if name.startswith(("zh", "chinese")) else "en"


def chosen_language() -> Language | None:
    """Return the language of `PERFTRACE_LANGUAGE`, else of the locale; None where neither names one."""
    wanted = os.environ.get("PERFTRACE_LANGUAGE", "").strip()
    return next((language for language in WORDS if language == wanted), None) or locale_language()


def language_of_log(beginning: bytes) -> Language | None:
    """Return the language of the first of perftrace's lines in the beginning of a log; None where there is none."""
    found = _FIRST_WORD.search(beginning)
    if found is None:
        return None
    return next(language for language in WORDS if found[language])


def _first_word() -> re.Pattern[bytes]:
    """Build what finds the first word after the marker: in UTF-8, as a Chinese Windows writes it, escaped in JSON."""
    groups = []
    for language, words in WORDS.items():
        texts = (words.start, words.checkpoint, words.done)
        forms = {
            form for text in texts for form in (text.encode(), text.encode("gb18030"), json.dumps(text)[1:-1].encode())
        }
        groups.append(b"(?P<" + language.encode() + b">" + b"|".join(map(re.escape, sorted(forms))) + b")")
    return re.compile(rb"\[PERF\] (?:" + b"|".join(groups) + b"): ")


_FIRST_WORD = _first_word()
