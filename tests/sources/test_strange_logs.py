"""Logs as others write, wrap, colour, cut and export them: each gives what the plain one gives."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftrace.cli import main
from perftrace.formats.times import time_before
from perftrace.sources.aggregates import RunAggregates
from perftrace.sources.files import FileSource
from perftrace.sources.wrapped_lines import unwrapped

CLOCK = "\u23f1\ufe0f  [PERF] "
ID = "order_7_00000000000000a1"
LINES = [
    f"{CLOCK}start: {ID} - take the order",
    f"{CLOCK}checkpoint: {ID}.load - load | elapsed: 0.300s",
    f"{CLOCK}done: {ID} - taken | took: 1.000s | user=7",
]
TIMES = ["2026-11-26 19:01:00,000", "2026-11-26 19:01:00,300", "2026-11-26 19:01:01,000"]
START = 1_795_719_660 * 10**9


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def read(tmp_path):
    """Give what is read of files, as records and counted alike."""

    def read(*texts):
        paths = []
        for number, text in enumerate(texts):
            paths.append(str(tmp_path / f"{number}.log"))
            (tmp_path / f"{number}.log").write_bytes(text if isinstance(text, bytes) else text.encode())
        source = FileSource(paths)
        records = list(source)
        aggregates = RunAggregates(10)
        counted = FileSource(paths, aggregates)
        kept = [*counted, *(one[2] for one in aggregates.longest)]
        assert [told(record)[:5] for record in kept] == [told(record)[:5] for record in records]
        assert (counted.counters.used, len(counted.unfinished)) == (source.counters.used, len(source.unfinished))
        return records, source

    return read


def told(record):
    marks = [(mark[0], mark[2] // 10**6) for mark in record.checkpoints]
    return record.name, record.key, record.duration_ns // 10**6, marks, record.start_seen, record.start


PLAIN = ("order", "7", 1000, [("load", 300)], True)


def logged(form):
    """Write the lines in a form with `{time}` and `{line}`."""
    return "".join(form.format(time=time, line=line) + "\n" for time, line in zip(TIMES, LINES, strict=True))


def as_json(*keys, time_key="time", times=None):
    """Wrap each line in objects, the outermost key first; a text is JSON itself."""
    found = []
    for time, line in zip(times or TIMES, LINES, strict=True):
        value: Any = line
        for key in reversed(keys):
            value = {key: value} if key != "text" else json.dumps(value)
        found.append({**value, time_key: time})
    return found


FORMS = {
    "plain": "{time} - x - INFO - {line}",
    "bare": "{line}",
    "cr": "{time} - x - INFO - {line}\r",
    "blank": "{time} - x - INFO - {line} ",
    "colour": "\x1b[2m{time} - x - INFO - \x1b[0m[\x1b[32minfo\x1b[0m] \x1b[1m{line}\x1b[0m",
    "colour by rsyslog": "{time} host bot: #033[32m{line}#033[0m",
    "context": "{time} - x - INFO - {line} request_id=r-1 user_agent=x",
    "source": "{time} - x - INFO - {line} [bot.py:42]",
    "source in round ones": "{time} - x - INFO - {line} (handlers/bot.py:42)",
    "rich": "{time} INFO     {line}               bot.py:42",
    "journal": "{time} host python[7]: INFO:performance_monitor:{line}",
    "docker compose": "bot-1  | {time} - x - INFO - {line}",
}


@pytest.mark.parametrize("form", FORMS)
def test_what_others_put_around_a_line_is_no_part_of_it(read, form):
    """Colours, carriage returns, blanks, places in the source, the context of a request."""
    (record,), source = read(logged(FORMS[form]))
    assert told(record)[:5] == PLAIN
    assert record.start == (0 if form == "bare" else START)
    assert (source.counters.not_understood, source.counters.used, source.unfinished) == (0, 3, [])
    assert record.attributes == {}


WRAPPED = {
    "docker": as_json("log"),
    "docker, of a JSON logger": as_json("log", "text", "message"),
    "deep": as_json("a", "b", "c", "d", "message"),
    "cloud": as_json("jsonPayload", "message", time_key="timestamp"),
    "elastic": as_json("_source", "event", "original", time_key="@timestamp"),
    "epoch": as_json("message", time_key="ts", times=[1795719660.0, 1795719660.3, 1795719661.0]),
    "journal": as_json("MESSAGE", time_key="__REALTIME_TIMESTAMP", times=[str((START + n) // 1000) for n in range(3)]),
}


@pytest.mark.parametrize("form", WRAPPED)
@pytest.mark.parametrize(
    "layout", ["lines", "array", "one line", "indented", "behind a prefix", "one text", "not ascii"]
)
def test_json_is_unwrapped_wherever_it_stands(read, form, layout):
    """In a line, in an array, spread over lines, behind a container's prefix, several lines in one text."""
    objects = WRAPPED[form]
    text = {
        "lines": "\n".join(map(json.dumps, objects)),
        "not ascii": "\n".join(json.dumps(one, ensure_ascii=False) for one in objects),
        "array": "[\n" + ",\n".join(map(json.dumps, objects)) + "\n]",
        "one line": json.dumps(objects),
        "indented": json.dumps(objects, indent=2),
        "behind a prefix": "\n".join(f"2026-11-26T19:01:00.5Z stdout F {json.dumps(one)}" for one in objects),
        "one text": json.dumps({"message": "\n".join(LINES) + "\n", "timestamp": "2026-11-26T19:01:00.000Z"}),
    }[layout]
    (record,), source = read(text + "\n")
    assert told(record)[:5] == PLAIN
    assert (source.counters.not_understood, source.counters.used, source.unfinished) == (0, 3, [])
    if layout != "indented":
        assert record.start == START


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "gb18030"])
def test_encodings_of_windows(read, encoding):
    """As PowerShell and a Chinese Windows write them."""
    (record,), _ = read(logged(FORMS["cr"]).encode(encoding))
    assert told(record)[:5] == PLAIN


