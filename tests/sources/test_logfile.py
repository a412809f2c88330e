"""Log files -> records."""

import errno
import gzip
import json
import os
import random
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perftrace import sources
from perftrace.core.record import Record
from perftrace.core.values import NO_ATTRIBUTES
from perftrace.exceptions import SourceError
from perftrace.formats.line import WORDS, encode_checkpoint, encode_done, encode_start, escape
from perftrace.sources.files import MAX_LINE, FileSource
from tests.ids import span_id

CLOCK = "\u23f1\ufe0f  [PERF] "
ID = "button_click_12345_1757421666"
SAMPLE = f"""\
2025-09-09 20:41:06,864 - performance_monitor - INFO - {CLOCK}开始: {ID} - 用户 12345 点击快速修图按钮
2025-09-09 20:41:06,915 - performance_monitor - INFO - {CLOCK}检查点: {ID}.get_user - 获取用户信息 | 已耗时: 0.051s
2025-09-09 20:41:06,946 - performance_monitor - INFO - {CLOCK}检查点: {ID}.check_points - 检查积分 | 已耗时: 0.082s
2025-09-09 20:41:06,967 - performance_monitor - INFO - {CLOCK}检查点: {ID}.set_state - 设置用户状态 | 已耗时: 0.104s
2025-09-09 20:41:06,978 - performance_monitor - INFO - {CLOCK}检查点: {ID}.send_reply - 发送回复消息 | 已耗时: 0.115s
2025-09-09 20:41:06,978 - performance_monitor - INFO - {CLOCK}完成: {ID} - 快速修图按钮处理完成 | 耗时: 0.115s
"""


@pytest.fixture
def read(tmp_path):
    def read(*texts):
        paths = []
        for number, text in enumerate(texts):
            path = tmp_path / f"{number}.log"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            paths.append(str(path))
        source = FileSource(paths)
        return list(source), source

    return read


def lines(*texts):
    return "".join(f"{CLOCK}{text}\n" for text in texts)


