"""Reports as text."""

import pytest
from rich.cells import cell_len

from perftrace.analysis import reports as analysis
from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES
from perftrace.sources.base import ReadCounters, Reading
from perftrace.views.console import plain_text
from perftrace.views.report import report_view
from perftrace.views.text import MAX_NAME, duration, shorten


def report(records, unfinished=(), **options):
    return analysis.report(Reading(records, unfinished), **options)


MS = 1_000_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0, "0ms"), (0.0004, "0.4ms"), (0.0094, "9.4ms"), (0.051, "51ms"), (0.99949, "999ms"),
        (0.9996, "1.00s"), (59.99, "59.99s"), (59.999, "1m00s"), (185, "3m05s"), (3599.6, "1h00m"), (7620, "2h07m"),
    ],
)  # fmt: skip
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    """Without a jump where units meet."""
    assert duration(seconds) == text


@pytest.mark.parametrize("text", ["x" * 500, "操" * 500, "短", "a\nb\x1b[31m"])
def test_a_name_fits_into_the_table(text):
    """Its end is left out where it is too wide, and it cannot steer the terminal."""
    short = shorten(text)
    assert cell_len(short) <= MAX_NAME
    assert short.isprintable()
    assert short[0] == text[0]


def test_the_whole_report():
    """What to fix first, the table, the slowest, what never ended, what was read."""
    marks = [("get_user", "", 51 * MS, NO_ATTRIBUTES)]
    done = Record("click", given_id="click_1", duration_ns=115 * MS, checkpoints=marks, outcome="error")
    hanging = [Record("click", given_id=f"click_{n}", outcome=None, checkpoints=marks[: n % 2]) for n in range(2, 15)]
    text = plain_text(report_view(report([done], hanging), ReadCounters(20, 17, 1, [("a.log", 3)]), "en"))
    assert (
        text
        == """\
Not understood:
  a.log:3

Fix first: (end) in click (55.7% of its time, 64ms in all)

operation   count  failed  cancelled  open  total  self  running    p50    p95    p99    max  share
click           1       1          0    13  115ms     -        -  115ms  115ms  115ms  115ms      -
  get_user      1                            51ms                  51ms   51ms                44.3%
  (end)         1                            64ms                  64ms   64ms                55.7%  ◀ bottleneck
-: a plain log does not say what called what, so no time of their own is known.

Failures by type:
  click: error 1

Slowest runs:
operation id   took  outcome  longest segment
click_1       115ms  error    (end)

Never ended: 13
  click_2  no checkpoint yet
  click_3  stood at get_user
  click_4  no checkpoint yet
  click_5  stood at get_user
  click_6  no checkpoint yet
  click_7  stood at get_user
  click_8  no checkpoint yet
  click_9  stood at get_user
  click_10  no checkpoint yet
  click_11  stood at get_user
  ... and 3 more

20 lines read, 17 used, 1 not understood.
"""
    )
