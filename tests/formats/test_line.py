"""The log line, byte for byte, written and read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perftrace.core.record import Record
from perftrace.formats.line import (
    MARKER,
    WORDS,
    Identity,
    Line,
    clean,
    encode_checkpoint,
    encode_done,
    encode_start,
    escape,
    nanoseconds,
    parse,
    parse_plain,
    split_body,
    split_checkpoint,
    split_id,
    why_not,
)
from tests.ids import span_id

ZH, EN = WORDS["zh"], WORDS["en"]
ID = "button_click_12345_1757421666"


def test_the_three_lines_in_chinese_byte_for_byte():
    """The format of the running bots."""
    start = encode_start(ZH, ID, "用户 12345 点击快速修图按钮", "button_click")
    reached = encode_checkpoint(ZH, ID, "get_user", "获取用户信息", 51_000_000)
    done = encode_done(ZH, Record("button_click", given_id=ID, done="快速修图按钮处理完成", duration_ns=115_000_000))
    assert start == "\u23f1\ufe0f  [PERF] 开始: button_click_12345_1757421666 - 用户 12345 点击快速修图按钮"
    assert reached == (
        "\u23f1\ufe0f  [PERF] 检查点: button_click_12345_1757421666.get_user - 获取用户信息 | 已耗时: 0.051s"
    )
    assert done == "\u23f1\ufe0f  [PERF] 完成: button_click_12345_1757421666 - 快速修图按钮处理完成 | 耗时: 0.115s"


def test_the_lines_in_english_with_all_that_may_follow_the_duration():
    """Outcome, slowness, the key, attributes: in this order."""
    record = Record(
        "job", span_id=span_id(0xAB), key="7", key_name="user", duration_ns=2_000_400_000, outcome="error", slow=True,
        error_type="ValueError", error="a | b", attributes={"size": "l|g", "n": 3},
    )  # fmt: skip
    assert encode_start(EN, record.operation_id, "", "job") == "⏱️  [PERF] start: job_7_00000000000000ab - job"
    assert encode_done(EN, record) == (
        "⏱️  [PERF] done: job_7_00000000000000ab - job | took: 2.000s | error: ValueError: a \\| b | slow"
        " | user=7 | size=l\\|g | n=3"
    )
    assert parse(encode_done(EN, record)) == Line(
        "done", "job_7_00000000000000ab - job", 2_000_000_000, "error", "ValueError", "a | b", True,
        (("user", "7"), ("size", "l|g"), ("n", "3")),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "word"), [("cancelled", "已取消"), ("closed", "已关闭"), ("abandoned", "已放弃"), ("error", "异常: x")]
)
def test_each_outcome_has_its_word(outcome, word):
    """And is read back."""
    record = Record("a", span_id=span_id(1), outcome=outcome, error="x" if outcome == "error" else None)
    line = encode_done(ZH, record)
    assert line.endswith(f"s | {word}")
    assert parse(line).outcome == outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\r\x1b[0m\t", "a\\nb\\r\\x1b[0m\\t"),
        ("\u2028\u202e\u2066\x85\x00", "\\u2028\\u202e\\u2066\\x85\\x00"),
        ("C:\\new\\table", "C:\\new\\table"),
        ("\ud800 é 用\u3000户", "\\ud800 é 用\u3000户"),
    ],
)
def test_what_would_break_or_disguise_a_line_is_escaped(text, expected):
    """All else stays readable."""
    assert escape(text) == expected


@pytest.mark.parametrize("prefix", ["", "2025-09-09 20:41:06,864 - performance_monitor - INFO - ", "INFO:x:", "| "])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("words", [ZH, EN])
def test_any_prefix_and_any_line_end_is_read(prefix, end, words):
    """Whatever the application's formatter puts before the line."""
    line = prefix + encode_checkpoint(words, ID, "a", "b", 1_500_000_000) + end
    assert parse(line) == Line("checkpoint", f"{ID}.a - b", 1_500_000_000)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk"])
def test_the_form_that_a_narrow_stream_writes_is_read_back(encoding):
    """The clock sign's escape included; what was escaped before it was written stays so."""
    line = encode_done(ZH, Record("a", span_id=span_id(1), done="完成 é\n", duration_ns=5_000_000))
    narrow = line.encode(encoding, "backslashreplace").decode(encoding)
    assert narrow != line
    assert parse(narrow) == parse(line)


