"""Each exit code, by a run of the installed command; ``--help`` lists them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.commands import COMMAND, decart, served
from support.forked import starter

from decart.cli.exits import MEANINGS, Exit, code_of
from decart.cli.main import main
from decart.errors import (
    ConnectError,
    JobFailedError,
    NotFoundError,
    ProcessingOutcomeUnknownError,
    QueueResultError,
    QueueSubmitError,
)

RUN = ("run", "-m", "lucy-pro-t2v", "-p", "A lake", "-o", "lake.mp4")
Run = Callable[..., subprocess.CompletedProcess[Any]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run the command like ``decart``; where possible, in a fork of a process that has imported the package."""
    if not hasattr(os, "fork") or len(COMMAND) > 1:
        yield decart
        return
    with starter() as warm:
        yield lambda *arguments, **variables: warm.run(Path(COMMAND[0]), *arguments, folder=Path.cwd(), **variables)


@pytest.mark.parametrize(
    ("code", "fault", "arguments"),
    [
        (Exit.DONE, None, RUN),
        (Exit.ERROR, "status:400,on=submit", RUN),
        (Exit.USAGE, None, (*RUN, "--no-such-option")),
        (Exit.USAGE, None, (*RUN, "-i", "lake.mp4")),
        (Exit.TIMED_OUT, "job-never-ends", (*RUN, "--timeout", "0.1")),
        (Exit.KEY_REFUSED, "status:401", RUN),
        (Exit.KEY_REFUSED, None, (*RUN, "--api-key-file", "missing")),
        (Exit.JOB_FAILED, "job-fails", RUN),
        (Exit.OUTCOME_UNKNOWN, "drop-after", RUN),
    ],
)
def test_the_exit_code_says_how_it_ended(
    code: Exit, fault: str | None, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    with served(*filter(None, [fault])) as (_, environment):
        done = run(*arguments, "--json", **environment)
        assert done.returncode == code, done.stderr
        if "--no-such-option" not in arguments and code != Exit.DONE:  # a usage error of argparse has no document
            assert json.loads(done.stdout)["exit_code"] == code


def test_help_lists_the_exit_codes_of_the_program_and_of_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ((), ("run",), ("status",), ("image",)):
        with pytest.raises(SystemExit, match="0"):
            main([*command, "--help"])
        text = capsys.readouterr().out
        listed = re.findall(r"^ +(\d+)  (.*)$", text.split("exit codes:\n")[1], re.MULTILINE)
        assert [(int(code), meaning) for code, meaning in listed] == [*MEANINGS.items()]


def test_the_code_of_an_error_is_that_of_its_causes() -> None:
    refused = NotFoundError("no", status_code=404)
    assert code_of(QueueResultError("no", cause=JobFailedError("no"))) == Exit.JOB_FAILED
    assert code_of(QueueResultError("no", cause=refused)) == Exit.ERROR
    assert code_of(QueueSubmitError("no", cause=ConnectError("no"))) == Exit.ERROR
    assert code_of(ProcessingOutcomeUnknownError("no", cause=ConnectError("no"))) == Exit.OUTCOME_UNKNOWN


def test_the_usage_of_a_command_is_printed_if_an_argument_is_unknown() -> None:
    done = decart("status", "j1", "--resolution", "720p")
    assert done.returncode == 2
    first, *_, last = done.stderr.decode().splitlines()
    assert first.startswith("usage: decart status ")
    assert last == "decart status: error: unrecognized arguments: --resolution 720p"
