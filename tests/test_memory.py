"""Memory limits, each measured in a process of its own, with the server in another one.

The extra peak is at most 8 MiB for anything streamed, and 1.1 times its size for a video in memory.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

BENCHMARKS = Path(__file__).parents[1] / "benchmarks" / "run.py"


@functools.cache
def measured(verb: str, mib: int, *peers: str) -> dict[str, dict[str, Any]]:
    """Transfer ``mib`` MiB by each peer, one after the other, check that they arrived, and return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder, "figures.json")
        command = ["--quick", "--only", verb, "--mib", str(mib), "--peers", ",".join(peers), "--json", str(figures)]
        subprocess.run([sys.executable, str(BENCHMARKS), *command], stdout=subprocess.DEVNULL, check=True)
        (measure,) = json.loads(figures.read_text("utf-8")).values()
    runs = {peer: one for peer, (one,) in measure.items()}
    assert runs.keys() == set(peers)
    assert all(one["correct"] for one in runs.values())
    return runs


UPLOADS = "decart (open file)", "decart + urllib3", "decart + aiohttp"
DOWNLOADS = "decart", "decart + urllib3"
RESULTS = "decart", "decart + urllib3", "decart + aiohttp"


def test_an_upload_of_2_gib_is_streamed_with_its_exact_length() -> None:
    assert measured("upload", 2048, "decart")["decart"]["memory"] < 8  # MiB


@pytest.mark.parametrize("peer", UPLOADS)
def test_an_upload_is_streamed(peer: str) -> None:
    assert measured("upload", 128, *UPLOADS)[peer]["memory"] < 8  # MiB


@pytest.mark.parametrize("peer", DOWNLOADS)
def test_a_download_is_streamed(peer: str) -> None:
    assert measured("download", 128, *DOWNLOADS)[peer]["memory"] < 8  # MiB


@pytest.mark.parametrize("peer", RESULTS)
def test_a_video_in_memory_takes_little_more_than_its_size(peer: str) -> None:
    assert measured("result", 128, *RESULTS)[peer]["share"] <= 1.1


def test_the_measurement_detects_an_upload_held_in_memory() -> None:
    assert measured("upload", 64, "requests")["requests"]["memory"] >= 64


def test_the_measurement_detects_a_video_held_twice() -> None:
    assert measured("result", 64, "requests")["requests"]["share"] > 1.5
