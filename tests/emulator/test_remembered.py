"""The renderer of the fixtures, which makes each file once in a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from decart.emulator.remembered import LIMIT, render_remembered
from decart.emulator.render import RenderError, RenderJob, render_small


def job(prompt: str, **inputs: Path) -> RenderJob:
    task = "image-to-image" if inputs else "text-to-image"
    return RenderJob(task=task, model="mine", prompt=prompt, width=16, height=16, inputs=inputs)


def made(order: RenderJob, folder: Path) -> bytes:
    target = folder / "result.png"
    render_remembered(order, target)
    return target.read_bytes()


def test_a_job_has_the_same_file_each_time_as_if_it_had_been_rendered(tmp_path: Path) -> None:
    render_small(job("a lake"), tmp_path / "rendered.png")
    expected = (tmp_path / "rendered.png").read_bytes()
    assert [made(job("a lake"), tmp_path) for _ in range(2)] == [expected] * 2


def test_jobs_that_differ_in_a_word_or_in_a_file_have_files_of_their_own(tmp_path: Path) -> None:
    data = tmp_path / "data"
    files = set()
    for content in (b"one", b"two"):
        data.write_bytes(content)
        files |= {made(job("a lake", data=data), tmp_path), made(job("a city", data=data), tmp_path)}
    assert len(files) == 4


def test_only_the_latest_files_are_remembered(tmp_path: Path) -> None:
    first = made(job("first"), tmp_path)
    for number in range(LIMIT + 1):
        made(job(str(number)), tmp_path)
    assert made(job("first"), tmp_path) == first


def test_a_job_that_cannot_be_rendered_fails_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(RenderError, match="data is missing"):
            made(job("a lake", data=tmp_path / "nothing"), tmp_path)