@pytest.mark.parametrize("cut", [1, 2])
def test_the_order_of_lines_and_files_changes_nothing(read, cut):
    """Exports that run backwards, rotations in the shell's order."""
    whole = logged(FORMS["plain"]).splitlines(keepends=True)
    for order in ([2, 1, 0], [1, 0, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0]):
        (record,), source = read("".join(whole[n] for n in order))
        if order.index(1) < order.index(2) or order.index(2) < order.index(0):
            assert told(record) == (*PLAIN, START)
        assert source.unfinished == []
    (record,), source = read("".join(whole[cut:]), "".join(whole[:cut]))
    assert told(record) == (*PLAIN, START)
    (record,), _ = read("".join(whole[1:]))
    assert told(record) == (*PLAIN[:4], False, 0)


@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_shuffled_files_of_many_runs_give_what_the_log_gives(tmp_path_factory, dice, files):
    """Each file whole and in its own order."""
    folder = tmp_path_factory.mktemp("logs")
    lines = []
    for number in range(12):
        name = f"op{number % 3}_{number:016x}"
        lines += [f"{CLOCK}start: {name} - x", f"{CLOCK}checkpoint: {name}.a - x | elapsed: 0.010s",
                  f"{CLOCK}done: {name} - x | took: 0.0{number + 20}s"]  # fmt: skip
    size = -(-len(lines) // files)
    parts = [lines[at : at + size] for at in range(0, len(lines), size)]
    answers = set()
    for shuffled in (False, True):
        order = list(range(len(parts)))
        if shuffled:
            dice.shuffle(order)
        paths = []
        for at in order:
            paths.append(str(folder / f"{shuffled}{at}.log"))
            text = "\n".join(parts[at] if dice.random() < 0.5 or not shuffled else parts[at][::-1]) + "\n"
            (folder / f"{shuffled}{at}.log").write_text(text, encoding="utf-8")
        source = FileSource(paths)
        answers.add(json.dumps(sorted((r.name, r.duration_ns, r.start_seen, len(r.checkpoints)) for r in source)))
        assert source.unfinished == []
    assert len(answers) == 1


HAND_WRITTEN = ["\u23f1  [PERF] ", "\u23f1\ufe0f [PERF] ", "\u23f1 [PERF] ", CLOCK]


@pytest.mark.parametrize("marker", HAND_WRITTEN)
@pytest.mark.parametrize(
    ("colon", "took", "elapsed"), [(": ", "115ms", "51ms"), ("：", "0.115s", "0.051s"), (": ", "0.1150s", "0.0510s")]
)
def test_lines_of_a_monitor_written_by_hand(read, marker, colon, took, elapsed):
    """Without the sign's variant, one blank, milliseconds, a colon of full width."""
    name = "order_7_1757421666"
    text = f"{marker}开始{colon}{name} - 下单\n{marker}检查点{colon}{name}.load - 读取 | 已耗时{colon}{elapsed}\n"
    (record,), source = read(text + f"{marker}完成{colon}{name} - 完成 | 耗时{colon}{took}\n")
    assert told(record)[:4] == ("order", "7", 115, [("load", 51)])
    assert source.counters.not_understood == 0


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ("2026-11-26 19:01:00,000 - x - INFO - ", "2026-11-26T19:01:00"),
        ("[2026-11-26 19:01:00.250] ", "2026-11-26T19:01:00.25"), ("2026/11/26 19:01:00 ", "2026-11-26T19:01:00"),
        ("2026-11-26T19:01:00.000000001Z stdout F ", "2026-11-26T19:01:00"),
        ("2026-11-26T19:01:00+08:00 ", "2026-11-26T11:01:00"), ("2026-11-26 19:01:00 -0530 ", "2026-11-27T00:31:00"),
        ("Nov 26 19:01:00 host bot[7]: ", "2026-11-26T19:01:00"), ("Dec 31 19:01:00 host ", "2025-12-31T19:01:00"),
        ("<14>1 2026-11-26T19:01:00Z host ", "2026-11-26T19:01:00"),
        ("[11/26/26 19:01:00] INFO ", "2026-11-26T19:01:00"),
        ("11/26/2026, 19:01:00 ", "2026-11-26T19:01:00"), ("[26/Nov/2026:19:01:00 +0000] ", "2026-11-26T19:01:00"),
        ("Thu Nov 26 19:01:00 2026 ", "2026-11-26T19:01:00"), ("Thu, 26 Nov 2026 19:01:00 GMT ", "2026-11-26T19:01:00"),
        ("1795719660.5 ", "2026-11-26T19:01:00.5"), ("[1795719660500] ", "2026-11-26T19:01:00.5"),
        ("INFO:bot: ", None), ("", None), ("10.2.3.4 pid 12345 ", None), ("2026-13-45 99:99:99,000 ", None),
        ("123456789012345678901 ", None),
    ],
)  # fmt: skip
def test_times_in_every_form_that_loggers_write(before, wanted):
    """None where there is none: never 1970."""
    now = datetime(2026, 11, 27, tzinfo=UTC)
    found = time_before(before, now)
    exact = 0 if wanted is None else round(datetime.fromisoformat(wanted + "+00:00").timestamp() * 10**6) * 1000
    assert found == exact + (".000000001Z" in before)


