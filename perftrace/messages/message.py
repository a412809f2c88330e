"""Messages that can be read in each language, and are English text for whoever does not ask."""

import functools
import importlib
from collections.abc import Iterator, Mapping
from typing import Any, cast, get_args

from perftrace.messages.texts import Language, Texts


class _TextsByLanguage(Mapping[Language, Texts]):
    """The texts of each language, whose file is imported when it is asked for."""

    def __getitem__(self, language: Language) -> Texts:
        if language not in get_args(Language):
            raise KeyError(language)
        return _texts_of(language)

    def __iter__(self) -> Iterator[Language]:
        return iter(get_args(Language))

    def __len__(self) -> int:
        return len(get_args(Language))


@functools.cache
def _texts_of(language: Language) -> Texts:
    return cast("Texts", importlib.import_module(f"perftrace.messages.{language}").TEXTS)


TEXTS: Mapping[Language, Texts] = _TextsByLanguage()


class Message(str):
    """A text of `ErrorTexts` with what fills it in: text in English, and `in_language` in any.

    name: the field of `ErrorTexts`. values: by placeholder; messages and errors among them are put into the language,
    too.
    """

    __slots__ = ("name", "values")

    name: str
    values: dict[str, Any]

    def __new__(cls, name: str, /, **values: Any) -> "Message":
        """Make the English text."""
        self = super().__new__(cls, _text(name, values, "en"))
        self.name, self.values = name, values
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _message, (self.name, self.values)


def in_language(found: object, language: Language) -> str:
    """Return a message, an error or any text in a language, where it has one; else as it is."""
    if isinstance(found, BaseException):
        found = found.args[0] if len(found.args) == 1 and isinstance(found.args[0], Message) else str(found)
    return _text(found.name, found.values, language) if isinstance(found, Message) else str(found)


def _text(name: str, values: dict[str, Any], language: Language) -> str:
    texts = TEXTS[language].errors
    put = {
        key: in_language(value, language) if isinstance(value, Message | BaseException) else value
        for key, value in values.items()
    }
    text: str = getattr(texts, name)
    return text.format(**put)


def _message(name: str, values: dict[str, Any]) -> Message:
    return Message(name, **values)
