"""Logs counted block by block, and in parts on all cores: the same answer as line by line."""

import dataclasses
import json
import multiprocessing
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftrace.analysis.reports import SLOWEST, report
from perftrace.sources import parallel
from perftrace.sources.aggregates import RunAggregates
from perftrace.sources.files import FileSource
from tests.conftest import TIMEOUT, examples

MARK = "2025-09-09 20:41:06,864 - performance_monitor - INFO - ⏱️  [PERF] "
IDS = [f"click_{n}_{n:016x}" for n in range(1, 4)] + [
    "api.call_00000000000000aa",
    "照片_5_00000000000000bb",
    "下单_用户_00000000000000cc",
    "api_用户_00000000000000dd",
    "own_1_1757421666",
]
LINES = [
    "another application's line",
    "{a brace first}",
    '{"log": "' + MARK + '开始: click_1_0000000000000001 - x"}',
    MARK + "not of the usual form",
    MARK + "开始: odd",
    "⏱️ [PERF] 开始: click_1_0000000000000001 - no marker",
]


@st.composite
def lines(draw):
    """Give a log: usual lines of runs that interleave, lack some of theirs or have them twice, and others between."""
    found = []
    for _ in range(draw(st.integers(1, 40))):
        operation_id = draw(st.sampled_from(IDS))
        seconds = f"{draw(st.integers(0, 2000)) / 1000:.3f}s"
        kind = draw(
            st.sampled_from(
                ["start", "start", "mark", "mark", "mark", "done", "done", "slow", "failed", "weighed", "other"]
            )
        )
        if kind == "start":
            found.append(
                draw(st.sampled_from([f"{MARK}开始: {operation_id} - 点击", f"{MARK}start: {operation_id} - x\r"]))
            )
        elif kind == "mark":
            name = draw(st.sampled_from(["get_user", "check", "下载"]))
            found.append(f"{MARK}检查点: {operation_id}.{name} - {name} | 已耗时: {seconds}")
        elif kind == "other":
            found.append(draw(st.sampled_from(LINES)))
        else:
            user = operation_id.split("_")[1]
            field = draw(
                st.sampled_from(
                    [f" | user_id={user}", f" | user_id={user} | a=b", " | size=large | b=", " | size=大", ""]
                )
            )
            end = {
                "slow": draw(st.sampled_from([" | 慢", " | slow"])),
                "failed": " | 异常: ValueError: no",
                "weighed": " | sampled_1_in=4.0",
            }.get(kind, "")
            found.append(f"{MARK}完成: {operation_id} - 处理完成 | 耗时: {seconds}{end}{field}")
    return "\n".join(found) + draw(st.sampled_from(["\n", ""]))


@st.composite
def orderly(draw):
    """Give a log as bots write it: of each run a start, perhaps lost, checkpoints, perhaps an end; interleaved."""
    pending = []
    for number in range(draw(st.integers(1, 8))):
        operation_id = draw(st.sampled_from(["click", "api.call", "照片", "my%20job"])) + f"_{number}_{number + 1:016x}"
        run = [f"{MARK}开始: {operation_id} - 点击"] * draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
        for at in range(draw(st.integers(0, 4))):
            name = draw(st.sampled_from(["get_user", "下载"]))
            text = draw(st.sampled_from(["x", "x", "a | b", "x | 已耗时: 1.000s"]))
            run.append(f"{MARK}检查点: {operation_id}.{name} - {text} | 已耗时: 0.0{at}0s")
        end = draw(st.sampled_from([None, "", " | 异常: ValueError: no", f" | user_id={number}"]))
        done = draw(st.sampled_from(["处理完成", "处理完成", "a | b", "x | 耗时: 1.000s | a=b"]))
        if end is not None:
            run += [f"{MARK}完成: {operation_id} - {done} | 耗时: 0.{number}50s{end}"] * draw(
                st.sampled_from([1, 1, 2])
            )
        pending.append(run)
    found = []
    while pending := [run for run in pending if run]:
        found.append(draw(st.sampled_from(pending)).pop(0))
        if not draw(st.integers(0, 5)):
            found.append(draw(st.sampled_from(LINES)))
    return "\n".join(found) + "\n"


def wrapped(text, number, is_ascii):
    """Wrap each line as a container's runtime does, which keeps its end, or a shipper, with more beside it."""
    forms = (
        lambda line: {"log": line + "\n", "stream": "stderr", "time": "2025-09-09T20:41:06Z"},
        lambda line: {"message": line, "tags": ["a", 1], "log": {"level": "info"}},
        lambda line: {"a": line, "b": line},
        lambda line: {"a": {"b": line}},
        lambda line: json.dumps({"msg": line}),
        lambda line: [line],
    )
    return "".join(json.dumps(forms[number](line), ensure_ascii=is_ascii) + "\n" for line in text.splitlines())


