"""What the README and the page about schedulers say is true: their programs run, and their numbers are the code's."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.documents import ROOT, programs, run
from support.studio import Studio

import decart
from decart import DecartClient, PollPolicy, RetryPolicy, Timeout, models
from decart.emulator import Emulator, EmulatorServer, VirtualEmulator

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = [block for block in programs("README.md") if "def test_" not in block]  # tests/test_samples.py has the tests

PUBLIC = {name: getattr(decart, name) for name in [*decart.__all__, "AiohttpTransport"]}


@pytest.fixture
def at_the_emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DecartClient]:
    """A folder with the page's input files, and an emulator that the environment points to."""
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
def test_a_program_of_the_readme_runs_unchanged(block: str, at_the_emulator: DecartClient) -> None:
    job = at_the_emulator.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "x"})
    at_the_emulator.queue.poll(job.job_id, poll=PollPolicy(interval=0.01))  # some programs fetch what is done
    block = block.replace("the-job-id", job.job_id).replace("time.sleep(2)", "time.sleep(0)")
    names: dict[str, Any] = {**PUBLIC, "client": at_the_emulator, "job": job, "time": time}
    run(block, names, "README.md")
    if names["client"] is not at_the_emulator:
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


def test_the_tests_and_modules_in_the_table_of_rules_exist() -> None:
    page = (ROOT / "docs" / "how-it-is-built.md").read_text("utf-8")
    table = page.partition("## Where to change what\n")[2].partition("\n## ")[0]
    rows = [row.split("|")[2:4] for row in table.splitlines()[3:] if row]
    tests = {name for _, column in rows for name in re.findall(r"`(test_\w+\*?)`", column)}
    assert {name for name in tests if not list((ROOT / "tests").glob(f"{name}.py"))} == set()
    modules = {name for column, _ in rows for name in re.findall(r"`([a-z]\w+)[`./]", re.sub(r"\(.*?\)", "", column))}
    assert len(modules) > 15
    assert {name for name in modules if not list((ROOT / "decart").glob(f"{name}*"))} == set()


# ---------------------------------------------------------------- docs/your-own-scheduler.md

PAGE = "docs/your-own-scheduler.md"
FIRST_STEPS, CRON, CELERY, FRAMES = programs(PAGE)
QUICK = PollPolicy(interval=0.01, max_interval=0.01)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DecartClient]:
    """A client of an emulator whose jobs are pending, processing and completed in three status checks."""
    monkeypatch.chdir(tmp_path)
    with (
        EmulatorServer(VirtualEmulator(), seconds_per_check=2.0) as server,
        DecartClient(api_key="dct_test", base_url=server.url, poll=QUICK) as client,
    ):
        yield client


@pytest.fixture
def job_id(client: DecartClient) -> str:
    return client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "x"}).job_id


def test_the_steps_of_the_page_end_with_the_job(
    client: DecartClient, job_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(FIRST_STEPS, {"client": client, "job": job_id, "time": time}, PAGE)
    assert capsys.readouterr().out == "completed\n"


def test_the_core_of_the_cron_program_is_that_of_the_example() -> None:
    assert CRON in (ROOT / "examples" / "cron_step.py").read_text("utf-8")


class App:
    """What the page needs of a Celery app: a queue of tasks, with no worker and no waiting."""

    def __init__(self) -> None:
        self.queue: list[tuple[Any, ...]] = []

    def task(self, **settings: Any) -> Callable[[Any], Any]:
        def register(function: Any) -> Any:
            function.apply_async = lambda arguments, countdown: self.queue.append((*arguments, countdown))
            return function

        return register


def test_the_celery_task_of_the_page_makes_a_step_and_schedules_the_next(client: DecartClient, job_id: str) -> None:
    app = App()
    names: dict[str, Any] = {**PUBLIC, "client": client, "app": app}
    run(CELERY, names, PAGE)
    names["wait_for_video"](job_id, "lake.mp4")
    steps = 1
    while app.queue:
        *arguments, countdown = json.loads(json.dumps(app.queue.pop()))
        assert countdown > 0
        names["wait_for_video"](*arguments)
        steps += 1
    assert steps == 3
    assert Path("lake.mp4").read_bytes()[4:8] == b"ftyp"


def test_the_frame_loop_of_the_page_ends_with_the_job(client: DecartClient, job_id: str) -> None:
    names: dict[str, Any] = {"asyncio": asyncio}
    run(FRAMES, names, PAGE)
    pending = names["PendingVideo"](client.aio, job_id)
    asyncio.run(names["play"](pending, frames_per_second=1000))
    assert pending.finished.status == "completed"
