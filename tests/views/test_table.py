"""Tables in a window and in a pipe."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from perftrace.analysis import reports as analysis
from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES
from perftrace.sources.base import ReadCounters, Reading
from perftrace.views.console import Styled, TextView, plain_text, write
from perftrace.views.report import MAX_ROWS, report_view
from perftrace.views.table import NAME, NUMBER, Column, Table
from perftrace.views.text import shorten, squeeze
from tests.ids import span_id, trace_id

MS = 1_000_000


def record(name, number=0, outcome="ok"):
    marks = [("下载图片", "", 40 * MS, NO_ATTRIBUTES), ("query", "", 90 * MS, NO_ATTRIBUTES)]
    ids = {"trace_id": trace_id(number + 1), "span_id": span_id(1)}
    return Record(name, given_id=f"{name}_{number}", duration_ns=115 * MS, checkpoints=marks, outcome=outcome, **ids)


def view(*names, language="en"):
    records = [record(name, n, "error" if n == 1 else "ok") for n, name in enumerate(names)]
    return report_view(analysis.report(Reading(records)), ReadCounters(9, 9), language)


def test_columns_line_up_whatever_the_characters():
    """The last column begins at the same place in each line."""
    rows = [("a", "1", "end"), ("按钮", "123", "end"), ("e\u0301", "2", "◀"), ("b", "2")]
    text = plain_text(Table(("操作", "次数", "x"), (NAME, NUMBER, NAME), rows, "zh"))
    assert text == "操作  次数  x\na        1  end\n按钮   123  end\ne\u0301        2  ◀\nb        2\n"


@given(
    st.lists(st.lists(st.text("ab 按é◀-_.", max_size=12).map(str.strip), min_size=3, max_size=3), max_size=5),
    st.lists(st.sampled_from(["", "操作", "count"]), min_size=3, max_size=3),
)
def test_a_pipe_gets_what_a_wide_terminal_shows(rows, titles):
    """Though rich draws the one and not the other."""
    found = TextView(["first", "", Table(titles, (NAME, NUMBER, NAME), rows, "en"), Styled("last", "bold")])
    assert plain_text(found) == plain_text(found, width=10_000)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    "names", [("click",), ("处理用户上传的图片并生成缩略图" * 3, "get_user_by_id_from_database" * 3)]
)
@pytest.mark.parametrize("window", [60, 80, 100, 200])
def test_a_report_fits_the_window(language, names, window):
    """Straight: the columns begin where their titles do, and what is left out is named."""
    text = plain_text(view(*names, language=language), width=window)
    assert max(map(cell_len, text.split("\n"))) <= window
    table = [line for line in text.split("\n\n")[1].split("\n") if "%" in line]
    assert len(table) == 4 * len(names)
    # The share is the last column of numbers.
    assert len({cell_len(line[: line.index("%")]) for line in table}) == 1
    whole = plain_text(view(*names, language=language)).split("\n\n")[1].split("\n")[0].split()
    head = text.split("\n\n")[1].replace("\n", "")
    assert all(title in head for title in whole)


@pytest.mark.parametrize("window", [60, 100, None])
def test_names_are_whole(window):
    """In a window they go on in the next line: two of them may differ at their end alone, or in their middle."""
    names = [f"bot.handlers.{part}.confirm_generation_of_picture.{part}" for part in ("callback", "message")]
    text = plain_text(view(*names), width=window)
    table, slowest = text.split("\n\n")[1], text.split("\n\n")[3]
    for number, name in enumerate(names):
        assert name in joined(table)
        assert f"{name}_{number}" in joined(slowest)


def joined(text):
    """Put the first column of a table together again."""
    return "".join(line.partition("  ")[0].strip() for line in text.split("\n"))


def test_small_segments_of_many_share_a_row():
    """In the text: what takes less than a hundredth, where there are more than ten."""
    for steps in (9, 30):
        marks = [(f"step{n}", "", n * MS // 10, NO_ATTRIBUTES) for n in range(1, steps)] + [("long", "", 900 * MS, {})]
        ids = {"trace_id": trace_id(1), "span_id": span_id(1)}
        found = analysis.report(Reading([Record("click", duration_ns=1000 * MS, checkpoints=marks, **ids)]))
        text = plain_text(report_view(found, ReadCounters(9, 9), "en"))
        rows = [line.split("  ")[1] for line in text.split("\n\n")[1].split("\n")[2:]]
        if steps == 9:
            assert rows == [*(f"step{n}" for n in range(1, 9)), "long", "(end)"]
        else:
            assert rows == ["long", "(29 segments below 1%)", "(end)"]
            assert [line.split()[-2:] for line in text.split("\n") if "29 segments" in line] == [["2.9ms", "0.3%"]]
        assert len(found.operations[0].segments) == steps + 1


def test_a_wide_window_and_a_pipe_show_all():
    """Whatever `COLUMNS` says of a pipe."""
    text = plain_text(view("click"))
    assert "running" in text
    assert "too narrow" not in text
    assert plain_text(view("click"), width=150) == text


@pytest.mark.parametrize("columns", ["20", "500"])
def test_a_pipe_is_always_the_same(monkeypatch, capsys, columns):
    """No colour, no blanks at the ends of lines, and no width of a window that is not there."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    write(view("click"))
    text = capsys.readouterr().out
    assert text == plain_text(view("click"))
    assert "\x1b" not in text
    assert " \n" not in text


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colour_is_for_terminals_and_not_wanted_by_all(monkeypatch, no_color):
    """`NO_COLOR` leaves the text."""
    monkeypatch.setenv("NO_COLOR", no_color)
    if not no_color:
        monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm-256color")
    file = io.StringIO()
    Console(file=file, force_terminal=True, width=100, highlight=False, color_system="standard").print(
        view("click", "other")
    )
    assert ("\x1b[33m" in file.getvalue() or "\x1b[1;33m" in file.getvalue()) is (not no_color)
    assert "◀" in file.getvalue()


