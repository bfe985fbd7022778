"""The welcome page and the health check, which need no key."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.raw import RawClient
from support.studio import Studio

from decart.emulator import Emulator, EmulatorServer, VirtualClock


def commands(page: str) -> list[list[str]]:
    """Return the command lines of the page, as a shell splits them."""
    return [shlex.split(html.unescape(found)) for found in re.findall("<pre>(.*?)</pre>", page, re.DOTALL)]


def test_the_page_says_that_this_is_an_emulator(raw: RawClient) -> None:
    response = raw.get("/", key=None)
    assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = response.body.decode()
    for words in ("decart emulator", "placeholder", "no model runs here", "any that starts with <code>dct_</code>"):
        assert words in page
    assert [line[0] for line in commands(page)[:3]] == ["curl"] * 3


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_page_work_unchanged(tmp_path: Path) -> None:
    clock = VirtualClock()
    with Emulator(clock=clock, renderer=Studio(), background=False) as emulator, EmulatorServer(emulator) as server:
        submit, status, content, _ = commands(RawClient(emulator, clock, server).get("/").body.decode())
        job = json.loads(subprocess.check_output([*submit, "--silent"], timeout=20))
        clock.advance(60)
        status, content = ([word.replace("JOB_ID", job["job_id"]) for word in line] for line in (status, content))
        assert json.loads(subprocess.check_output([*status, "--silent"], timeout=20))["status"] == "completed"
        subprocess.check_call([*content, "--silent"], cwd=tmp_path, timeout=20)
    assert (tmp_path / "video.mp4").read_bytes() == b"video of A serene lake at sunset"


@pytest.mark.parametrize("options", [{"api_keys": {"dct_mine"}, "today": True}], ids=["keys and today"])
def test_the_page_shows_no_key_and_no_retired_model(raw: RawClient) -> None:
    page = raw.get("/", key=None).body.decode()
    assert "dct_mine" not in page
    assert "only those that it was started with" in page
    assert commands(page)[0][3].endswith("/v1/jobs/lucy-restyle-2")


def test_the_page_repeats_no_markup_of_the_host(raw: RawClient) -> None:
    assert b"<script" not in raw.get("/", Host='x"><script>alert(1)</script>').body


def test_the_health_check_is_ok_without_a_key(raw: RawClient) -> None:
    response = raw.get("/healthz", key=None)
    assert (response.status, response.json) == (200, {"status": "ok"})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_neither_is_logged_or_affected_by_faults(raw: RawClient, path: str) -> None:
    raw.emulator.faults.add("status:500,times=forever")
    assert raw.get(path).status == 200
    assert list(raw.emulator.requests) == []


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_other_methods_are_405(raw: RawClient, path: str) -> None:
    assert raw.request("HEAD", path, key=None).status == 200
    response = raw.request("POST", path, b"")
    assert (response.status, response.json) == (405, {"detail": "Method Not Allowed"})
