"""Run a command whose child processes stand still at random, as on a busy machine.

    python scripts/busy.py python -m pytest -n auto

It finds tests that depend on short, real times. Half of the processes pause at a time. Linux.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

SHORTEST, LONGEST = 0.1, 0.8  # seconds
BETWEEN = 0.15  # seconds from one pause to the next, at most


def children(pid: int) -> list[int]:
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended
            os.kill(pid, number)


def main(command: list[str]) -> int:
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            time.sleep(random.uniform(0, BETWEEN))
            running = children(process.pid)
            half = random.sample(running, (len(running) + 1) // 2)
            try:
                send(signal.SIGSTOP, half)
                time.sleep(random.uniform(SHORTEST, LONGEST))
            finally:
                send(signal.SIGCONT, half)
        return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
