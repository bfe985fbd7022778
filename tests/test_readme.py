"""What the README and the page about schedulers say is true: their programs run, and their numbers are the code's."""

from __future__ import annotations

import asyncio
import configparser
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from support.documents import ROOT, programs, run
from support.studio import Studio

import decart
from decart import DecartClient, PollPolicy, RetryPolicy, Timeout, models
from decart.emulator import Emulator, EmulatorServer, VirtualEmulator

README = (ROOT / "README.md").read_text("utf-8")
LINKS = [inline or named for inline, named in re.findall(r"\]\(([^)]+)\)|^\[[^\]]+\]: (.+)$", README, re.MULTILINE)]
INDEX = (ROOT / "docs" / "index.md").read_text("utf-8")
SETTINGS = configparser.ConfigParser()
SETTINGS.read(ROOT / "setup.cfg", "utf-8")
REPOSITORY = SETTINGS["metadata"]["url"]
FIRST, *OTHERS = (block for block in programs("README.md") if "def test_" not in block)  # test_samples has the tests

PUBLIC = {name: getattr(decart, name) for name in [*decart.__all__, "AiohttpTransport"]}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Emulator]:
    """An emulator that the environment points to, and a folder with the programs' input files."""
    for name in ("image.jpg", "input.mp4", "lake.mp4"):
        (tmp_path / name).write_bytes(b"picture or video")
    monkeypatch.chdir(tmp_path)
    emulator = Emulator(pending=0, processing=0, renderer=Studio(), api_keys={"your-api-key"})
    with emulator, EmulatorServer(emulator) as server:
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        monkeypatch.setenv("DECART_API_KEY", "your-api-key")
        yield emulator


@pytest.mark.parametrize("block", ["", *OTHERS], ids=[f"block {number}" for number in range(1, len(OTHERS) + 2)])
def test_a_program_of_the_readme_runs_when_it_is_pasted_after_the_first(block: str, emulator: Emulator) -> None:
    names: dict[str, Any] = {}
    with names_closed(names):
        run(FIRST, names, "README.md")
        run(block, names, "README.md")
    assert Path("winter.mp4").stat().st_size > 0


@contextmanager
def names_closed(names: dict[str, Any]) -> Iterator[None]:
    """Close the clients and sessions that a program has left open."""
    try:
        yield
    finally:
        for value in [*names.values()]:
            if isinstance(value, DecartClient | requests.Session):
                value.close()


def test_the_readme_is_short_enough_for_a_first_visit() -> None:
    assert len(README.splitlines()) <= 220


def test_the_links_of_the_readme_are_absolute_and_lead_to_files_of_this_repository() -> None:
    assert [link for link in LINKS if not link.startswith("https://")] == []
    ours = [link.removeprefix(f"{REPOSITORY}/blob/main/") for link in LINKS if link.startswith(REPOSITORY)]
    assert len(ours) > 15
    assert [path for path in ours if not (ROOT / path).is_file()] == []


def test_each_link_of_the_readme_by_a_name_is_defined_once_and_used() -> None:
    defined = re.findall(r"^\[([^\]]+)\]: ", README, re.MULTILINE)
    text = re.sub(r"^```.*?^```|^\[[^\]]+\]: |`[^`]+`", "", README, flags=re.MULTILINE | re.DOTALL)
    used = re.findall(r"\[([^\]]+)\](?![\[(])", text)  # [name], also as the end of [text][name]
    assert sorted(set(used)) == sorted(defined)


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    linked = {path for link in LINKS if (path := link.removeprefix(f"{REPOSITORY}/blob/main/")).startswith("docs/")}
    for page in sorted(linked & pages):
        linked |= {f"docs/{name}" for name in re.findall(r"\]\(([\w-]+\.md)", (ROOT / page).read_text("utf-8"))}
    linked |= {f"docs/{name}.md" for name in re.findall(r"^([a-z-]+)$", INDEX, re.MULTILINE)}  # its tables of contents
    assert pages - linked == set()
    assert linked - pages == set()


def test_the_defaults_in_the_table_are_those_of_the_code() -> None:
    table = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for value in (RetryPolicy(), PollPolicy(), Timeout()):
        written = re.search(rf"\| `{type(value).__name__}\((.*?)\)", table)
        assert written is not None
        assert eval(f"type(value)({written[1]})") == value


def test_the_two_commands_are_single_lines() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [("decart run --emulator" in line, "pytest" in line) for line in commands] == [
        (True, False),
        (False, True),
    ]


def test_the_front_page_of_the_site_has_the_first_command_of_the_readme() -> None:
    assert [line for line in README.splitlines() if "decart run --emulator" in line][0] in INDEX.splitlines()


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
_, FRAMES = programs(PAGE)  # tests/test_samples.py runs the page in order
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


def test_the_frame_loop_of_the_page_ends_with_the_job(client: DecartClient, job_id: str) -> None:
    names: dict[str, Any] = {"asyncio": asyncio}
    run(FRAMES, names, PAGE)
    pending = names["PendingVideo"](client.aio, job_id)
    asyncio.run(names["play"](pending, frames_per_second=1000))
    assert pending.finished.status == "completed"
