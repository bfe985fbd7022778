"""Memory limits, each measured in a separate process, with the server in another one.

The extra peak is at most 8 MiB for anything streamed, and 1.1 times its size for a video in memory.
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
    """Transfer ``mib`` MiB, check that they arrived unchanged, and return the measured figures."""
    figures = folder / "figures.json"
    command = ["--quick", "--only", verb, "--mib", str(mib), "--peers", peer, "--json", str(figures)]
    subprocess.run([sys.executable, str(BENCHMARKS), *command], stdout=subprocess.DEVNULL, check=True)
    (measure,) = json.loads(figures.read_text("utf-8")).values()
    (run,) = measure[peer]
    assert run["correct"]
    return dict(run)


@pytest.mark.parametrize("peer", ["decart", "decart + aiohttp"])
def test_an_upload_of_2_gib_is_streamed_with_its_exact_length(peer: str, tmp_path: Path) -> None:
    assert run("upload", peer, 2048, tmp_path)["memory"] < 8  # MiB


@pytest.mark.parametrize("peer", ["decart (open file)", "decart + urllib3"])
def test_an_upload_is_streamed(peer: str, tmp_path: Path) -> None:
    assert run("upload", peer, 256, tmp_path)["memory"] < 8  # MiB


@pytest.mark.parametrize("peer", ["decart", "decart + urllib3"])
def test_a_download_is_streamed(peer: str, tmp_path: Path) -> None:
    assert run("download", peer, 256, tmp_path)["memory"] < 8  # MiB


@pytest.mark.parametrize("peer", ["decart", "decart + urllib3", "decart + aiohttp"])
def test_a_video_in_memory_takes_little_more_than_its_size(peer: str, tmp_path: Path) -> None:
    assert run("result", peer, 128, tmp_path)["share"] <= 1.1


def test_the_measurement_detects_an_upload_held_in_memory(tmp_path: Path) -> None:
    assert run("upload", "requests", 64, tmp_path)["memory"] >= 64


def test_the_measurement_detects_a_video_held_twice(tmp_path: Path) -> None:
    assert run("result", "requests", 64, tmp_path)["share"] > 1.5
