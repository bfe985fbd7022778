"""The fixtures beside other pytest plugins and in test classes, as docs/test-fixtures.md has it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.documents import ROOT, programs

INI = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
LAKE = 'LAKE = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"}'
IN_PROCESS = f"""
from decart import models

{LAKE}

def test_it(decart_client):
    assert decart_client.queue.submit_and_poll(LAKE).status == "completed"
"""
ON_A_LOOP = f"""
import asyncio
from decart import models

{LAKE}

def test_it(async_decart_client):
    assert asyncio.run(async_decart_client.queue.submit_and_poll(LAKE)).status == "completed"
"""
OVER_HTTP = f"""
from decart import DecartClient, models

{LAKE}

def test_it(decart_server):
    with DecartClient("dct_test", base_url=decart_server.url) as client:
        assert client.queue.submit(LAKE).status == "pending"
"""
ASYNC = f"""
import pytest
from decart import models

{LAKE}

@pytest.mark.asyncio
async def test_it(async_decart_client):
    assert (await async_decart_client.queue.submit_and_poll(LAKE)).status == "completed"
"""
CLASSES = f"""
import unittest
import pytest
from decart import models

{LAKE}

class Sync(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, decart_client, decart_emulator):
        self.client, self.requests = decart_client, decart_emulator.requests

    def test_it(self):
        self.client.queue.submit_and_poll(LAKE)
        self.requests.assert_submitted_once(prompt="A serene lake")

class Async(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, async_decart_client):
        self.client = async_decart_client

    async def test_it(self):
        self.assertEqual((await self.client.queue.submit_and_poll(LAKE)).status, "completed")
"""
MANY = (
    "from decart import models\n"
    + LAKE
    + "\n"
    + "".join(
        f"""
def test_{number}(decart_server, decart_client):
    decart_client.queue.submit_and_poll(LAKE)
    decart_server.emulator.requests.assert_submitted_once()
"""
        for number in range(8)
    )
)


def outcomes(folder: Path, program: str, *options: str) -> dict[str, int]:
    """Run a test module with these options in a separate pytest; return how many tests passed, failed or had errors."""
    (folder / "pytest.ini").write_text(INI, "utf-8")
    (folder / "test_it.py").write_text(program, "utf-8")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    ended = subprocess.run(
        command,
        cwd=folder,
        env=variables | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    last = ended.stdout.splitlines()[-1] if ended.stdout else ended.stderr
    return {what: int(number) for number, what in re.findall(r"(\d+) (passed|failed|error)", last)}


@pytest.mark.parametrize(
    ("program", "options", "passed"),
    [
        (MANY, ["-n", "2"], 8),
        (ASYNC, [], 1),
        (CLASSES, [], 2),
        (IN_PROCESS, ["--disable-socket"], 1),
        (ON_A_LOOP, ["--disable-socket", "--allow-unix-socket"], 1),
        (ASYNC, ["--disable-socket", "--allow-unix-socket"], 1),
        (OVER_HTTP, ["--allow-hosts=127.0.0.1"], 1),
    ],
    ids=[
        "xdist",
        "pytest-asyncio",
        "unittest",
        "no socket",
        "no socket but those of an event loop",
        "pytest-asyncio, no socket",
        "no socket but to this machine",
    ],
)
def test_the_fixtures_work_beside_it(program: str, options: list[str], passed: int, tmp_path: Path) -> None:
    assert outcomes(tmp_path, program, *options) == {"passed": passed}


def test_a_server_needs_a_socket(tmp_path: Path) -> None:
    assert outcomes(tmp_path, OVER_HTTP, "--disable-socket").get("passed") is None


def test_the_page_names_the_options_that_are_tested() -> None:
    page = (ROOT / "docs" / "test-fixtures.md").read_text("utf-8")
    assert all(option in page for option in ("--disable-socket", "--allow-unix-socket", "--allow-hosts=127.0.0.1"))
    assert any("async def test_" in block for block in programs("docs/test-fixtures.md"))