@pytest.mark.parametrize(
    "line",
    [
        "⏱️  [PERF] 完成: a - b | 耗时: 0.11",
        "⏱️  [PERF] 完成: a - b",
        "⏱️  [PERF] 完成: a - b | 耗时: 0.115s | 耗",
        "⏱️  [PERF] 检查点: a.b - c | 已耗时: 0.1",
        "⏱️  [PERF] 开始: a",
        "⏱️  [PERF] hello: a - b",
        "⏱️  [PERF] ",
    ],
)
def test_a_cut_or_foreign_line_with_the_marker_is_no_event(line):
    """It is ours by its sign, and not understood."""
    assert parse(line) is None
    assert why_not(line) is not None


def test_an_application_line_is_not_ours():
    """Even one that talks of performance."""
    assert why_not("INFO [PERF] all good") is None
    assert parse("INFO [PERF] all good") is None


def test_words_of_the_format_inside_a_text_do_not_mislead():
    """The duration is the first one after which only additions follow."""
    text = "x | 耗时: 9.000s - y | 已取消 | took: 1.000s"
    line = encode_done(ZH, Record("a", span_id=span_id(1), done=text, duration_ns=7_000_000, key="k", key_name="u"))
    parsed = parse(line)
    assert (parsed.duration_ns, parsed.fields) == (7_000_000, (("u", "k"),))
    assert split_body(parsed.body) == ("a_k_0000000000000001", text)


@pytest.mark.parametrize(
    ("body", "started", "expected"),
    [
        ("job_1.step - text", {"job_1"}, ("job_1", "step", "text")),
        ("a.b.c - text - more", {"a", "a.b"}, ("a.b", "c", "text - more")),
        ("a.b.c.d - x", {"a.b"}, ("a.b", "c.d", "x")),
        ("mod.Bot.on_00f067aa0ba902b7.v1.5 - x", set(), ("mod.Bot.on_00f067aa0ba902b7", "v1.5", "x")),
        ("a.b.c - x", set(), ("a.b", "c", "x")),
        ("a.get%20user - x", set(), ("a", "get user", "x")),
        ("nodot - x", set(), ("nodot", "", "x")),
        ("job.1." + "." * 4096 + " - x", {"job.1"}, ("job.1", "." * 4096, "x")),
        ("_0123456789abcdef. b.c - x", set(), ("_0123456789abcdef. b", "c", "x")),
        ("a b_0123456789abcdef.c.d - x", set(), ("a b_0123456789abcdef", "c.d", "x")),
    ],
)
def test_a_checkpoint_belongs_to_the_longest_known_id(body, started, expected):
    """Then to the id that 16 hexadecimal digits end, then to all before the last dot."""
    assert split_checkpoint(body, started) == expected


@pytest.mark.parametrize(
    ("operation_id", "key", "names", "expected"),
    [
        (ID, None, (), Identity("button_click", "12345", 0)),
        ("button_click_12345_1757421666864", None, (), Identity("button_click", "12345", 0)),
        ("button_click_00f067aa0ba902b7", None, (), Identity("button_click", None, 0x00F067AA0BA902B7)),
        ("get_user_2_00000000000000ff", "", (), Identity("get_user", "2", 255)),
        ("upload_al_ice_00000000000000ff", "al_ice", (), Identity("upload", "al_ice", 255)),
        ("upload_a%20b_00000000000000ff", "a b", (), Identity("upload", "a b", 255)),
        ("upload_bob_00000000000000ff", None, {"upload"}, Identity("upload", "bob", 255)),
        ("job_7", None, (), Identity("job", "7", 0)),
        (f"a_{'_' * 4096}_00000000000000ff", None, {"a"}, Identity("a", "_" * 4096, 255)),
        (f"a%20b_{'_' * 4096}_00000000000000ff", "_" * 4096, (), Identity("a b", "_" * 4096, 255)),
        ("a%20b_%2520_00000000000000ff", "%20", (), Identity("a b", "%20", 255)),
        ("100%25", None, (), Identity("100%25", None, 0)),
        ("1757421666", None, (), Identity("1757421666", None, 0)),
        ("Bot.on%20click_00000000000000ff", None, (), Identity("Bot.on click", None, 255)),
    ],
)
def test_an_id_is_split_by_what_is_known_and_then_by_guess(operation_id, key, names, expected):
    """The key that a finish line names, names known from such lines, then the shape of the id."""
    assert split_id(operation_id, key, names) == expected


texts = st.text(st.characters(), max_size=30)


