"""A command line, or a key, that is typed in the wrong place; and output that cannot be written."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import COMMAND, served, served_here, start
from workers.running import PATIENCE, small_environment

from decart.cli.main import main

KEY = "dct_0123456789"
LAKE = ("-m", "lucy-pro-t2v", "-p", "A lake")


@pytest.mark.parametrize(
    "arguments", [["status", "j", "--api-key", KEY], ["status", "j", KEY], ["token", "--api_key=x1"]]
)
def test_a_key_that_is_typed_as_an_argument_is_not_repeated(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--json"])
    printed = capsys.readouterr()
    assert KEY not in printed.err + printed.out and "x1" not in printed.err + printed.out
    assert "--api-key-file" in printed.err
    assert json.loads(printed.out)["exit_code"] == 2


def test_a_key_in_place_of_its_file_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "j", "--api-key-file", KEY]) == 4
    said = capsys.readouterr().err
    assert KEY not in said and "not the key" in said


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            ["run", *LAKE, "-o", "x", "--label", "-x"],
            "--label: expected one argument (one that begins with - is written --label=-x)",
        ),
        (
            ["run", "-p", "-a'b"],
            """-p/--prompt: expected one argument (one that begins with - is written --prompt='-a'"'"'b')""",
        ),
        (["jobs", "list", "--label-prefix", "--x"], "(one that begins with - is written --label-prefix=--x)"),
        (
            ["jobs", "show", "-x"],
            "required: LABEL (one that begins with - is written at the end: decart jobs show ... -- -x)",
        ),
        (["jobs", "settle", "-x", "--not-accepted"], "written at the end: decart jobs settle ... -- -x)"),
        (["status", "-x"], "written at the end: decart status ... -- -x)"),
        (["jobs", "show", "-q"], "required: LABEL"),
        (["run", "--label", "--json"], "--label: expected one argument"),
        (["run", "--nonsense", *LAKE], "required: -o/--output"),
    ],
    ids=lambda it: it if isinstance(it, str) else " ".join(it),
)
def test_a_value_that_begins_with_a_dash_is_told_from_an_option(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err.endswith(f"{hint}\n")


def test_a_label_may_begin_with_a_dash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = ("--journal", "jobs.db")
    with served_here(tmp_path, monkeypatch) as emulator:
        emulator.faults.add("drop-after")
        assert main(["submit", *LAKE, *journal, "--label=-x"]) == 6
        assert (
            "run `decart jobs settle --job-id ID --journal jobs.db -- -x` if the job is there, or "
            in capsys.readouterr().err
        )
        assert main(["jobs", "settle", *journal, "--job-id", str(emulator.requests.submits[0].job_id), "--", "-x"]) == 0
        assert main(["jobs", "show", *journal, "--", "-x"]) == 0
    assert "label: -x\n" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "prog"), [(["--json"], "decart"), (["jobs", "--json"], "decart jobs")])
def test_an_error_of_usage_is_one_json_document(
    arguments: list[str], prog: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert (error["type"], error["job_id"]) == ("UsageError", None)
    assert f"{prog}: error: {error['message']}" in printed.err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file")
@pytest.mark.parametrize("arguments", [["status", "j", "--json"], ["status", "--json"]])
def test_an_error_is_no_traceback_if_standard_output_is_full(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, env=small_environment(), timeout=PATIENCE
        )
    assert done.returncode in (2, 4)
    assert b"error: " in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["batch", "-", "--out", "videos"], ["verify", "-"]])
def test_standard_input_that_is_closed_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(arguments) == 2
    assert "Standard input is closed" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has other names and signals")
@pytest.mark.parametrize("name", ["-x.mp4", "a b'.mp4", os.fsdecode(b"caf\xe9 it's\\.mp4"), "two\nlines.mp4"])
def test_the_command_to_resume_works_in_a_shell_for_every_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with served("job-never-ends") as (_, environment):
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        assert main(["run", *LAKE, f"--output={name}", "--timeout", "0", "--journal=-j.db"]) == 3
    command = capsys.readouterr().err.partition("Resume with: decart ")[2]
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], stdout=subprocess.PIPE, check=True, timeout=PATIENCE
    ).stdout.split(b"\0")
    file = os.fsencode(name)
    assert words[0] == b"wait" and words[-2] == b"--journal=-j.db"
    assert b"--output=" + file in words if name.startswith("-") else words[words.index(b"-o") + 1] == file


def test_what_to_do_about_a_label_has_its_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with served("drop-after") as (_, environment):
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        command = ["run", *LAKE, "-o", "a.mp4", "--label", "a", "--journal"]
        assert main([*command, "my jobs.db"]) == 6
        found = re.search("`(decart jobs settle [^`]*--not-accepted[^`]*)`", capsys.readouterr().err)
        assert found is not None
        words = shlex.split(found[1])  # as a shell reads it
        assert words == ["decart", "jobs", "settle", "a", "--not-accepted", "--journal", "my jobs.db"]
        assert main(words[1:]) == 0
        assert capsys.readouterr().out == "a: refused\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_many_times_still_names_the_job(tmp_path: Path) -> None:
    with served("job-never-ends") as (_, environment):
        process = start("run", *LAKE, "-o", str(tmp_path / "a.mp4"), "--json", environment=environment)
        with process:
            assert process.stderr is not None
            first = process.stderr.readline().decode()
            for _ in range(20):
                process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=PATIENCE)
    job_id = first.split()[1].rstrip(":")
    document = json.loads(stdout)
    assert document["error"]["job_id"] == job_id
    assert document["error"]["resume"] == shlex.join(["decart", "wait", job_id, "-o", str(tmp_path / "a.mp4")])
    assert b"Traceback" not in stderr
