"""`perftrace report` as logs and stores grow, beside `grep -c PERF` and DuckDB's bare percentiles, and its memory."""

import heapq
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import duckdb

from perftrace.formats.line import MARKER, WORDS
from perftrace.store import connect
from perftrace.store.parquet import COLUMNS

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks import processes
from tests.benchmarks.goals import run as run_with_goals

CHECKPOINTS = ("get_user", "check_points", "set_state", "send_reply")
ROUNDS = 2
TURNS = 5
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LARGE = 1_000_000
"""From this size on the start of the process no longer counts for much."""
FAILING = 0.02
"""Share of the runs."""
STEP = 0.03
"""Seconds that a step takes on average."""
BARE = (
    "SELECT name, quantile_cont(duration_ns, [0.5, 0.95, 0.99]) FROM records GROUP BY name",
    "SELECT name, c.name, quantile_cont(c.elapsed_ns, [0.5, 0.95]) "
    "FROM (SELECT name, unnest(checkpoints) AS c FROM records) GROUP BY ALL",
)
"""The percentiles of operations and of their checkpoints, and nothing else that a report has."""


def run_lines(dice, words, at):
    """Give the six lines of a run that starts at a time, each with its time."""
    user, name = dice.randrange(100_000), dice.choice(["button_click", "photo_message", "confirm_generation"])
    operation_id = f"{name}_{user}_{dice.getrandbits(64):016x}"
    yield at, f"{words.start}: {operation_id} - 用户 {user} 点击按钮"
    elapsed = 0.0
    for checkpoint in CHECKPOINTS:
        elapsed += dice.expovariate(1 / STEP)
        text = f"{words.checkpoint}: {operation_id}.{checkpoint} - {checkpoint} 完成 | {words.elapsed}: {elapsed:.3f}s"
        yield at + elapsed, text
    failure = f" | {words.error}: TimeoutError: no answer" if dice.random() < FAILING else ""
    yield at + elapsed, f"{words.done}: {operation_id} - 完成 | {words.took}: {elapsed:.3f}s{failure} | user_id={user}"