@given(st.text(max_size=80))
def test_any_text_before_a_line_does_no_harm(text):
    """A number of nanoseconds, or none."""
    assert isinstance(time_before(text), int)
    assert isinstance(unwrapped(text + '"[PERF]"'), list)


def test_deep_and_endless_json_is_bounded():
    """Nothing is raised, and it takes no time to speak of."""
    for text in (
        '{"a":' * 5000 + '"[PERF]"',
        "[" * 100_000 + '"[PERF]"',
        '{"[PERF]' * 10_000,
        "{" * 50_000 + " [PERF]",
    ):
        assert unwrapped(text) == []
    value = "x [PERF] y"
    for _ in range(30):
        value = json.dumps({"m": value})[:100_000]
    assert unwrapped(value) in ([], ["x [PERF] y"]) or len(unwrapped(value)) <= 1


def test_a_log_of_json_may_be_gzipped(tmp_path):
    """As ever."""
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, WRAPPED["docker"])).encode()))
    (record,) = FileSource([str(path)])
    assert told(record)[:5] == PLAIN


def test_a_run_whose_lines_are_not_understood_did_not_never_end(read, tmp_path, capsys):
    """It is told apart; the lines stand first, with the reason, and decide the exit status where they are most."""
    cut = [f"{CLOCK}start: a_{n:016x} - x\n{CLOCK}done: a_{n:016x} - x | took: 0.1\n" for n in range(3)]
    open_run = f"{CLOCK}start: b_00000000000000ff - x\n"
    _, source = read("".join(cut) + open_run)
    assert [record.name for record in source.unfinished] == ["b"]
    assert (source.counters.obscured, source.counters.missed_lines) == (3, 3)
    path = tmp_path / "0.log"
    assert main(["report", str(path), "--language", "en"]) == 0  # four were understood
    out = capsys.readouterr().out
    assert out.startswith(f"Not understood:\n  {path}:2: {CLOCK}done: a_0000000000000000 - x | took: 0.1 (no duration")
    assert "3 runs have lines that were not understood" in out
    path.write_text(f"{LINES[2]}\n" + "".join(cut[:1]) + f"{CLOCK}oops\n" * 2, encoding="utf-8")
    assert main(["report", str(path), "--json"]) == 2
    found = capsys.readouterr()
    assert json.loads(found.out)["source"]["first_not_understood"][0]["reason"] == "no_duration"
    assert "3 lines with [PERF] were not understood, more than were (2)" in found.err
    path.write_text("[PERF] start: a - x\n", encoding="utf-8")
    assert main(["report", str(path), "--language", "en"]) == 2
    assert "before [PERF] stands no clock sign" in capsys.readouterr().err


def test_a_longer_name_is_no_key_of_a_shorter_one(read):
    """The finish line says that there is none; what never ended has what its siblings have."""
    lines = [f"{CLOCK}done: photo_7_00000000000000a1 - x | took: 0.010s | user=7",
             f"{CLOCK}done: photo_message_00000000000000a2 - x | took: 0.010s",
             f"{CLOCK}start: photo_ann_00000000000000a3 - x"]  # fmt: skip
    for order in (lines, lines[::-1]):
        records, source = read("\n".join(order) + "\n")
        assert {(record.name, record.key) for record in records} == {("photo", "7"), ("photo_message", None)}
        assert [(record.name, record.key) for record in source.unfinished] == [("photo", "ann")]


