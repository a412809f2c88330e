"""Texts in which words depend on a number."""

from typing import Any, TypeVar, cast

TextsT = TypeVar("TextsT")


class PluralText(str):
    """A text that says `{count:run|runs}` for `1 run` or `2 runs`, and `{count:=has|have}` for the word alone."""

    __slots__ = ()

    def format(self, *args: object, **values: object) -> str:
        """Fill it in."""
        numbers = {name: _Number(value) if type(value) is int else value for name, value in values.items()}
        return super().format(*args, **numbers)


class _Number(int):
    """A number that knows the word behind it."""

    def __format__(self, spec: str) -> str:
        one, bar, many = spec.partition("|")
        if not bar:
            return super().__format__(spec)
        word = one.removeprefix("=") if self == 1 else many
        return word if one.startswith("=") else f"{int(self)} {word}"


def with_plurals(texts: TextsT) -> TextsT:
    """Return texts of which those with such words know how to fill them in."""
    return cast("TextsT", _counted(texts))


def _counted(found: Any) -> Any:
    if isinstance(found, str):
        return PluralText(found) if "|" in found and "{" in found else found
    if isinstance(found, dict):
        return {name: _counted(text) for name, text in found.items()}
    parts = map(_counted, found)
    return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
