"""Which records count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace.analysis.filters import RecordFilter, parse_condition, parse_group, parse_time, value_of
from perftrace.core.record import Record

NOW = 1_800_000_000.0


def test_a_time_is_unix_seconds_iso_or_ago():
    """With a zone or in local time."""
    assert parse_time("1700000000.5") == 1_700_000_000.5
    assert parse_time("1700000000500") == parse_time("1700000000500000") == 1_700_000_000.5
    assert parse_time("2h", NOW) == NOW - 7200
    assert parse_time("1.5d", NOW) == NOW - 129_600
    assert parse_time("2023-11-14T22:13:20+00:00") == 1_700_000_000
    assert parse_time("2023-11-15T06:13:20+08:00") == 1_700_000_000
    assert parse_time("2023-11-14") < parse_time("2023-11-14T12:00")
    for wrong in ("", "now", "2h30", "-5m", "2023-13-01", "1e9", "２h"):
        with pytest.raises(ValueError, match="not a time"):
            parse_time(wrong)


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_a_clear_error(text):
    """And nothing else is raised; the same for conditions and groups."""
    for parse in (parse_time, parse_condition, parse_group):
        told = ""
        try:
            parse(text)
        except ValueError as error:
            told = str(error)
        assert not told or told.startswith(("not a ", "neither a ", "the time range "))


def test_groups_are_ranges_or_conditions():
    """One end of a range may be left out; a value may hold dots."""
    assert parse_group("2h..", NOW) == RecordFilter(since=NOW - 7200)
    assert parse_group("..1h", NOW) == RecordFilter(until=NOW - 3600)
    assert parse_group("2h..1h", NOW) == RecordFilter(since=NOW - 7200, until=NOW - 3600)
    assert parse_group("path=a..b=c", NOW) == RecordFilter(where=(("path", "a..b=c"),))


def test_a_record_must_fulfil_all_conditions():
    """Times by its start, the end of a range excluded."""
    record = Record(
        "a", start=int(NOW * 1e9), key="42", key_name="user", attributes={"n": 3, "ok": True}, outcome="error",
        error_type="E", pid=7, checkpoints=[("x", "", 0, {"n": 9, "m": 1.5}), ("y", "", 0, {"m": 2.5})],
    )  # fmt: skip
    for selection in (
        RecordFilter(),
        RecordFilter("a", NOW, NOW + 1, (("n", "3"), ("ok", "true"), ("m", "2.5"), ("user", "42"), ("key", "42"))),
        RecordFilter(where=(("outcome", "error"), ("error_type", "E"), ("pid", "7"), ("operation", "a"))),
    ):
        assert list(selection.filter([record])) == [record]
    for selection in (
        RecordFilter("b"),
        RecordFilter(since=NOW + 1),
        RecordFilter(until=NOW),
        RecordFilter(where=(("n", "4"),)),
        RecordFilter(where=(("none", "None"),)),
    ):
        assert list(selection.filter([record])) == []
    assert value_of(record, "none") is None
