"""The benchmark of task queues runs: every way delivers every video, and no task sleeps. Speed is not tested."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "task_queues.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("QUEUE_JOBS" not in os.environ, reason="tox -e queues runs it"),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="Debian's package redis-server is not installed"),
]


def test_every_way_delivers_every_video_and_no_task_sleeps(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(PROGRAM), "--quick", "--json", str(figures)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    outcomes = json.loads(figures.read_text("utf-8"))
    at_once, paced = outcomes["6 at once"], outcomes["5 a second"]
    assert at_once.keys() >= {"chains", "sweeps"}
    assert paced.keys() == {"chains", "sweeps", "single waiter"}
    assert all(run["correct"] for ways in outcomes.values() for runs in ways.values() for run in runs)
    assert all(ways["chains"][0]["accounted"] > 0.8 for ways in (at_once, paced))
    assert "\n6 at once, sweeps " in ended.stdout
