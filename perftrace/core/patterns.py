"""Regular expressions that are compiled when they are first used: a command uses few of those that its modules have."""

import re
from typing import Any, AnyStr, Generic, cast


class _Pattern(Generic[AnyStr]):
    """What a `re.Pattern` has, from the first use of each attribute on."""

    def __init__(self, text: AnyStr, flags: int) -> None:
        self._text: AnyStr = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__[name] = getattr(re.compile(self._text, self._flags), name)
        return found


def pattern(text: AnyStr, flags: int = 0) -> "re.Pattern[AnyStr]":
    """Return a pattern that is compiled at its first use; the compiling of a dozen takes as long as a small report."""
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))
