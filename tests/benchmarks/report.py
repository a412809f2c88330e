"""`perftrace report` on a large log beside `grep -c PERF` on the same file, and its memory."""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKPOINTS = (
    ("get_user", "获取用户信息"),
    ("check_points", "检查积分"),
    ("set_state", "设置用户状态"),
    ("send_reply", "回复"),
)
ROUNDS = 3


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
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.perf_counter() - before, usage.ru_maxrss / 1024


def main():
    with tempfile.TemporaryDirectory() as folder:
        for lines in (1_000_000, 3_000_000):
            path = Path(folder) / f"{lines}.log"
            write_log(path, lines)
            ours = [run(sys.executable, "-m", "perftrace", "report", str(path)) for _ in range(ROUNDS)]
            grep = [run("grep", "-c", "PERF", str(path)) for _ in range(ROUNDS)]
            seconds, megabytes = min(ours)
            print(
                f"report: {lines:,} lines ({path.stat().st_size / 1e6:.0f} MB) in {seconds:.1f}s, "
                f"{seconds / min(grep)[0]:.0f} times grep -c, {megabytes:.0f} MB of memory"
            )


if __name__ == "__main__":
    main()