def test_the_log_of_a_running_bot(read):
    """Name, key, description, times, checkpoints."""
    (record,), source = read(SAMPLE)
    assert (record.name, record.key, record.operation_id) == ("button_click", "12345", ID)
    assert (record.description, record.done) == ("用户 12345 点击快速修图按钮", "快速修图按钮处理完成")
    assert (record.duration_ns, record.outcome) == (115_000_000, "ok")
    assert [(c.name, c.description, c.elapsed_ns // 10**6) for c in record.checkpoints] == [
        ("get_user", "获取用户信息", 51),
        ("check_points", "检查积分", 82),
        ("set_state", "设置用户状态", 104),
        ("send_reply", "发送回复消息", 115),
    ]
    assert (source.counters.lines, source.counters.used, source.counters.not_understood) == (6, 6, 0)
    assert record.start % 10**9 == 864_000_000


def test_interleaved_runs_among_other_lines_in_both_languages(read):
    """Each line finds its run."""
    records, source = read(
        "hello\n"
        + lines(
            "开始: a_1_1757421666 - x", "start: b_2_1757421667 - y", "检查点: a_1_1757421666.s - s | 已耗时: 0.001s"
        )
        + "[PERF] no sign\n"
        + lines(
            "done: b_2_1757421667 - y | took: 0.020s", "完成: a_1_1757421666 - x | 耗时: 0.010s | 异常: ValueError: no"
        )
    )
    assert [(r.name, r.key, r.outcome, len(r.checkpoints)) for r in records] == [
        ("b", "2", "ok", 0),
        ("a", "1", "error", 1),
    ]
    assert (source.counters.lines, source.counters.used) == (7, 5)


def test_what_never_ended_is_told_with_where_it_stood(read):
    """A restarted id, too."""
    records, source = read(
        lines(
            "开始: a_1757421666 - x",
            "检查点: a_1757421666.s - s | 已耗时: 0.001s",
            "开始: a_1757421666 - again",
            "开始: b_bob_00000000000000ff - x",
            "完成: b_ann_00000000000000fe - x | 耗时: 0.001s | user=ann",
        )
    )
    assert [(r.name, r.key, r.description, [m[0] for m in r.checkpoints]) for r in source.unfinished] == [
        ("a", None, "x", ["s"]),
        ("a", None, "again", []),
        ("b", "bob", "x", []),
    ]
    assert all(r.outcome is None for r in source.unfinished)
    assert [(r.name, r.key, r.key_name, r.start_seen) for r in records] == [("b", "ann", "user", False)]


def test_a_run_may_begin_in_one_file_and_end_in_the_next(read):
    """As rotation cuts it."""
    (record,), _ = read(SAMPLE[: SAMPLE.index("\n") + 1], SAMPLE[SAMPLE.index("\n") + 1 :])
    assert record.start_seen
    assert len(record.checkpoints) == 4


def test_a_line_that_two_handlers_wrote_counts_once(read):
    """An id with 16 hexadecimal digits never starts or ends twice."""
    one = lines("开始: a_00000000000000ff - x"), lines("完成: a_00000000000000ff - x | 耗时: 0.001s")
    records, source = read(one[0] * 2 + one[1] * 2)
    assert len(records) == 1
    assert source.unfinished == []


def test_keys_and_attributes_come_back(read):
    """A key with blanks and controls, an attribute with the key's name."""
    (record,), _ = read(lines("完成: f_a%20b%0A_00000000000000ff - x | 耗时: 0.001s | 慢 | k=a b\\n | k=2 | n=l\\|g"))
    assert (record.name, record.key, record.key_name, record.slow) == ("f", "a b\n", "k", True)
    assert record.attributes == {"k": "2", "n": "l|g"}


def test_an_explicit_id_may_hold_dots_and_dashes(read):
    """What started is known."""
    (record,), source = read(
        lines(
            "开始: v1.2 - x",
            "检查点: v1.2.a.b - s | 已耗时: 0.001s",
            "完成: v1.2 - x | 耗时: 0.002s",
        )
    )
    assert (record.name, [m[0] for m in record.checkpoints]) == ("v1.2", ["a.b"])
    assert source.unfinished == []


def test_cut_lines_are_counted_and_placed(read):
    """With file and line number."""
    cut = f"x\n{CLOCK}完成: a - b | 耗时: 0.1\n"
    _, source = read(cut, lines("oops"))
    assert source.counters.not_understood == 2
    assert [(file[-5:], line) for file, line in source.counters.first_not_understood] == [("0.log", 2), ("1.log", 1)]


def test_wrong_bytes_crlf_and_endless_lines_do_no_harm(read):
    """Lines around them are read."""
    sample = SAMPLE.replace("\n", "\r\n").encode()
    noise = b"\xff\xfe" * 100 + b"\n" + b"x" * (3 * MAX_LINE) + b"\n"
    records, source = read(noise + sample + noise + sample.replace("快".encode(), b"\xff"))
    assert len(records) == 2
    assert source.counters.lines == 16


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"\x00\x01\x02" * 99, "binary"), ("开始".encode("utf-16"), "UTF-16")],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path, content, message):
    """With the path."""
    path = tmp_path / "x.log"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        sources.open(str(path))
    assert "x.log" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_cannot_be_read(tmp_path):
    """Its files can."""
    with pytest.raises(ValueError, match="directory"):
        sources.open(str(tmp_path))


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    """As the system says it; root may read everything, so the system is played."""
    path = tmp_path / "x.log"

    def refuse(name, *args, **kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SourceError, match=r"x\.log: Permission denied"):
        sources.open(str(path))


def test_open_reads_a_source_whole(tmp_path):
    """Records, unfinished, counters."""
    path = tmp_path / "x.log"
    path.write_text(SAMPLE, encoding="utf-8")
    reading = sources.open(str(path))
    assert (len(reading.records), reading.unfinished, reading.counters.used) == (1, [], 6)


def test_gzipped_files_are_read(tmp_path):
    """By their content, whatever their name; several members, too."""
    path = tmp_path / "bot.log.1"
    half = SAMPLE.index("\n") + 1
    path.write_bytes(gzip.compress(SAMPLE[:half].encode()) + gzip.compress(SAMPLE[half:].encode()))
    reading = sources.open(str(path))
    assert (len(reading.records), reading.counters.used) == (1, 6)


def test_a_truncated_gzip_is_read_up_to_there(tmp_path):
    """And told."""
    path = tmp_path / "bot.log.gz"
    path.write_bytes(gzip.compress(SAMPLE.encode() * 1000)[:-20])
    source = FileSource([str(path)])
    assert len(list(source)) > 0
    (error,) = source.errors
    assert "bot.log.gz" in error
    assert "gzip" in error


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"\x1f\x8b\x08" + b"x" * 50])
def test_a_damaged_gzip_is_one_line(tmp_path, content):
    """No traceback."""
    path = tmp_path / "bot.log.gz"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="gzip"):
        sources.open(str(path))


