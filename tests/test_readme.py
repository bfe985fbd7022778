"""The README is correct: its programs run unchanged, and its numbers are those of the code."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.documents import programs, run
from support.studio import Studio

import decart
from decart import DecartClient, PollPolicy, RetryPolicy, Timeout, models
from decart.emulator import Emulator, EmulatorServer

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = [block for block in programs("README.md") if "def test_" not in block]  # tests/test_samples.py has the tests

PUBLIC = {name: getattr(decart, name) for name in [*decart.__all__, "AiohttpTransport"]}


@pytest.fixture
def at_the_box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DecartClient]:
    """A folder with the page's input files, and a box that the environment points to."""
    (tmp_path / "image.jpg").write_bytes(b"picture")
    (tmp_path / "input.mp4").write_bytes(b"video")
    monkeypatch.chdir(tmp_path)
    emulator = Emulator(pending=0, processing=0, renderer=Studio(), api_keys={"your-api-key"})
    with emulator, EmulatorServer(emulator) as server:
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        with DecartClient(api_key="your-api-key") as client:
            yield client


@pytest.mark.filterwarnings("ignore:The model name 'lucy-pro-v2v' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("block", BLOCKS, ids=[f"block {number}" for number in range(1, len(BLOCKS) + 1)])
def test_a_program_of_the_readme_runs_unchanged(block: str, at_the_box: DecartClient) -> None:
    job = at_the_box.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "x"})
    at_the_box.queue.poll(job.job_id, poll=PollPolicy(interval=0.01))  # some programs fetch what is done
    block = block.replace("the-job-id", job.job_id).replace("time.sleep(2)", "time.sleep(0)")
    names: dict[str, Any] = {**PUBLIC, "client": at_the_box, "job": job, "time": time}
    run(block, names, "README.md")
    if names["client"] is not at_the_box:
        names["client"].close()


def test_the_defaults_in_the_table_are_those_of_the_code() -> None:
    for value in (RetryPolicy(), PollPolicy(), Timeout()):
        written = re.search(rf"\| `{type(value).__name__}\((.*?)\)", README)
        assert written is not None
        assert eval(f"type(value)({written[1]})") == value


def test_the_two_commands_are_single_lines() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [("examples/text_to_video.py --emulator" in line, "pytest" in line) for line in commands] == [
        (True, False),
        (False, True),
    ]
