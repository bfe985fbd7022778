"""Ctrl-C and SIGTERM in each phase of a command: what is printed, the exit code, and that the job is not lost."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from support.commands import (
    advance,
    decart,
    interrupt,
    interrupting,
    resume,
    served,
    served_here,
    service_here,
    start,
    wait_for,
)
from support.media import write_video

from decart.cli.main import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")

LAKE = ("-m", "lucy-pro-t2v", "-p", "A lake")
SIGNALS = [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")]
by_signal = pytest.mark.parametrize(("number", "code", "word"), SIGNALS, ids=["SIGINT", "SIGTERM"])
BILLED = (
    "The submit ended before its response arrived. The job may have been accepted, and you may have been charged: "
    "check your account before you submit it again.\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@by_signal
@pytest.mark.parametrize("arguments", [("run", *LAKE, "-o", "lake.mp4"), ("submit", *LAKE)], ids=["run", "submit"])
def test_while_the_submit_is_under_way_the_job_may_be_billed(
    arguments: tuple[str, ...],
    number: int,
    code: int,
    word: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with interrupting(b"A lake", number, monkeypatch):
        assert main(arguments) == code
    assert capsys.readouterr() == ("", f"decart: error: {word}.\n{BILLED}")


def test_while_a_file_is_uploaded_the_job_may_be_billed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("large.mp4", "wb") as file:
        file.truncate(64 * 1024 * 1024)
    with interrupting(b'name="data"', signal.SIGINT, monkeypatch):
        assert main(["submit", "-m", "lucy-clip", "-p", "A", "-i", file.name]) == 130
    assert capsys.readouterr() == ("", f"decart: error: Interrupted.\n{BILLED}")


def test_with_a_journal_the_label_is_named_and_how_to_settle_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = ["submit", *LAKE, "--label", "order 17", "--journal", "jobs.db"]
    with interrupting(b"A lake", signal.SIGINT, monkeypatch):
        assert main(submit) == 130
    stderr = capsys.readouterr().err
    assert "The label of the job is 'order 17'." in stderr
    assert "run `decart jobs settle 'order 17' --job-id ID --journal jobs.db` if the job is there, or " in stderr
    again = decart(*submit, **service_here())
    assert again.returncode == 6
    assert b"decart jobs settle 'order 17'" in again.stderr


def test_while_an_image_is_made_it_may_be_billed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with interrupting(b"A lake", signal.SIGINT, monkeypatch):
        assert main(["image", "-m", "lucy-pro-t2i", "-p", "A lake", "-o", "lake.png"]) == 130
    assert "The image may have been made, and you may have been charged: check your account" in capsys.readouterr().err


@by_signal
@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["", "-q"])
def test_while_it_waits_the_id_and_the_command_to_resume_are_printed(
    quiet: tuple[str, ...], number: int, code: int, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_here(tmp_path, monkeypatch, is_still=True) as emulator:
        with start("run", *LAKE, "-o", "lake.mp4", "-v", *quiet, environment=service_here()) as command:
            wait_for(command, "is pending")
            returned, stdout, stderr = interrupt(command, number)
        job_id = emulator.requests.submits[0].job_id
        assert (returned, stdout) == (code, "")
        assert (
            f"decart: error: {word}.\nJob {job_id} continues.\nResume with: decart wait {job_id} -o lake.mp4\n"
            in stderr
        )
        advance(emulator)
        assert resume(stderr) == 0
        assert Path("lake.mp4").exists()
        assert len(emulator.requests.submits) == 1


@pytest.mark.parametrize("target", [(), ("-o", "lake.mp4")], ids=["no file", "a file"])
def test_a_wait_proposes_itself(target: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served_here(tmp_path, monkeypatch, is_still=True) as emulator:
        assert main(["submit", *LAKE]) == 0
        job_id = str(emulator.requests.submits[0].job_id)
        with start("wait", job_id, *target, environment=service_here()) as command:
            wait_for(command, f"Job {job_id}")
            code, _, stderr = interrupt(command)
        assert code == 130
        assert stderr.endswith(f"Resume with: {shlex.join(['decart', 'wait', job_id, *target])}\n")
        advance(emulator)
        assert resume(stderr) == 0


@pytest.mark.parametrize("command", ["run", "download"])
def test_while_it_downloads_the_rest_is_fetched_by_the_command_that_is_printed(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_here(tmp_path, monkeypatch) as emulator:
        options: tuple[str, ...] = LAKE
        if command == "download":
            assert main(["submit", *LAKE]) == 0
            options = (str(emulator.requests.submits[0].job_id),)
            assert main(["wait", *options]) == 0
        emulator.faults.add("stall,on=content,bytes=100")
        with start(command, *options, "-o", "lake.mp4", "-vv", environment=service_here()) as running:
            wait_for(running, r"GET .*/content: 200")
            code, _, stderr = interrupt(running)
        assert code == 130
        assert (
            re.search(r"\nJob \w+ is done\.\nResume with: decart wait \w+ -o lake\.mp4\n$", stderr) or command != "run"
        )
        assert resume(stderr) == 0
        assert Path("lake.mp4").read_bytes()[4:8] == b"ftyp"
        assert len(emulator.requests.submits) == 1


@by_signal
def test_before_anything_is_sent_that_is_said(
    number: int, code: int, word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Raises(number))
    handler = signal.getsignal(signal.SIGTERM)
    assert main(["submit", "-m", "lucy-pro-t2v", "-p", "-"]) == code
    assert capsys.readouterr().err == f"decart: error: {word}, before a job was submitted.\n"
    assert main(["image", "-m", "lucy-pro-t2i", "-p", "-", "-o", "x"]) == code
    assert capsys.readouterr().err == f"decart: error: {word}.\n"
    assert signal.getsignal(signal.SIGTERM) is handler


def test_between_two_calls_the_id_is_known(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with served_here(tmp_path, monkeypatch) as emulator:
        monkeypatch.setattr("sys.stdout", Raises(signal.SIGINT))
        assert main(["submit", *LAKE]) == 130
        job_id = emulator.requests.submits[0].job_id
    assert capsys.readouterr().err == f"decart: error: Interrupted.\nResume with: decart wait {job_id}\n"


class Raises(TextIOWrapper):
    """A stream that sends a signal to this process when it is used."""

    def __init__(self, number: int) -> None:
        super().__init__(BytesIO())
        self._number = number

    @property
    def buffer(self) -> Any:
        """Send the signal."""
        return self.write("")

    def write(self, text: str) -> int:
        """Send the signal."""
        signal.raise_signal(self._number)
        return len(text)


def test_an_emulator_of_its_own_ends_with_the_command() -> None:
    write_video(Path("short.mp4"), ticks=(0,))  # its emulator ends when it has rendered the job
    edit = ("run", "--emulator", "-m", "lucy-2.5", "-p", "Winter", "-i", "short.mp4", "-o", "winter.mp4")
    with start(*edit, environment={}) as command:
        wait_for(command, "pending")
        code, _, stderr = interrupt(command)
    assert code == 130
    assert stderr.endswith("The emulator has ended, and the job with it; nothing was billed.\n")
    assert "Resume with" not in stderr


def test_json_is_one_document_after_an_interrupt_too() -> None:
    run = ("run", *LAKE, "-o", "lake.mp4", "--json")
    with served(is_still=True) as (_, environment), start(*run, environment=environment) as command:
        job_id = wait_for(command, "pending").split()[1].rstrip(":")
        code, stdout, _ = interrupt(command)
    assert code == 130
    assert json.loads(stdout) == {
        "error": {
            "type": "KeyboardInterrupt",
            "message": f"Interrupted. Job {job_id} continues.",
            "job_id": job_id,
            "resume": f"decart wait {job_id} -o lake.mp4",
        },
        "exit_code": 130,
    }