@given(texts, texts, texts, texts, st.integers(0, 10**15), st.sampled_from(["ok", "error", "cancelled", "closed"]))
@example("a", "k", "x | 耗时: 1.000s", " | y=1", 0, "error")
def test_every_record_is_one_line_and_its_numbers_come_back(name, key, text, value, duration, outcome):
    """Whatever the texts hold."""
    record = Record(
        name or "x", span_id=span_id(5), key=key, key_name="k", done=text, duration_ns=duration, outcome=outcome,
        error_type="ValueError" if outcome == "error" else None, error=value, attributes={text: value},
    )  # fmt: skip
    line = encode_done(ZH, record)
    assert len(line.splitlines()) == 1
    line.encode()
    parsed = parse(line)
    assert (parsed.outcome, parsed.fields[0]) == (outcome, ("k", escape(key)))
    assert parsed.duration_ns == round(duration / 1e6) * 1_000_000 or abs(parsed.duration_ns - duration) <= 500_000
    assert split_body(parsed.body)[0] == escape(record.operation_id)


@pytest.mark.parametrize("weight", [20.0, 1 / 0.3, 1e6, 1e20])
@pytest.mark.parametrize("key", [None, "7"])
def test_the_weight_of_a_sampled_run_comes_back(weight, key):
    """It is no attribute."""
    line = encode_done(
        ZH, Record("a", span_id=span_id(1), key=key, key_name="k", weight=weight, attributes={"size": 1})
    )
    parsed = parse(line)
    assert parsed.weight == weight
    assert ("sampled_1_in", str(weight)) not in parsed.fields
    assert parse_plain(line) is None
    assert parse_plain(encode_done(ZH, Record("a", span_id=span_id(1), weight=weight))) is None


pieces = st.sampled_from(
    [
        "a",
        "b_1",
        "job_00000000000000ff",
        ".",
        "|",
        "%",
        "%20",
        "=",
        "\\",
        "已取消",
        "慢",
        "k=v",
        "用户",
        "{",
        "done",
        "检查点",
        " - ",
        " | ",
        " ",
        "\r",
        "已耗时: 0.001s",
        "took: 1.000s",
        "耗时: 2.500s",
        "异常: X: y",
    ]
)
tails = st.sampled_from(
    ["", *(f" | {t}" for t in ("已耗时: 0.051s", "elapsed: 12.000s", "耗时: 0.115s", "took: 1.250s | k=v"))]
)


@given(
    st.sampled_from(["", "INFO ", "2025-09-09 20:41:06,864 - x - INFO - "]),
    st.sampled_from([w for words in (ZH, EN) for w in (words.start, words.checkpoint, words.done)]),
    st.lists(pieces, max_size=8).map("".join),
    tails,
)
def test_the_quick_reading_says_what_the_general_one_says(prefix, word, body, tail):
    """Wherever it says anything."""
    line = f"{prefix}\u23f1\ufe0f  [PERF] {word}: {body}{tail}"
    plain = parse_plain(line)
    if plain is None:
        return
    general = parse(line)
    if general.kind == "start":
        operation_id, text = split_body(general.body)
        assert (plain[0], clean(plain[1])) == (operation_id, text.rstrip())
    elif general.kind == "checkpoint":
        assert plain[:3] == split_checkpoint(general.body, {plain[0]})
        assert nanoseconds(plain[3]) == general.duration_ns
    else:
        assert plain[:2] == split_body(general.body)
        assert nanoseconds(plain[2]) == general.duration_ns
        assert general.fields == (() if plain[3] is None else (plain[3:],))
        assert (general.outcome, general.slow) == ("ok", False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[PERF] start: a - x", "no_sign"), ("[PERF] 完成：a - x | 耗时: 1.000s", "no_sign"),
        (f"{MARKER}oops", "unknown_word"), (f"{MARKER}begin: a - x", "unknown_word"), (f"{MARKER}start: a", "no_text"),
        (f"{MARKER}done: a - x | took: 1.0", "no_duration"), (f"{MARKER}checkpoint: a.b - x", "no_duration"),
        (f"{MARKER}done: a - x | took: {'9' * 400}s", "no_duration"),
        (f"{MARKER}done: a - x | took: 1.000s | nonsense", "odd_addition"), ("[PERF] all good", None),
    ],
)  # fmt: skip
def test_why_a_line_is_not_understood(text, reason):
    """And whether it looks like one of ours at all."""
    assert parse(text) is None
    assert why_not(text) == reason