def log_lines(lines, at_once, language):
    """Give lines with their times, in that order: as many runs at once, on average; 1: one after the other."""
    dice, words, at = random.Random(1), WORDS[language], 1_757_448_000.0
    pending = []
    for number in range(lines // 6):
        found = list(run_lines(dice, words, at))
        if at_once == 1:
            yield from found
            at = found[-1][0] + 0.001
            continue
        for place, (time_of_line, text) in enumerate(found):
            heapq.heappush(pending, (time_of_line, number, place, text))
        at += dice.expovariate(at_once / (STEP * len(CHECKPOINTS)))
        while pending and pending[0][0] < at:
            yield pending[0][0], heapq.heappop(pending)[-1]
    while pending:
        yield pending[0][0], heapq.heappop(pending)[-1]


def write_log(path, lines, at_once=20, language="zh", is_wrapped=False):
    """Write a log of six lines an operation; wrapped: each in JSON, as a container's runtime does."""
    second, day = None, ""
    with path.open("w", encoding="utf-8") as file:
        for at, text in log_lines(lines, at_once, language):
            if int(at) != second:
                second, day = int(at), time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
            line = f"{day},{int((at - second) * 1000):03d} - performance_monitor - INFO - {MARKER}{text}"
            if is_wrapped:
                form = {"log": line + "\n", "stream": "stderr", "time": "2025-09-09T20:00:00.000000Z"}
                line = json.dumps(form, ensure_ascii=False)
            file.write(line + "\n")


def run(*command):
    """Give seconds and peak megabytes of a command."""
    seconds, _, megabytes = processes.run(*command)
    return seconds, megabytes


def write_store(folder, rows):
    """Write a Parquet file of so many records with four checkpoints each."""
    marks = ", ".join(
        f"{{'name': '{name}', 'description': '', 'elapsed_ns': (d * {number / 5})::BIGINT, 'attributes': NULL::JSON}}"
        for number, name in enumerate(CHECKPOINTS, 1)
    )
    columns = {
        "v": "1", "trace_id": "printf('%032x', i)", "span_id": "printf('%016x', i + 1)", "duration_ns": "d",
        "operation_id": "printf('photo_%d_%016x', i % 1000, i + 1)", "name": "['click', 'photo', 'buy'][1 + i % 3]",
        "start": "1795000000000000000 + i * 1000000", "start_mono": "i * 1000000 + 1", "outcome": "'ok'", "pid": "7",
        "checkpoints": f"[{marks}]", "running_ns": "d // 10", "inner_ns": "0", "steps": "3",
    }  # fmt: skip
    select = ", ".join(f"{columns.get(name, 'NULL')}::{kind} AS {name}" for name, kind in COLUMNS.items())
    with duckdb.connect() as db:
        db.sql(
            f"SELECT {select} FROM (SELECT i, (5e7 * -ln(1 - 0.999 * random()))::BIGINT AS d FROM range({rows}) t(i))"
        ).write_parquet(str(folder / "1795000000000000000-1-00000000.parquet"), compression="zstd")


def bare(folder):
    """Give the seconds of DuckDB's own queries over the same files."""
    with connect(folder) as db:
        before = time.perf_counter()
        for query in BARE:
            db.execute(query).fetchall()
        return time.perf_counter() - before


def by_turns(*commands):
    """Give for each command the least seconds and megabytes of several runs: by turns, as the machine has moods."""
    turns = [[run(*command) for command in commands] for _ in range(TURNS)]
    return [min(found) for found in zip(*turns, strict=True)]


def interleaved(goals):
    """Compare logs whose runs overlap, as those of bots do, with one in which they follow each other."""
    report, grep = (sys.executable, "-m", "perftrace", "report"), ("grep", "-c", "PERF")
    memory = 0.0
    with tempfile.TemporaryDirectory() as name:
        for language in WORDS:
            for at_once in (1, 20, 200):
                path = Path(name) / "bot.log"
                write_log(path, LARGE, at_once, language)
                (seconds, megabytes), (least, _) = by_turns((*report, str(path)), (*grep, str(path)))
                memory = memory or megabytes
                print(
                    f"{language} log of {LARGE:,} lines, {at_once:3} runs at once: "
                    f"{seconds / least:5.1f} times grep -c, {megabytes:3.0f} MB, {megabytes / memory:.1f}x the first's",
                    goals.check(seconds / least, most=15 if at_once == 1 else 25),
                    goals.check(megabytes / memory, most=2),
                    flush=True,
                )
        write_log(path, LARGE, 20, "zh")
        wrapped = Path(name) / "wrapped.log"
        write_log(wrapped, LARGE, 20, "zh", is_wrapped=True)
        (plain, _), (seconds, megabytes) = by_turns((*report, str(path)), (*report, str(wrapped)))
        print(
            f"the same wrapped in JSON, 20 at once: {seconds / plain:.1f} times plain, {megabytes:.0f} MB",
            goals.check(seconds / plain, most=3),
            flush=True,
        )


def main(goals):
    report = (sys.executable, "-m", "perftrace", "report")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    interleaved(goals)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "bot.log"
            write_log(path, size)
            (seconds, megabytes), (grep, _) = by_turns((*report, str(path)), ("grep", "-c", "PERF", str(path)))
            print(
                f"log of {size:>10,} lines, 20 at once: {seconds:6.2f} s, {size / seconds:>9,.0f} lines a second, "
                f"{seconds / grep:5.1f} times grep -c, {megabytes:,.0f} MB",
                goals.check(seconds / grep, most=25) if size >= LARGE else "",
                flush=True,
            )
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            write_store(Path(name), size)
            seconds, megabytes = min(run(*report, name) for _ in range(ROUNDS))
            # In another process: what it takes of memory would be counted as that of each command that this one starts.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
                own = min(elsewhere.submit(bare, Path(name)).result() for _ in range(ROUNDS))
            print(
                f"store of {size:>10,} records: {seconds:6.2f} s, {size / seconds:>9,.0f} records a second, "
                f"{seconds / own:5.1f} times DuckDB's bare percentiles, {megabytes:,.0f} MB",
                goals.check(seconds / own, most=3) if size >= LARGE else "",
                flush=True,
            )


if __name__ == "__main__":
    run_with_goals(main)
