"""The memory promises, each shown by a process of its own that talks to a server in another.

Held against the peak of the process before: 8 MiB for what is streamed, and 1.1 times its size for a video in memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[1] / "benchmarks" / "run.py"


def run(verb: str, peer: str, mib: int, folder: Path) -> dict[str, Any]:
    """Have so many MiB moved, and return what it took.

    It is ``right`` if every byte was where it belongs, and what was announced is what came.
    """
    figures = folder / "figures.json"
    command = ["--quick", "--only", verb, "--mib", str(mib), "--peers", peer, "--json", str(figures)]
    subprocess.run([sys.executable, str(BENCHMARKS), *command], stdout=subprocess.DEVNULL, check=True)
    (measure,) = json.loads(figures.read_text("utf-8")).values()
    (run,) = measure[peer]
    assert run["right"]
    return dict(run)


@pytest.mark.parametrize("peer", ["decart", "decart (open file)", "decart + urllib3", "decart + aiohttp"])
def test_an_upload_of_2_gib_stays_out_of_memory_and_announces_its_exact_length(peer: str, tmp_path: Path) -> None:
    assert run("upload", peer, 2048, tmp_path)["memory"] < 8  # MiB


@pytest.mark.parametrize("peer", ["decart", "decart + urllib3"])
def test_a_download_stays_out_of_memory(peer: str, tmp_path: Path) -> None:
    assert run("download", peer, 512, tmp_path)["memory"] < 8  # MiB


@pytest.mark.parametrize("peer", ["decart", "decart + urllib3", "decart + aiohttp"])
def test_a_video_in_memory_takes_hardly_more_than_its_size(peer: str, tmp_path: Path) -> None:
    assert run("result", peer, 256, tmp_path)["share"] <= 1.1


def test_the_measure_sees_an_upload_that_is_held_in_memory(tmp_path: Path) -> None:
    assert run("upload", "requests", 64, tmp_path)["memory"] >= 64


def test_the_measure_sees_a_video_that_is_held_twice(tmp_path: Path) -> None:
    assert run("result", "requests", 64, tmp_path)["share"] > 1.5
