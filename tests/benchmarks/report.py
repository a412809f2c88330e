"""`perftrace report` as logs and stores grow, beside `grep -c PERF` and DuckDB's bare percentiles, and its memory."""

import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import duckdb

from perftrace.store import connect
from perftrace.store.parquet import COLUMNS

sys.path.append(str(Path(__file__).parents[2]))
from tests.benchmarks.goals import run as run_with_goals

CHECKPOINTS = (
    ("get_user", "获取用户信息"),
    ("check_points", "检查积分"),
    ("set_state", "设置用户状态"),
    ("send_reply", "回复"),
)
ROUNDS = 2
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LARGE = 1_000_000
"""From this size on the start of the process no longer counts for much."""
BARE = (
    "SELECT name, quantile_cont(duration_ns, [0.5, 0.95, 0.99]) FROM records GROUP BY name",
    "SELECT name, c.name, quantile_cont(c.elapsed_ns, [0.5, 0.95]) "
    "FROM (SELECT name, unnest(checkpoints) AS c FROM records) GROUP BY ALL",
)
"""The percentiles of operations and of their checkpoints, and nothing else that a report has."""


def write_log(path, lines):
    """Write a log of six lines an operation."""
    dice = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines // 6):
            user, name = dice.randrange(100_000), dice.choice(["button_click", "photo_message", "confirm_generation"])
            operation_id = f"{name}_{user}_{dice.getrandbits(64):016x}"
            mark = (
                f"2025-09-09 20:{number // 60 % 60:02d}:{number % 60:02d},000 - performance_monitor - INFO - ⏱️  [PERF] "
            )
            file.write(f"{mark}开始: {operation_id} - 用户 {user} 点击按钮\n")
            elapsed = 0.0
            for checkpoint, text in CHECKPOINTS:
                elapsed += dice.expovariate(1 / 0.03)
                file.write(f"{mark}检查点: {operation_id}.{checkpoint} - {text} | 已耗时: {elapsed:.3f}s\n")
            file.write(f"{mark}完成: {operation_id} - 处理完成 | 耗时: {elapsed:.3f}s | user_id={user}\n")


def run(*command):
    """Give seconds and peak megabytes of a command."""
    before = time.perf_counter()
    # Into a file: what is to be thrown away, grep does not count.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output)
        _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.perf_counter() - before, usage.ru_maxrss / 1024


def write_store(folder, rows):
    """Write a Parquet file of so many records with four checkpoints each."""
    marks = ", ".join(
        f"{{'name': '{name}', 'description': '', 'elapsed_ns': (d * {number / 5})::BIGINT, 'attributes': NULL::JSON}}"
        for number, (name, _) in enumerate(CHECKPOINTS, 1)
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


def main(goals):
    report = (sys.executable, "-m", "perftrace", "report")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "bot.log"
            write_log(path, size)
            seconds, megabytes = min(run(*report, str(path)) for _ in range(ROUNDS))
            grep, _ = min(run("grep", "-c", "PERF", str(path)) for _ in range(ROUNDS))
            print(
                f"log of {size:>10,} lines: {seconds:6.2f} s, {size / seconds:>9,.0f} lines a second, "
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
