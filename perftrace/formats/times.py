"""The time in front of a log line, in the forms that logging, syslog, journals and web servers write."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

from perftrace.core.patterns import pattern
from perftrace.formats.line import LOOKED_AT

_CLOCK = r"(\d\d):(\d\d):(\d\d)(?:[.,:](\d{1,9}))?"
_ZONE = r"(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?"
_MONTHS = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}  # fmt: skip
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]*"
_BEFORE = r"(?<![\w:./-])"
Parts = tuple[int | None, int, int]
"""Year, or None where it is not told; month; day."""


def _ymd(year: str, month: str, day: str) -> Parts:
    return int(year), int(month), int(day)


def _mdy(month: str, day: str, year: str) -> Parts:
    return int(year) + (2000 if len(year) == 2 else 0), int(month), int(day)


def _dmy(day: str, month: str, year: str) -> Parts:
    return int(year), _MONTHS[month.lower()[:3]], int(day)


def _named(month: str, day: str) -> Parts:
    return None, _MONTHS[month.lower()[:3]], int(day)


_FORMS: tuple[tuple[re.Pattern[str], Callable[..., Parts]], ...] = tuple(
    (pattern(_BEFORE + date + _CLOCK + _ZONE, re.ASCII | re.IGNORECASE), parts)
    for date, parts in (
        (r"(\d{4})-(\d\d)-(\d\d)[T _]", _ymd),
        (r"(\d{4})[/.](\d\d)[/.](\d\d)[T ]", _ymd),
        (r"(\d{4})(\d\d)(\d\d)[T ]", _ymd),
        (r"(\d\d?)/(\d\d?)/(\d{4}|\d\d),? ", _mdy),
        (rf"(\d\d?)[/ -]{_MONTH}[/ -](\d{{4}})[: ]", _dmy),
        (rf"{_MONTH} {{1,2}}(\d\d?) ", _named),
    )
)
_WEEKDAY = pattern(rf"{_BEFORE}{_MONTH} {{1,2}}(\d\d?) {_CLOCK} (\d{{4}})", re.ASCII | re.IGNORECASE)
"""As `time.ctime` writes it: the year last."""
_UNIX = pattern(r"(?<![\w:./-])(\d{9,19}(?:\.\d{1,9})?)(?![\w:.-])", re.ASCII)


def time_before(text: str, now: datetime | None = None) -> int:
    """Find the time in what stands before a line; return Unix nanoseconds, 0 if there is none.

    Local time where no zone is told. A form without a year has the year in which it lies in the past. now: in place of
    the current moment.
    """
    text = text[-LOOKED_AT:]
    found = _WEEKDAY.search(text)
    if found is not None:
        month, day, hour, minute, second, fraction, year = found.groups()
        return _nanoseconds((int(year), *_named(month, day)[1:]), (hour, minute, second, fraction), None, now)
    for form, parts in _FORMS:
        found = form.search(text)
        if found is not None:
            *date, hour, minute, second, fraction, zone = found.groups()
            return _nanoseconds(parts(*date), (hour, minute, second, fraction), zone, now)
    unix = _UNIX.search(text)
    return 0 if unix is None else _of_unix(unix[1])


def _nanoseconds(date: Parts, clock: tuple[str, str, str, str | None], zone: str | None, now: datetime | None) -> int:
    year, month, day = date
    hour, minute, second, fraction = clock
    current = now or datetime.now().astimezone()
    try:
        moment = datetime(year or current.year, month, day, int(hour), int(minute), int(second), tzinfo=_zone_of(zone))
        if moment.tzinfo is None:
            moment = moment.astimezone()
        if year is None and moment > current + timedelta(days=1):
            moment = moment.replace(year=current.year - 1)
        whole = round(moment.timestamp())
    except (ValueError, OverflowError, OSError):
        return 0
    return whole * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


def _zone_of(text: str | None) -> timezone | None:
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _of_unix(text: str) -> int:
    """Read Unix time in seconds, milliseconds, microseconds or nanoseconds, told by its size; 0 for another number."""
    whole, _, fraction = text.partition(".")
    scale = {9: 9, 10: 9, 12: 6, 13: 6, 15: 3, 16: 3, 18: 0, 19: 0}.get(len(whole))
    if scale is None or (len(whole) < 11 and int(whole) < 100_000_000):
        return 0
    factor: int = 10**scale
    return int(whole) * factor + int(fraction[:scale].ljust(scale, "0") or "0")
