"""A trace drawn as text."""

from perftrace.analysis.trace import whole
from perftrace.analysis.trees import Forest
from perftrace.views.console import plain_text
from perftrace.views.waterfall import waterfall_view
from tests.analysis.test_critical_path import run


def draw(*records, language="en"):
    (root,) = Forest(records).roots
    return plain_text(waterfall_view(whole(root), language))


def test_bars_are_heavy_where_the_end_waited_for_them_and_cut_at_checkpoints():
    """Columns by time; children below their parents; the path by what takes longest; gaps."""
    text = draw(
        run("buy", 1, 0, 480, checkpoints=[("a", 240)]),
        run("fetch", 2, 100, 300, 1),
        run("other", 3, 100, 200, 1),
        run("late", 4, 400, 600, 1, outcome="error"),
    )
    assert text == (
        "Trace 00000000000000000000000000000001, 480ms, 4 runs\n"
        "\n"
        "buy      480ms  |██████████──────────────┊─────██████████████████\n"
        "  other  100ms  |          ──────────\n"
        "  fetch  200ms  |          ████████████████████\n"
        "  late   200ms  |                                        ────────  error  (nobody waits for it)\n"
        "\n"
        "Critical path:\n"
        "     200ms  41.7%  fetch.(end)\n"
        "     180ms  37.5%  buy.(end)\n"
        "     100ms  20.8%  buy.a\n"
        "\n"
        "Own time between children:\n"
        "     100ms    +0ms\n"
        "     180ms  +300ms\n"
    )


def test_a_run_without_time_and_names_that_are_hostile():
    """A bar of one column; controls are escapes; more runs than a screen are a number."""
    assert "|█\n" in draw(run("a", 1, 0, 0)).replace("─", "█")
    assert "\x1b" not in draw(run("\x1b[31mred", 1, 0, 5, checkpoints=[("\x1b[2J", 1)]))
    many = draw(run("a", 1, 0, 1000), *(run("b", n, n, n + 1, 1) for n in range(2, 302)), language="zh")
    assert "……另有 101 个" in many