def test_a_gzip_bomb_needs_little_memory(tmp_path):
    """An endless line is cut as it comes."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(200):
            file.write(b"x" * MAX_LINE)
        file.write(b"\n" + SAMPLE.encode())
    tracemalloc.start()
    try:
        reading = sources.open(str(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(reading.records) == 1
    assert peak < 20 * MAX_LINE


@pytest.mark.parametrize("ascii_", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: {"log": line + "\n", "stream": "stderr", "time": "2025-09-09T20:41:06.864Z"},
        lambda line: {"message": line, "level": "info"},
        lambda line: {"attributes": {"body": line}},
    ],
)
def test_lines_wrapped_in_json_by_a_container_runtime(read, wrap, ascii_):
    """Whatever the key that holds them."""
    wrapped = "".join(json.dumps(wrap(line), ensure_ascii=ascii_) + "\n" for line in SAMPLE.splitlines())
    (record,), source = read(wrapped)
    assert (record.operation_id, len(record.checkpoints), source.counters.used) == (ID, 4, 6)
    assert record.start > 0 or "time" not in wrap("")


def test_a_byte_order_mark_and_cri_prefixes_are_prefixes(read):
    """Like any other."""
    cri = "".join(f"2025-09-09T20:41:06.864123456Z stderr F {line}\n" for line in SAMPLE.splitlines())
    (record,), _ = read(b"\xef\xbb\xbf" + cri.encode())
    assert record.key == "12345"


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("2025-09-09T20:41:06.864Z ", 1757450466_864),
        ("2025-09-09T20:41:06.864+08:00 x ", 1757421666_864),
        ("2025-09-09T20:41:06Z ", 1757450466_000),
        ("INFO ", 0),
        ("2025-99-09 20:41:06,864 ", 0),
        ("9 ", 0),
    ],
)
def test_the_time_before_a_line_is_read(read, prefix, expected):
    """With its zone, if it has one."""
    (record,), _ = read(f"{prefix}{CLOCK}开始: a_1757421666 - x\n{CLOCK}完成: a_1757421666 - x | 耗时: 0.001s\n")
    assert record.start == expected * 1_000_000


def test_a_log_in_the_encoding_of_a_chinese_windows_is_read(read):
    """With the clock sign as the escape that such a stream writes."""
    (record,), source = read(SAMPLE.encode("gbk", "backslashreplace"))
    assert (record.description, source.counters.not_understood) == ("用户 12345 点击快速修图按钮", 0)


def test_json_lines_are_told_by_their_content(read):
    """Beside logs, with unfinished records apart."""
    line = '{"v":1,"name":"j","duration_ns":5,"outcome":"ok"}\n'
    records, source = read(line + line.replace('"ok"', "null") + "{oops\n" + line.replace('"v":1', '"v":2'), SAMPLE)
    assert [r.name for r in records] == ["j", "button_click"]
    assert [r.name for r in source.unfinished] == ["j"]
    assert (source.counters.used, source.counters.not_understood) == (8, 2)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["job", "a.b", "on click"]),
            st.none() | texts,
            texts,
            texts,
            st.lists(st.tuples(texts.filter(bool), texts, st.integers(0, 10**10)), max_size=3),
            st.sampled_from(["ok", "error", "cancelled"]),
        ),
        max_size=5,
    ),
    st.sampled_from(["zh", "en"]),
    st.randoms(),
)
@example([("job", None, "", "|", [], "ok"), ("job", None, "", " | 耗时: 1.000s", [], "ok")], "zh", random.Random(1))
def test_whatever_is_written_interleaved_is_read_back(tmp_path_factory, runs, language, shuffle):
    """Names, keys, texts as escaped, checkpoints, outcomes: from shuffled runs."""
    words = WORDS[language]
    lanes, expected = [], {}
    for span, (name, key, description, done, stretches, outcome) in enumerate(runs, 1):
        marks = [(n, d, at // 10**6 * 10**6, NO_ATTRIBUTES) for n, d, at in stretches]
        record = Record(
            name, span_id=span_id(span), key=key, key_name="k", description=description, done=done or None,
            outcome=outcome,
            error="boom" if outcome == "error" else None, checkpoints=marks, duration_ns=10**9,
        )  # fmt: skip
        operation_id = record.operation_id
        lane = [encode_start(words, operation_id, description, name)]
        lane += [encode_checkpoint(words, operation_id, n, d, at) for n, d, at, _ in marks]
        lanes.append([*lane, encode_done(words, record)])
        expected[span_id(span)] = (name, key, outcome, [(n, escape(d or n), at) for n, d, at, _ in marks])
    lines = []
    while any(lanes):
        lines.append(shuffle.choice([lane for lane in lanes if lane]).pop(0))
    path = tmp_path_factory.mktemp("log") / "x.log"
    path.write_text("".join(f"INFO {line}\n" for line in lines), encoding="utf-8", newline="\n")
    source = FileSource([str(path)])
    found = {r.span_id: (r.name, r.key, r.outcome, [m[:3] for m in r.checkpoints]) for r in source}
    assert found == expected
    assert source.counters.used == len(lines)
