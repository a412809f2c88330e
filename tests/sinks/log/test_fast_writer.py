"""Lines written by the short way are those that `logging`'s handlers write, and whoever changed these is asked."""

import io
import logging
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import perftrace
from perftrace.sinks.log.fast_writer import write
from perftrace.sinks.log.record_factory import RecordMaker
from perftrace.sinks.log.sink import LogSink
from perftrace.testing import CountingIds, FakeClock

LOGGER = logging.getLogger("performance_monitor")
RECORDS = RecordMaker(LOGGER)
MOMENT = 1_757_421_666_864_999_999
STANDARD = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


def make(formatter=None, **stream_options):
    """Make a handler on a stream that keeps its bytes."""
    raw = io.BytesIO()
    handler = logging.StreamHandler(io.TextIOWrapper(raw, **{"encoding": "utf-8", **stream_options}))
    handler.setFormatter(formatter)
    return handler, raw


def by_the_handler(handler, level, line, moment):
    handler.handle(RECORDS.make(level, line, moment))


@example(["%(asctime)s"], None, time.gmtime, "%s,%03d", [(logging.INFO, "", 9_999_999_999_999_999)])
@given(
    st.lists(st.sampled_from(["%(asctime)s", "%(name)s", "%(levelname)-8s", "%(levelno)d", "%(message)s", "%%", "|"])),
    st.sampled_from([None, "%H:%M:%S", ""]),
    st.sampled_from([time.localtime, time.gmtime]),
    st.sampled_from(["%s,%03d", "%s.%06.2f", None]),
    st.lists(
        st.tuples(
            st.sampled_from([logging.INFO, logging.WARNING]),
            st.text(st.characters(exclude_categories=["Cs"])),
            st.integers(0, 2**62),
        ),
        max_size=3,
    ),
)
def test_the_bytes_are_those_of_the_handler(parts, date_format, converter, milliseconds, lines):
    """In every layout that takes the short way, one line after the other."""
    formatter = logging.Formatter("".join([*parts, "%(message)s"]), date_format)
    formatter.converter, formatter.default_msec_format = converter, milliseconds
    short, written = make(formatter)
    long, wanted = make(formatter)
    for line in lines:
        assert write(short, RECORDS, *line)
        by_the_handler(long, *line)
    assert written.getvalue() == wanted.getvalue()


def test_without_a_formatter_a_line_stands_alone():
    """As `logging` does it."""
    handler, written = make()
    assert write(handler, RECORDS, logging.INFO, "100%s", MOMENT)
    assert written.getvalue() == b"100%s\n"


def test_a_file_is_written_by_the_short_way_once_it_is_open(tmp_path):
    """And opened by its handler, where that waits for the first line."""
    handler = logging.FileHandler(tmp_path / "log", encoding="utf-8", delay=True)
    assert not write(handler, RECORDS, logging.INFO, "一", MOMENT)
    by_the_handler(handler, logging.INFO, "一", MOMENT)
    assert write(handler, RECORDS, logging.INFO, "二", MOMENT)
    assert (tmp_path / "log").read_text("utf-8") == "一\n二\n"  # flushed
    handler.close()
    assert not write(handler, RECORDS, logging.INFO, "三", MOMENT)


class Subclass(logging.StreamHandler[io.StringIO]):
    """Might do anything."""


class OwnFormatter(logging.Formatter):
    """Might do anything."""


def _shout(*_):
    return "SHOUT"


