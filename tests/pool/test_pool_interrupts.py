"""Ctrl-C at the worst moment."""

from __future__ import annotations

import re
import subprocess
import sys

from support.pools import PATIENCE
from workers.running import small_environment


def test_ctrl_c_just_when_a_lock_is_taken_does_not_hang_a_pool() -> None:
    """In a process of its own: threads of Python's that it hits while they start are left."""
    command = [sys.executable, "-m", "workers.interrupted"]
    ended = subprocess.run(
        command, env=small_environment(), capture_output=True, text=True, timeout=4 * PATIENCE, check=False
    )
    found = re.fullmatch(r"(\d+) moments, 6 submits\n", ended.stdout)
    assert found, ended.stderr
    assert int(found[1]) >= 5
