"""A command in a real terminal: bars, colors, and Ctrl-C as a person types it."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from support.commands import Terminal, advance, decart, served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals differ between systems")

ESCAPE = "\x1b"
CLIP = ("-m", "lucy-clip", "-p", "Winter", "-i", "lake.mp4")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("lake.mp4").write_bytes(bytes(100_000))
    return tmp_path


def test_a_bar_is_drawn_and_goes_away_and_the_id_stays(folder: Path) -> None:
    with served() as (emulator, environment), Terminal("run", *CLIP, "-o", "winter.mp4", **environment) as terminal:
        assert terminal.end() == 0
        job_id = emulator.requests.submits[0].job_id
    for drawn in ("upload: 100%", "lucy-clip: pending [", "lucy-clip: completed [", "download: 100%"):
        assert drawn in terminal.text
    assert terminal.screen == [f"Job {job_id}: pending", f"{folder / 'winter.mp4'}", ""]
    assert ESCAPE not in terminal.text


@pytest.mark.parametrize(
    ("options", "variables"), [(("-q",), {}), (("-v",), {}), ((), {"TERM": "dumb"})], ids=["-q", "-v", "dumb"]
)
def test_no_bar_is_drawn_where_it_is_not_wanted(options: tuple[str, ...], variables: dict[str, str]) -> None:
    with served() as (_, environment), Terminal("run", *CLIP, "-o", "a", *options, **environment, **variables) as it:
        assert it.end() == 0
    assert "%" not in it.text and "[00:" not in it.text and ESCAPE not in it.text


def test_ctrl_c_prints_the_command_that_gets_the_video_after_all(folder: Path) -> None:
    with served(is_still=True) as (emulator, environment):
        with Terminal("run", *CLIP, "-o", "my winter.mp4", **environment) as terminal:
            terminal.wait_for(r"lucy-clip: pending \[")
            terminal.type(b"\x03")
            assert terminal.end() == 130
        job_id = emulator.requests.submits[0].job_id
        assert terminal.screen[0] == f"Job {job_id}: pending"
        assert terminal.screen[-3:-1] == [f"Job {job_id} continues.", f"Resume with: {resume_with(terminal.text)}"]
        advance(emulator)
        done = decart(*shlex.split(resume_with(terminal.text))[1:], **environment)
        assert (done.returncode, done.stdout.decode()) == (0, f"{folder / 'my winter.mp4'}\n")
        assert len(emulator.requests.submits) == 1


def resume_with(text: str) -> str:
    """Return the command that a text proposes."""
    found = re.search(r"Resume with: (decart .*?)\r?\n", text)
    assert found, text
    return found[1]


def test_ctrl_c_while_it_reads_a_prompt_submits_nothing() -> None:
    with served() as (emulator, environment), Terminal("submit", "-m", "lucy-pro-t2v", "-p", "-", **environment) as it:
        it.wait_for("Reading from the terminal; end it with Ctrl-D.")
        it.type(b"A la\n\x03")
        assert it.end() == 130
        assert "Interrupted, before a job was submitted." in it.text
        assert len(emulator.requests) == 0


def test_a_prompt_may_be_typed() -> None:
    with served() as (emulator, environment), Terminal("submit", "-m", "lucy-pro-t2v", "-p", "-", **environment) as it:
        it.wait_for("Ctrl-D")
        it.type(b"A lake\n\x04")
        assert it.end() == 0
        assert emulator.requests.submits[0].fields["prompt"] == "A lake"


@pytest.mark.parametrize(
    ("variables", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_errors_are_red_unless_no_color_is_wanted(variables: dict[str, str], colored: bool) -> None:
    with Terminal("status", "j1", **variables) as terminal:
        assert terminal.end() == 4
    assert ("\x1b[31mdecart: error:\x1b[0m" in terminal.text) is colored
    assert (ESCAPE in terminal.text) is colored


def test_a_file_is_not_written_to_a_terminal() -> None:
    with served() as (emulator, environment), Terminal("run", *CLIP, "-o", "-", **environment) as terminal:
        assert terminal.end() == 2
        assert "-o -: standard output is a terminal; name a file, or pipe it to a program." in terminal.text
        assert len(emulator.requests) == 0