def test_additions_that_look_like_durations_and_checkpoints_with_additions(read):
    """The duration stands once; a checkpoint may have more behind it; what is absurd is one line not understood."""
    name = "order_00000000000000a1"
    lines = [f"{CLOCK}start: {name} - x", f"{CLOCK}checkpoint: {name}.load - x | elapsed: 0.300s | bytes=7",
             f"{CLOCK}done: {name} - x | took: 1.000s | colour=a \\| b \\| 耗时: 9.999s"]  # fmt: skip
    (record,), source = read("\n".join(lines) + "\n")
    assert (record.duration_ns, record.attributes) == (10**9, {"colour": "a | b | 耗时: 9.999s"})
    assert [mark.elapsed_ns for mark in record.checkpoints] == [300_000_000]
    for absurd in (f"took: {'9' * 400}.000s", "took: 1.000s | sampled_1_in=1e308"):
        records, source = read(f"{CLOCK}done: {name} - x | {absurd}\n")
        assert source.counters.not_understood + len(records) == 1


@pytest.mark.parametrize("weight", ["1e+308", "1e+101"])
def test_an_absurd_weight_is_one_damaged_line(read, tmp_path, capsys, weight):
    """Of a log and of JSON lines; the rest is read."""
    good = f"{CLOCK}done: b_1_00000000000000a2 - x | took: 1.000s"
    records, source = read(f"{CLOCK}done: a_1_00000000000000a1 - x | took: 1.000s | sampled_1_in={weight}\n{good}\n")
    assert ([record.name for record in records], source.counters.not_understood) == (["b"], 1)
    fields = {"v": 1, "trace_id": "a" * 32, "span_id": "b" * 16, "operation_id": "a", "name": "a", "duration_ns": 1}
    path = tmp_path / "a.jsonl"
    damaged = json.dumps({**fields, "outcome": "ok", "weight": float(weight)})
    path.write_text(f"{damaged}\n{json.dumps({**fields, 'outcome': 'ok'})}\n", encoding="utf-8")
    assert main(["report", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"]["not_understood"] == 1


def test_runs_without_a_time_are_told_and_never_of_1970(tmp_path, capsys):
    """By whatever asks for times; the others are looked at."""
    path = tmp_path / "a.log"
    timed = logged(FORMS["plain"])
    path.write_text(timed + timed.replace("00a1", "00a2").replace("2026-11-26 19:01:0", "x"), encoding="utf-8")
    for command in (["trend"], ["report", "--since", "2026-01-01"]):
        main([command[0], str(path), *command[1:]])
        found = capsys.readouterr()
        assert "1 of 2 runs has no time" in found.err, command
        assert "1970" not in found.out
    main(["compare", "2025-01-01..2026-01-01", "2026-01-01..", "--in", str(path)])
    assert "1 of 2 runs has no time" in capsys.readouterr().err
    assert main(["report", str(path)]) == 0
    assert "no time: their" not in capsys.readouterr().err
    for command in (["report"], ["slowest"], ["advise"], ["why", "order"], ["export", "--to", "jsonl"]):
        assert main([*command, str(path), "--until", "1971-01-01"]) == 1, command
        assert "1 of 2 runs has no time" in capsys.readouterr().err


def test_json_that_is_not_one_object_a_line(tmp_path):
    """Several on one line, and an array of texts over several lines."""
    name = "photo_alice_00000000000000a1"
    lines = [f"{CLOCK}start: {name} - x", f"{CLOCK}checkpoint: {name}.load - x | elapsed: 0.300s",
             f"{CLOCK}done: {name} - x | took: 1.000s | user=alice"]  # fmt: skip
    side_by_side = "".join(json.dumps({"log": line}) for line in lines)
    for is_ascii in (True, False):
        spread = json.dumps({"time": 1757450466, "lines": lines}, indent=2, ensure_ascii=is_ascii)
        path = tmp_path / "bot.log"
        for text in (side_by_side, spread, json.dumps(lines, indent=1, ensure_ascii=is_ascii)):
            path.write_text(text, encoding="utf-8")
            source = FileSource([str(path)])
            (record,) = source
            assert (record.name, record.key, record.duration_ns) == ("photo", "alice", 10**9)
            assert [(mark.name, mark.elapsed_ns) for mark in record.checkpoints] == [("load", 300_000_000)]
            assert (source.counters.used, source.counters.not_understood, source.unfinished) == (3, 0, [])
