"""Run a command whose child processes stand still at random, as on a busy machine.

    python scripts/busy.py python -m pytest -n auto

It finds tests that depend on short, real times. Each pause of a process takes up to `LONGEST` seconds. Linux.
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


def pause(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has ended
        os.kill(pid, signal.SIGSTOP)
        time.sleep(random.uniform(SHORTEST, LONGEST))
        os.kill(pid, signal.SIGCONT)


def main(command: list[str]) -> int:
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            time.sleep(random.uniform(0, BETWEEN))
            if running := children(process.pid):
                pause(random.choice(running))
        return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