def without_start(found, counters):
    """Give what must be the same: all but the order of equals among segments."""
    answer = dataclasses.asdict(found)
    for operation in answer["operations"]:
        operation["share"] = operation["share"] and round(operation["share"], 9)  # sums depend on the order
        operation["segments"].sort(key=lambda one: one["name"])
        for segment in operation["segments"]:
            segment["bottleneck"] = None
    answer["slowest"] = [one["duration"] for one in answer["slowest"]]
    answer["never_ended"].sort(key=lambda one: one["operation_id"])
    return answer, dataclasses.asdict(counters)


def by_lines(path):
    source = FileSource([path])
    return without_start(report(source.reading()), source.counters)


def counted(path):
    shapes = RunAggregates(SLOWEST)
    source = FileSource([path], shapes)
    found = report(source.reading())
    return without_start(found, source.counters)


@settings(max_examples=examples(300))
@given(lines())
def test_blocks_give_the_same_as_lines(tmp_path_factory, text):
    """Whatever stands between the usual lines."""
    path = tmp_path_factory.mktemp("log") / "bot.log"
    path.write_text(text, encoding="utf-8", newline="")
    assert counted(str(path)) == by_lines(str(path))


@settings(max_examples=examples(150))
@given(st.lists(st.tuples(lines() | orderly(), st.integers(-1, 5), st.booleans()), min_size=1, max_size=3))
def test_wrapped_lines_are_counted_as_one_by_one(tmp_path_factory, parts):
    """Whether all of a block are wrapped in the same way or not."""
    path = tmp_path_factory.mktemp("log") / "bot.log"
    texts = [text if number < 0 else wrapped(text, number, is_ascii) for text, number, is_ascii in parts]
    path.write_text("\n".join(texts), encoding="utf-8", newline="")
    assert counted(str(path)) == by_lines(str(path))


@settings(max_examples=examples(150))
@given(orderly(), st.integers(50, 900))
def test_parts_give_the_same_as_the_whole(tmp_path_factory, text, size):
    """Wherever they are cut: runs go on over the cuts, lines are read once."""
    path = tmp_path_factory.mktemp("log") / "bot.log"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "PART", size)
        patch.setattr("perftrace.sources.files.PART", size)
        patch.setattr(
            "perftrace.sources.files.read_parts",
            lambda path, length, slowest: [
                parallel._read_part(path, start, slowest)  # noqa: SLF001  # what each process calls
                for start in range(0, length, size)
            ],
        )
        assert counted(str(path)) == by_lines(str(path))


def test_all_cores_read_a_large_log(tmp_path, monkeypatch):
    """In processes of their own; what is in them comes back whole."""
    path = tmp_path / "bot.log"
    runs = [
        f"{MARK}开始: click_{n}_{n:016x} - x\n{MARK}检查点: click_{n}_{n:016x}.下载 - y | 已耗时: 0.0{n % 90 + 10}s\n"
        + f"{MARK}完成: click_{n}_{n:016x} - z | 耗时: 0.1{n % 90 + 10}s{' | 异常: E: no' if n % 7 == 0 else ''}\n"
        for n in range(1, 501)
    ]
    path.write_text("".join(runs), encoding="utf-8")
    monkeypatch.setattr(parallel, "PART", 20_000)
    monkeypatch.setattr("perftrace.sources.files.PART", 20_000)
    assert counted(str(path)) == by_lines(str(path))


@pytest.mark.parametrize(
    "body",
    [
        "检查点: " + "a." * 400_000,
        "检查点: " + "a." * 400_000 + " - x | 已耗时: 0.001s",
        "检查点: " + "_0123456789abcdef." * 40_000 + " x - y | 已耗时: 0.001s",
        "开始: " + "a_" * 400_000 + " - x",
        "完成: " + "a_" * 400_000 + " - x | 耗时: 0.001s",
        "完成: b" + "%5f_" * 200_000 + "_00000000000000ab - x | 耗时: 0.001s | k=v",
        "完成: " + "a - " * 200_000 + " | 耗时: 0.001s",
        "完成: x - " + "| 耗时: 0.001s " * 50_000,
        "完成: x - " + f"{MARK}完成: x - " * 20_000,
        "检查点: x.y - " + f"{MARK}检查点: x.y - " * 20_000,
        "完成: x - y | 耗时: " + "1" * 400_000 + ".000s",
        "完成: x - y | 耗时: 0.001s" + " | a=b" * 60_000,
    ],
)
def test_a_line_of_a_million_dots_takes_no_longer_than_another(tmp_path, body, cpu_seconds):
    """Where each of them may end an id, a text or a duration, trying all takes seconds to hours."""
    path = tmp_path / "bot.log"
    path.write_text(f"{MARK}开始: x_1_00000000000000ab - x\n{MARK}{body}\n", encoding="utf-8")
    with cpu_seconds(3):
        assert counted(str(path)) == by_lines(str(path))


@pytest.mark.parametrize("digits", [13, 5_000])
def test_a_duration_of_more_than_thirty_years_is_not_understood(tmp_path, digits):
    """Python refuses to read thousands of digits: such a line must not end the reading."""
    path = tmp_path / "bot.log"
    good = f"{MARK}完成: a_1_00000000000000aa - x | 耗时: 0.010s | user_id=1\n"
    path.write_text(f"{MARK}完成: b - x | 耗时: {'1' * digits}.000s\n{good}", encoding="utf-8")
    assert counted(str(path)) == by_lines(str(path))
    answer, counters = counted(str(path))
    assert [one["name"] for one in answer["operations"]] == ["a"]
    assert (counters["used"], counters["not_understood"]) == (1, 1)