def test_names_are_text_and_no_markup():
    """Neither styles nor emoji nor escapes."""
    text = plain_text(view("[red]x[/red] :smile: \x1b[31m"))
    assert "[red]x[/red] :smile: \\x1b[31m" in text


def test_many_operations_are_cut_and_counted():
    """The rest is a number."""
    text = plain_text(view(*(f"op{n}" for n in range(400))))
    assert sum(line.startswith("op") for line in text.split("\n\n")[1].split("\n")) - 1 == MAX_ROWS // 4
    assert f"... and {400 - MAX_ROWS // 4} more" in text


@given(st.text(), st.integers(min_value=3, max_value=80))
def test_a_short_name_has_no_more_columns_than_it_may(text, columns):
    """And cannot steer the terminal."""
    assert cell_len(shorten(text, columns)) <= columns
    assert not any(character < " " for character in shorten(text, columns))


@given(st.text("▁▂▃▄▅▆▇█ ─┊", max_size=60), st.integers(min_value=1, max_value=60))
def test_squeezed_bars_keep_their_heaviest(bars, columns):
    """The highest bar is never lost."""
    short = squeeze(bars, columns)
    assert len(short) == min(len(bars), columns)
    assert max(short, default="") == max(bars, default="")


@given(
    st.lists(st.lists(st.text(max_size=20), min_size=3, max_size=3), max_size=5), st.integers(min_value=1, max_value=80)
)
def test_any_text_fits_any_window(rows, window):
    """A window of a few columns cuts; it does not break the table."""
    columns = (NAME, Column(dropped=1), Column(is_left=True, least=3))
    text = plain_text(Table(("a", "b", "c"), columns, rows, "en"), width=window)
    assert max(map(cell_len, text.split("\n"))) <= max(window, 27)
