"""Writes lines to the streams of `logging`'s handlers: what they can encode, and by the short way where there is one.

For each line, `logging` makes a record of twenty attributes, formats the time anew and makes a dozen calls
from `handle` to `write`: two thirds of the price of a line. Where handler and formatter are `logging`'s
own, unchanged by anybody, the bytes are known without.
"""

import io
import logging
import operator
import os
import re
import time
from typing import Any, NamedTuple

from perftrace.sinks.log.record_factory import RecordMaker, is_own

_WIDE = {None, "utf-8", "UTF-8", "utf8", "utf-16", "utf-32"}
"""Encodings that know every character, as streams call them."""


def fitted(line: str, stream: object) -> str:
    """Escape what a stream could not encode: it would print a traceback and lose the line."""
    encoding = getattr(stream, "encoding", None)
    if encoding in _WIDE or not isinstance(encoding, str):
        return line
    try:
        line.encode(encoding, getattr(stream, "errors", None) or "strict")
    except UnicodeError:
        return line.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:  # an encoding that Python does not know: the handler's own matter
        return line
    return line


_HANDLING = operator.attrgetter("handle", "filter", "acquire", "release", "format", "emit", "flush")
_TIMING = ("converter", "default_time_format", "default_msec_format")
_FORMATTING = operator.attrgetter("format", "usesTime", "formatTime", "formatMessage", *_TIMING)
_STYLING = operator.attrgetter("format", "usesTime")


def _untouched(methods: tuple[object, ...]) -> tuple[object, ...] | None:
    """Return methods as they are; None if somebody has put one in place of `logging`'s."""
    return methods if all(map(is_own, methods)) else None


class _Handlers(NamedTuple):
    """What the handlers of a class are like as long as nobody has changed them."""

    methods: tuple[object, ...] | None
    attributes: int
    """How many each has: one more may be a method in place of the class's."""


_HANDLERS: dict[type, _Handlers] = {
    type(fresh): _Handlers(_untouched(_HANDLING(type(fresh))), len(vars(fresh)))
    for fresh in (logging.StreamHandler(io.StringIO()), logging.FileHandler(os.devnull, delay=True))
}


class _Layout:
    """A formatter, read once: what it writes before and after a line, which differs by second and level only."""

    _KNOWN = frozenset(("name", "levelname", "levelno", "asctime", "message"))
    _MADE_OF = frozenset(("_style", "_fmt", "datefmt", "converter", "default_time_format", "default_msec_format"))

    def __init__(self, formatter: logging.Formatter) -> None:
        self._read_from = vars(formatter).copy()
        self._of_class, self._of_style = _FORMATTING(type(formatter)), _STYLING(logging.PercentStyle)
        self._template: str = self._read_from.get("_fmt", "")
        self._date_format = formatter.datefmt
        self._converter, self._time_format, self._millisecond_format = (getattr(formatter, name) for name in _TIMING)
        fields = re.findall(r"%\((.*?)\)", self._template)
        style = self._read_from.get("_style")
        self.is_known = (
            type(formatter) is logging.Formatter
            and type(style) is logging.PercentStyle
            and vars(style) in ({"_fmt": self._template}, {"_fmt": self._template, "_defaults": None})
            and self._MADE_OF.issuperset(self._read_from)
            and self._KNOWN.issuperset(fields)
            and self._converter in (time.localtime, time.gmtime)
            and _untouched(self._of_class[: -len(_TIMING)] + self._of_style) is not None
        )
        self._has_time = "asctime" in fields
        self._second = (-1, "")
        """The last second of which the text was made, and the text."""

    def is_of(self, formatter: logging.Formatter) -> bool:
        """Report whether nobody has changed the formatter, or its class, since."""
        return (
            self._read_from == vars(formatter)
            and self._of_class == _FORMATTING(type(formatter))
            and self._of_style == _STYLING(logging.PercentStyle)
        )

    def text(self, name: str, level: int, line: str, time_ns: int) -> str:
        """Format as the formatter would."""
        values = {"name": name, "levelname": logging.getLevelName(level), "levelno": level, "message": line}
        if self._has_time:
            second, text = self._second
            if time_ns // 1_000_000_000 != second:
                second = time_ns // 1_000_000_000
                text = time.strftime(self._date_format or self._time_format, self._converter(second))
                self._second = (second, text)
            if self._millisecond_format and not self._date_format:
                text = self._millisecond_format % (text, time_ns // 1_000_000 % 1000 + 0.0)
            values["asctime"] = text
        return self._template % values


_layouts: dict[logging.Formatter, _Layout] = {}


def _layout(formatter: logging.Formatter) -> _Layout:
    """Return what is known of a formatter, read anew where it has changed."""
    layout = _layouts.get(formatter)
    if layout is None or not layout.is_of(formatter):
        if len(_layouts) > 16:  # formatters come and go in tests
            _layouts.clear()
        layout = _layouts[formatter] = _Layout(formatter)
    return layout


def write(handler: logging.Handler, records: RecordMaker, level: int, line: str, time_ns: int) -> bool:
    """Write a line as `handler.handle` would; False, and nothing done, where only the handler itself can.

    records: whose logger the line is of. time_ns: the line's moment, in Unix nanoseconds.
    """
    known = _HANDLERS.get(type(handler))
    if known is None or handler.filters or len(vars(handler)) != known.attributes:
        return False
    if _HANDLING(type(handler)) != known.methods:
        return False
    plain: logging.StreamHandler[Any] = handler  # type: ignore[assignment]  # as the table says
    layout = _layout(handler.formatter or logging._defaultFormatter)  # type: ignore[attr-defined]  # noqa: SLF001
    stream, lock = plain.stream, plain.lock
    if not layout.is_known or not stream or lock is None:
        return False
    with lock:
        try:
            text = layout.text(records.name, level, fitted(line, stream), time_ns)
            stream.write(text + plain.terminator)
            if hasattr(stream, "flush"):
                stream.flush()
        except RecursionError:
            raise
        except Exception:
            handler.handleError(records.make(level, line, time_ns))
    return True