CHANGES = {
    "a filter": lambda handler, _: handler.addFilter(lambda record: False),
    "a format of its own": lambda handler, _: setattr(handler, "format", _shout),
    "no lock": lambda handler, _: setattr(handler, "lock", None),
    "an object's time": lambda handler, _: setattr(handler.formatter, "formatTime", _shout),
    "a converter": lambda handler, _: setattr(handler.formatter, "converter", lambda _: time.gmtime(0)),
    "more fields": lambda handler, _: handler.setFormatter(logging.Formatter("%(process)d %(message)s")),
    "a style": lambda handler, _: handler.setFormatter(logging.Formatter("{asctime} {message}", style="{")),
    "defaults": lambda handler, _: handler.setFormatter(logging.Formatter(STANDARD, defaults={"message": "x"})),
    "a class of formatters": lambda handler, _: handler.setFormatter(OwnFormatter(STANDARD)),
    "emit": lambda _, patch: patch.setattr(logging.StreamHandler, "emit", _shout),
    "handle": lambda _, patch: patch.setattr(logging.Handler, "handle", _shout),
    "formatMessage": lambda _, patch: patch.setattr(logging.Formatter, "formatMessage", _shout),
    "a style's format": lambda _, patch: patch.setattr(logging.PercentStyle, "format", _shout),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_somebody_changed_goes_through_the_handler(monkeypatch, change):
    """Even in the midst of a second, after lines of the short way; nothing is written here then."""
    handler, written = make(logging.Formatter(STANDARD))
    assert write(handler, RECORDS, logging.INFO, "line", MOMENT)
    before = written.getvalue()
    CHANGES[change](handler, monkeypatch)
    assert not write(handler, RECORDS, logging.INFO, "line", MOMENT)
    assert written.getvalue() == before


def test_a_subclass_goes_its_own_way():
    """It exists to do something else."""
    assert not write(Subclass(io.StringIO()), RECORDS, logging.INFO, "line", MOMENT)


CHANGED_TIMES = {
    "a date format": lambda formatter, _: setattr(formatter, "datefmt", "%H"),
    "an object's clock": lambda formatter, _: setattr(formatter, "converter", time.gmtime),
    "the class's clock": lambda _, patch: patch.setattr(logging.Formatter, "converter", time.gmtime),
    "the class's milliseconds": lambda _, patch: patch.setattr(logging.Formatter, "default_msec_format", None),
    "the level's name": lambda _, patch: patch.setitem(logging._levelToName, logging.INFO, "Note"),  # noqa: SLF001
}


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zones to choose on this platform")
@pytest.mark.parametrize("change", CHANGED_TIMES)
def test_settings_hold_from_the_next_line_on(monkeypatch, change):
    """Though the second's text was made before."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        formatter = logging.Formatter(STANDARD)
        short, written = make(formatter)
        long, wanted = make(formatter)
        for _ in range(2):
            assert write(short, RECORDS, logging.INFO, "line", MOMENT)
            by_the_handler(long, logging.INFO, "line", MOMENT)
            CHANGED_TIMES[change](formatter, monkeypatch)
        first, second = written.getvalue().splitlines()
        assert first != second
        assert written.getvalue() == wanted.getvalue()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_broken_stream_is_the_handlers_to_tell(capsys):
    """As for any line: `logging` prints it, and the program goes on."""
    handler, _ = make(logging.Formatter(STANDARD))
    handler.stream.close()
    assert write(handler, RECORDS, logging.INFO, "the line", MOMENT)
    told = capsys.readouterr().err
    assert "ValueError: I/O operation on closed file" in told
    assert "Message: 'the line'" in told


def test_each_handler_gets_what_it_can_write_and_a_filter_may_change():
    """A narrow stream's escapes are its own; what a logger's filter made of the line reaches all handlers."""
    perftrace.configure(clock=FakeClock(), ids=CountingIds(), sinks=[LogSink("en")])
    handlers = [make(encoding="ascii"), make(), make(OwnFormatter("%(message)s"), encoding="ascii"), make()]

    def hide(record):
        record.msg = record.msg.replace("secret", "密")
        return True

    for handler, _ in handlers:
        LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        with perftrace.operation("a", description="密"):
            LOGGER.addFilter(hide)
        with perftrace.operation("b", description="secret"):
            pass
    finally:
        LOGGER.removeFilter(hide)
        LOGGER.setLevel(logging.NOTSET)
        LOGGER.propagate = True
        for handler, _ in handlers:
            LOGGER.removeHandler(handler)
    texts = [raw.getvalue().decode() for _, raw in handlers]
    assert texts[1].count("密") == 4
    assert texts[1] == texts[3]
    assert texts[0] == texts[2] == texts[1].encode("ascii", "backslashreplace").decode()
