"""What goes to standard output and standard error, and what happens if they cannot be written to."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from io import StringIO, TextIOWrapper
from pathlib import Path

import pytest
from support.commands import COMMAND, BrokenPipe, FakeTerminal, decart, served_here, service_here, start
from support.fakes import MP4
from support.images import PNG
from workers.running import PATIENCE, small_environment

from decart.cli.main import main
from decart.cli.output import Output, OutputError
from decart.emulator import Emulator
from decart.emulator.render import RenderJob

LAKE = ("-m", "lucy-pro-t2v", "-p", "A lake")
RUN = ("run", *LAKE, "-o", "lake.mp4")


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Emulator]:
    with served_here(tmp_path, monkeypatch) as emulator:
        yield emulator


def test_json_is_one_document_on_standard_output(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RUN, "--json"]) == 0
    job_id = emulator.requests.submits[0].job_id
    result = json.loads(capsys.readouterr().out)
    assert result.pop("seconds") > 0
    path = str(Path("lake.mp4").absolute())
    assert result == {"job_id": job_id, "status": "completed", "path": path, "model": "lucy-pro-t2v"}
    for command in ("status", "wait"):
        assert main([command, str(job_id), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"job_id": job_id, "status": "completed", "error": None}
    assert main(["download", str(job_id), "-o", "lake.mp4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"job_id": job_id, "status": "completed", "path": path}
    assert main(["submit", *LAKE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "pending"


def test_json_is_one_document_for_an_error_too(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    emulator.faults.add("job-never-ends")
    assert main([*RUN, "--timeout", "0", "--json"]) == 3
    printed = capsys.readouterr()
    job_id = emulator.requests.submits[0].job_id
    error = json.loads(printed.out)["error"]
    assert error.pop("message").startswith(f"The wait for job {job_id} ended")
    assert error == {"type": "JobTimeoutError", "job_id": job_id, "resume": f"decart wait {job_id} -o lake.mp4"}
    assert f"Resume with: {error and f'decart wait {job_id} -o lake.mp4'}\n" in printed.err


def test_json_and_a_file_do_not_share_standard_output(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *LAKE, "-o", "-", "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["message"] == "-o - cannot be used with --json; name a file."
    assert len(emulator.requests) == 0


def test_quiet_prints_the_result_and_errors_only(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "-m", "lucy-restyle-v2v", "-i", os.devnull, "-p", "A", "--dry-run", "-q"]) == 2
    assert re.fullmatch(r"decart: error: .*\n", capsys.readouterr().err)
    assert main([*RUN, "-q"]) == 0
    assert capsys.readouterr() == (f"{Path('lake.mp4').absolute()}\n", "")


def test_warnings_are_for_people(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lake.mp4").write_bytes(b"12345")
    edit = ["submit", "-m", "lucy-2-v2v", "-p", "Winter", "-i", "lake.mp4", "--dry-run"]
    assert main(edit) == 0
    assert capsys.readouterr().err.startswith(
        "decart: warning: The model name 'lucy-2-v2v' is deprecated; 'lucy-2' is the same model.\n"
        "decart: warning: lucy-2-v2v was retired in April 2026."
    )
    assert main([*edit, "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_verbose_logs_retries_and_twice_every_request(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    emulator.faults.add("status:503,on=submit,retry_after=0", "status:503,on=submit,retry_after=0")
    assert main(["submit", *LAKE, "-v"]) == 0
    once = capsys.readouterr().err
    assert re.search(r"^\d\d:\d\d:\d\d attempt 1 of the submit failed", once, re.MULTILINE)
    assert "POST http" not in once
    assert main([*RUN, "-vv"]) == 0
    twice = capsys.readouterr().err
    assert "POST http" in twice
    assert len(re.findall(r"^.*is completed$", twice, re.MULTILINE)) == 1 and "Job " not in twice


def test_a_program_that_ends_early_costs_no_video_and_no_traceback(emulator: Emulator) -> None:
    with start("run", *LAKE, "-o", "-", environment=service_here()) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.close()
        text = run.stderr.read().decode()
    assert run.returncode == 1
    job_id = emulator.requests.submits[0].job_id
    assert "decart: error: Standard output cannot be written to (Broken pipe), and does not have" in text
    assert text.endswith(f"\nResume with: decart wait {job_id} -o -\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_the_id_of_a_paid_job_is_printed_somewhere(emulator: Emulator) -> None:
    with open("/dev/full", "wb") as full:
        submit = start("submit", *LAKE, environment=service_here(), stdout=full)
        text = submit.communicate(timeout=PATIENCE)[1].decode()
    job_id = emulator.requests.submits[0].job_id
    assert submit.returncode == 1
    assert f"(No space left on device); the result is: {job_id}.\nResume with: decart wait {job_id}\n" in text


def test_a_list_that_is_cut_off_by_its_reader_is_no_error_to_speak_of(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", TextIOWrapper(BrokenPipe()))
    assert main(["submit", *LAKE, "--dry-run"]) == 1
    assert "error" not in capsys.readouterr().err


def test_a_secret_does_not_go_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    Output().result({}, "ek_secret", is_secret=True)
    assert capsys.readouterr().err == "Standard output is closed, so the result is not printed: it is a secret.\n"
    monkeypatch.setattr("sys.stdout", TextIOWrapper(BrokenPipe()))
    with pytest.raises(OutputError, match=r"^Standard output cannot be written to \(Broken pipe\)\.$"):
        Output().result({}, "ek_secret", is_secret=True)


def test_closed_streams_do_not_end_a_paid_job(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    said = StringIO()
    monkeypatch.setattr("sys.stderr", said)
    monkeypatch.setattr("sys.stdout", None)
    assert main(["run", *LAKE, "-o", "-"]) == 2
    assert "-o -: standard output is closed; name a file, or pipe it to a program." in said.getvalue()
    assert len(emulator.requests) == 0
    assert main(["submit", *LAKE]) == 0
    assert said.getvalue().endswith(f"\n{emulator.requests.submits[0].job_id}\n")
    monkeypatch.setattr("sys.stderr", None)
    assert main([*RUN, "-v"]) == 0
    monkeypatch.setattr("sys.stderr", TextIOWrapper(BrokenPipe()))
    assert main([*RUN, "-v"]) == 0


def test_standard_error_that_breaks_ends_nothing_and_changes_no_exit_code(emulator: Emulator) -> None:
    with start(*RUN, environment=service_here()) as run:
        assert run.stdout is not None and run.stderr is not None
        run.stderr.close()
        assert run.stdout.read().decode() == f"{Path('lake.mp4').absolute()}\n"
    assert run.returncode == 0


def test_a_name_that_the_terminal_cannot_show_is_escaped(emulator: Emulator) -> None:
    done = decart("run", *LAKE, "-o", "\u6e56.mp4", PYTHONIOENCODING="ascii", PYTHONUTF8="0", **service_here())
    assert (done.returncode, done.stdout.decode()) == (0, f"{Path.cwd()}/\\u6e56.mp4\n")


def test_nothing_in_a_pipe_is_colored(emulator: Emulator) -> None:
    done = decart(*RUN, "--timeout", "0", TERM="xterm-256color", **service_here())
    assert b"\x1b" not in done.stderr + done.stdout and b"\r" not in done.stderr


def test_a_file_that_cannot_be_replaced_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def render(job: RenderJob, target: Path) -> None:
        target.write_bytes(PNG if job.task == "text-to-image" else MP4)
        (tmp_path / "taken").mkdir(exist_ok=True)

    with served_here(tmp_path, monkeypatch, renderer=render) as emulator:
        assert main(["run", *LAKE, "-o", "taken"]) == 1
        job_id = emulator.requests.submits[0].job_id
        said = capsys.readouterr().err
        assert f"decart: error: {tmp_path / 'taken'} is a folder; name a file in it.\n" in said
        assert said.endswith(f"Job {job_id} is done.\nResume with: decart wait {job_id} -o taken\n")

        (tmp_path / "taken").rmdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert main(["image", "-m", "lucy-pro-t2i", "-p", "A", "-o", "taken"]) == 1
    found = re.search(
        r"The image was made and billed, and may not be saved\.\nThe image is in (.*)\.\n", capsys.readouterr().err
    )
    assert found and Path(found[1]).read_bytes() == PNG


@pytest.mark.parametrize(("variables", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_errors_are_red_on_a_terminal(
    variables: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", terminal := FakeTerminal())
    assert main(["status", "a b"]) != 0
    assert ("\x1b[31mdecart: error:\x1b[0m " in terminal.getvalue()) is colored
    assert ("\x1b" in terminal.getvalue()) is colored


def test_a_full_disk_is_named_and_the_video_can_be_fetched_again(emulator: Emulator) -> None:
    limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"]
    done = subprocess.run(
        [*limited, *COMMAND, *RUN],
        env=small_environment(**service_here()),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    job_id = emulator.requests.submits[0].job_id
    assert done.returncode == 1
    assert done.stderr.decode().endswith(
        f"decart: error: {Path('lake.mp4').absolute()}: File too large.\nJob {job_id} is done.\n"
        f"Resume with: decart wait {job_id} -o lake.mp4\n"
    )


def test_a_video_that_standard_output_cannot_take_is_an_error_when_python_does_not_buffer(
    emulator: Emulator, tmp_path: Path
) -> None:
    limited = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh"]  # its write takes a part of the video, without an error
    with open(tmp_path / "videos", "wb", buffering=0) as video:
        video.write(bytes(300))
        done = subprocess.run(
            [*limited, *COMMAND, "run", *LAKE, "-o", "-"],
            env=small_environment(PYTHONUNBUFFERED="1", **service_here()),
            stdout=video,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert b"does not have the complete file" in done.stderr
