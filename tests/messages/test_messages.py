"""Each language's texts are whole."""

import ast
import pickle
import re
import string
from pathlib import Path
from typing import get_args

import pytest

import perftrace
from perftrace.formats.line import Miss
from perftrace.messages import TEXTS, Message, in_language
from perftrace.messages.plurals import PluralText
from perftrace.messages.texts import ErrorTexts


def texts(found, path=""):
    """Yield every text by its place."""
    if isinstance(found, str):
        yield path, found
    elif isinstance(found, dict):
        for key, value in found.items():
            yield from texts(value, f"{path}[{key}]")
    elif hasattr(found, "_asdict"):
        for key, value in found._asdict().items():
            yield from texts(value, f"{path}.{key}")
    else:
        for number, value in enumerate(found):
            yield from texts(value, f"{path}[{number}]")


def placeholders(text):
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


CHINESE, ENGLISH = (dict(texts(TEXTS[language])) for language in ("zh", "en"))
SHOWN_AS_THEY_ARE = ".report.outcomes"
"""English has the outcomes' own names."""


def test_both_languages_have_the_same_texts():
    """By place, down to the keys of what is looked up."""
    chinese = {place for place in CHINESE if not place.startswith(SHOWN_AS_THEY_ARE)}
    assert chinese == set(ENGLISH)
    assert all(text.strip() for text in (*CHINESE.values(), *ENGLISH.values()))


@pytest.mark.parametrize("place", ENGLISH)
def test_what_is_filled_in_is_the_same_in_both(place):
    assert placeholders(CHINESE[place]) == placeholders(ENGLISH[place])


PACKAGE = Path(perftrace.__file__).parent
MESSAGES = {
    (path.relative_to(PACKAGE).as_posix(), node.args[0].value, frozenset(keyword.arg for keyword in node.keywords))
    for path in PACKAGE.rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Message" and isinstance(node.args[0], ast.Constant)
}


@pytest.mark.parametrize(("path", "name", "values"), sorted(MESSAGES, key=str))
def test_each_message_has_its_text_and_all_that_fills_it_in(path, name, values):
    """As it is called."""
    assert {re.split(r"[.:!\[]", field)[0] for field in placeholders(getattr(TEXTS["en"].errors, name))} == values


def test_no_text_of_an_error_is_left_over():
    """Those that age and size share are named where they are read; each reason of a miss has one."""
    reasons = {f"miss_{reason}" for reason in get_args(Miss)}
    left = set(ErrorTexts._fields) - {name for _, name, _ in MESSAGES}
    assert left == {"not_an_age", "not_a_size", *reasons}


def test_a_message_is_english_text_and_speaks_each_language():
    """With the messages and errors that fill it in, also after a way through another process."""
    inner = ValueError(Message("damaged_json_at", at=7))
    message = pickle.loads(pickle.dumps(Message("in_place", place="a.json", error=inner)))
    assert message == "a.json: cut or damaged at character 7, read up to there"
    assert in_language(message, "zh") == "a.json: 在第 7 个字符处被截断或损坏，读到该处为止"
    assert in_language(OSError(5, "Oh"), "zh") == "[Errno 5] Oh"
    assert in_language(KeyError("a", "b"), "en") == "('a', 'b')"
    assert in_language("plain", "zh") == "plain"


def test_words_depend_on_their_number():
    """Of one and of many; what is no number, or has no words, is as ever."""
    text = PluralText("{count:run has its caller|runs have their callers}; {count:=it|they} took {time:.1f}, {name}")
    assert text.format(count=1, time=2, name="a|b") == "1 run has its caller; it took 2.0, a|b"
    assert text.format(count=0, time=2, name=1) == "0 runs have their callers; they took 2.0, 1"
    assert Message("unfinished", count=1) == "1 run that never ended is left out"
    assert Message("unfinished", count=2) == "2 runs that never ended are left out"
    assert in_language(Message("unfinished", count=1), "zh").startswith("有 1 次")
