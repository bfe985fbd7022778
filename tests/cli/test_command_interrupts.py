"""Ctrl-C and SIGTERM in each phase of a command: what is printed, the exit code, and that the job is not lost."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from support.commands import decart, interrupt, served, start

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


def wait_for(process: subprocess.Popen[bytes], pattern: str) -> str:
    """Read what a command says until a line has a pattern; return all of it."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line.decode()
        if re.search(pattern, line.decode()):
            return said
    raise AssertionError(f"it ended without {pattern!r}:\n{said}")


def silent_server() -> tuple[socket.socket, dict[str, str]]:
    """Return a socket that listens and sends nothing, and the environment of a command that uses it."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, {"DECART_BASE_URL": f"http://127.0.0.1:{listener.getsockname()[1]}", "DECART_API_KEY": "dct_x"}


def resume(text: str, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run the command that an interrupted one has proposed in its last line."""
    *_, last = text.splitlines()
    assert last.startswith("Resume with: decart ")
    return decart(*shlex.split(last)[3:], **environment)


@by_signal
@pytest.mark.parametrize("arguments", [("run", *LAKE, "-o", "lake.mp4"), ("submit", *LAKE)], ids=["run", "submit"])
def test_while_the_submit_is_under_way_the_job_may_be_billed(
    arguments: tuple[str, ...], number: int, code: int, word: str
) -> None:
    listener, environment = silent_server()
    with listener, start(*arguments, environment=environment) as command:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as received:
            while b"A lake" not in received.readline():
                pass
            assert interrupt(command, number) == (code, "", f"decart: error: {word}.\n{BILLED}")


def test_while_a_file_is_uploaded_the_job_may_be_billed() -> None:
    with open("large.mp4", "wb") as file:
        file.truncate(64 * 1024 * 1024)
    listener, environment = silent_server()
    with listener, start("submit", "-m", "lucy-clip", "-p", "A", "-i", file.name, environment=environment) as command:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as received:
            received.read(100_000)
            code, stdout, stderr = interrupt(command)
    assert (code, stdout, stderr) == (130, "", f"decart: error: Interrupted.\n{BILLED}")


def test_with_a_journal_the_label_is_named_and_how_to_settle_it() -> None:
    listener, environment = silent_server()
    labelled = (*LAKE, "--label", "order 17", "--journal", "jobs.db")
    with listener, start("submit", *labelled, environment=environment) as command:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as received:
            while b"A lake" not in received.readline():
                pass
            code, _, stderr = interrupt(command)
    assert code == 130
    assert "The label of the job is 'order 17'." in stderr
    assert "run `decart jobs settle 'order 17' --job-id ID` if the job is there, or " in stderr
    again = decart("submit", *labelled, **environment)
    assert again.returncode == 6
    assert b"decart jobs settle 'order 17'" in again.stderr


def test_while_an_image_is_made_it_may_be_billed() -> None:
    listener, environment = silent_server()
    picture = ("image", "-m", "lucy-pro-t2i", "-p", "A lake", "-o", "lake.png")
    with listener, start(*picture, environment=environment) as command:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as received:
            while b"A lake" not in received.readline():
                pass
            code, _, stderr = interrupt(command)
    assert code == 130
    assert "The image may have been made, and you may have been charged: check your account" in stderr


@by_signal
@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["", "-q"])
def test_while_it_waits_the_id_and_the_command_to_resume_are_printed(
    quiet: tuple[str, ...], number: int, code: int, word: str
) -> None:
    with served(seconds=1.0) as (emulator, environment):
        with start("run", *LAKE, "-o", "lake.mp4", "-v", *quiet, environment=environment) as command:
            wait_for(command, "is pending")
            returned, stdout, stderr = interrupt(command, number)
        job_id = emulator.requests.submits[0].job_id
        assert (returned, stdout) == (code, "")
        assert (
            f"decart: error: {word}.\nJob {job_id} continues.\nResume with: decart wait {job_id} -o lake.mp4\n"
            in stderr
        )
        assert resume(stderr, environment).returncode == 0
        assert Path("lake.mp4").exists()
        assert len(emulator.requests.submits) == 1


@pytest.mark.parametrize("target", [(), ("-o", "lake.mp4")], ids=["no file", "a file"])
def test_a_wait_proposes_itself(target: tuple[str, ...]) -> None:
    with served(seconds=1.0) as (_, environment):
        job_id = decart("submit", *LAKE, **environment).stdout.decode().strip()
        with start("wait", job_id, *target, environment=environment) as command:
            wait_for(command, f"Job {job_id}")
            code, _, stderr = interrupt(command)
        assert code == 130
        assert stderr.endswith(f"Resume with: {shlex.join(['decart', 'wait', job_id, *target])}\n")
        assert resume(stderr, environment).returncode == 0


@pytest.mark.parametrize("command", ["run", "download"])
def test_while_it_downloads_the_rest_is_fetched_by_the_command_that_is_printed(command: str) -> None:
    with served() as (emulator, environment):
        options: tuple[str, ...] = LAKE
        if command == "download":
            job_id = decart("submit", *LAKE, **environment).stdout.decode().strip()
            assert decart("wait", job_id, **environment).returncode == 0
            options = (job_id,)
        emulator.faults.add("stall,on=content,bytes=100")
        with start(command, *options, "-o", "lake.mp4", "-vv", environment=environment) as running:
            wait_for(running, r"GET .*/content: 200")
            code, _, stderr = interrupt(running)
        assert code == 130
        assert (
            re.search(r"\nJob \w+ is done\.\nResume with: decart wait \w+ -o lake\.mp4\n$", stderr) or command != "run"
        )
        assert resume(stderr, environment).returncode == 0
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


def test_between_two_calls_the_id_is_known(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as (emulator, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
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
    with start("run", "--emulator", *LAKE, "-o", "lake.mp4", environment={}) as command:
        wait_for(command, "pending")
        code, _, stderr = interrupt(command)
    assert code == 130
    assert stderr.endswith("The emulator has ended, and the job with it; nothing was billed.\n")
    assert "Resume with" not in stderr


def test_json_is_one_document_after_an_interrupt_too() -> None:
    run = ("run", *LAKE, "-o", "lake.mp4", "--json")
    with served(seconds=1.0) as (_, environment), start(*run, environment=environment) as command:
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