def test_the_longest_line_does_not_fill_the_memory(tmp_path):
    """Its beginning is looked at, what comes after it is read."""
    path = tmp_path / "bot.log"
    usual = f"{MARK}开始: a_1_00000000000000aa - x\n{MARK}完成: a_1_00000000000000aa - x | 耗时: 0.010s | user_id=1\n"
    path.write_text("x" * 3_000_000 + "\n" + usual, encoding="utf-8")
    answer, _ = counted(str(path))
    assert [(one["name"], one["count"]) for one in answer["operations"]] == [("a", 1)]


SCRIPT = """
import multiprocessing, os, signal, sys
from perftrace.cli import main
from perftrace.sources import files, parallel

def be_killed():
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    files.PART = parallel.PART = 2000
    if sys.argv[1] == "spawn":
        multiprocessing.set_start_method("spawn")
        files.PART, parallel.PART = 2000, 1 << 25  # the other processes know the original alone
    elif sys.argv[1] == "killed":
        parallel._be_quiet = be_killed
    elif sys.argv[1] == "no semaphores":
        def refuse(*arguments, **options):
            raise ImportError("no semaphores")
        parallel.ProcessPoolExecutor = refuse
    sys.exit(main(["report", "--language", "en", sys.argv[2]]))
"""


def test_no_process_is_left_behind(tmp_path, monkeypatch):
    """Nor a thread that looks after them, which would be woken up at the exit: all are gone once the file is read."""
    log = tmp_path / "bot.log"
    log.write_text(f"{MARK}开始: a_1_00000000000000aa - x\n" * 400, encoding="utf-8")
    monkeypatch.setattr(parallel, "PART", 2000)
    before = set(threading.enumerate())
    assert len(list(parallel.read_parts(str(log), log.stat().st_size, SLOWEST))) > 10
    assert multiprocessing.active_children() == []
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("case", ["fork", "spawn", "killed", "no semaphores", "standard input"])
def test_other_processes_are_started_and_fail_in_every_way(tmp_path, case):
    """Begun anew, killed, not to be had; standard input, which they cannot open, is read by one."""
    log, script = tmp_path / "bot.log", tmp_path / "script.py"
    usual = f"{MARK}开始: a_1_00000000000000aa - x\n{MARK}完成: a_1_00000000000000aa - x | 耗时: 0.010s | user_id=1\n"
    log.write_text("".join(usual.replace("aa -", f"{n:02x} -") for n in range(1, 200)), encoding="utf-8")
    script.write_text(SCRIPT, encoding="utf-8")
    source = "-" if case == "standard input" else str(log)
    with log.open("rb") as file:
        result = subprocess.run(
            [sys.executable, str(script), case, source],
            stdin=file,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    if case == "killed":
        assert (result.returncode, result.stdout) == (2, b"")
        assert result.stderr.decode().startswith(f"perftrace: {log}: a process that read it was killed")
    else:
        assert (result.returncode, result.stderr) == (0, b"")
        assert b"398 lines read, 398 used, 0 not understood." in result.stdout


def test_a_name_that_had_no_key_tells_nothing_of_a_longer_one(tmp_path):
    """As where each line is looked at."""
    runs = [f"photo_{number:016x}" for number in range(1, 4)]
    lines = [line for one in runs for line in (f"{MARK}start: {one} - x", f"{MARK}done: {one} - x | took: 0.100s")]
    path = tmp_path / "bot.log"
    path.write_text("\n".join([*lines, f"{MARK}start: photo_alice_00000000000000aa - x"]) + "\n", encoding="utf-8")
    assert counted(str(path)) == by_lines(str(path))
    hanging = [one for one in report(FileSource([str(path)], RunAggregates()).reading()).operations if one.never_ended]
    assert [one.name for one in hanging] == ["photo_alice"]


def test_a_log_that_runs_backwards_may_be_cut_anywhere(tmp_path):
    """Its checkpoints stand before its start, and its finish in another file, in whichever order they are given."""
    (tmp_path / "b.log").write_text(f"{MARK}done: a_00000000000000aa - x | took: 0.500s\n", encoding="utf-8")
    lines = [
        f"{MARK}checkpoint: a_00000000000000aa.{name} - x | elapsed: {at}s"
        for name, at in (("b", "0.200"), ("a", "0.100"))
    ]
    text = "\n".join([*lines, f"{MARK}start: a_00000000000000aa - x"]) + "\n"
    (tmp_path / "a.log").write_text(text, encoding="utf-8")
    for names in (("a.log", "b.log"), ("b.log", "a.log")):
        (operation,) = report(FileSource([str(tmp_path / name) for name in names]).reading()).operations
        found = [(one.name, round(one.total, 3)) for one in operation.segments]
        assert found == [("a", 0.1), ("b", 0.1), ("(end)", 0.3)]
