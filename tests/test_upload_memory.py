"""The memory promise: an upload of 2 GiB adds less than 16 MiB to the process's peak, its exact length told before."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

MIB = 1024 * 1024


def load_benchmark() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "upload_memory.py"
    spec = importlib.util.spec_from_file_location("upload_memory", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


benchmark = load_benchmark()


@pytest.mark.parametrize("way", ["decart, Path", "decart, open file"])
def test_an_upload_of_2_gib_stays_out_of_memory_and_announces_its_exact_length(way: str) -> None:
    size = 2048 * MIB
    result = benchmark.run(way, size)
    assert result["extra"] < 16 * MIB
    assert result["announced"] == result["received"]
    assert size < result["received"] < size + 1000  # the framing
    assert result["ending"] == "whole"  # the announced length ends with the last boundary, neither before nor after it


def test_the_measure_sees_an_upload_that_is_held_in_memory() -> None:
    result = benchmark.run("requests, files=", 64 * MIB)
    assert result["extra"] >= 64 * MIB
    assert result["announced"] == result["received"]
    assert result["ending"] == "whole"
