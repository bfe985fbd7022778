"""The commands about one video or image, over HTTP, against the emulator."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from support.commands import BrokenPipe, FakeTerminal, decart, served_here, service_here
from support.media import write_video
from workers.running import small_environment

from decart.cli.main import main
from decart.emulator import Emulator

LAKE = ("-m", "lucy-pro-t2v", "-p", "A lake")


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Emulator]:
    with served_here(tmp_path, monkeypatch) as emulator:
        yield emulator


def test_the_first_command_needs_nothing_but_the_extra(tmp_path: Path) -> None:
    done = decart("run", "--emulator", *LAKE, "-o", str(tmp_path / "lake.mp4"))
    assert (done.returncode, done.stdout.decode()) == (0, f"{tmp_path / 'lake.mp4'}\n")
    assert re.match(r"Job \w+: pending\n", done.stderr.decode())
    with av.open(str(tmp_path / "lake.mp4")) as video:
        stream = video.streams.video[0]
        frames = sum(1 for _ in video.decode(stream))
        assert (stream.codec_context.name, frames, stream.width, stream.height) == ("h264", 125, 1280, 704)


def test_run_prints_the_id_as_the_job_is_accepted_and_then_each_status_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with served_here(tmp_path, monkeypatch, seconds_per_check=0.06) as emulator:
        assert main(["run", *LAKE, "-o", "lake.mp4"]) == 0
    job_id = emulator.requests.submits[0].job_id
    printed = capsys.readouterr()
    assert printed.out == f"{Path('lake.mp4').absolute()}\n"
    statuses = [line.removeprefix(f"Job {job_id}: ") for line in printed.err.splitlines()]
    assert statuses == ["pending", "processing", "completed"]


def test_a_job_that_was_submitted_is_there_for_the_other_commands(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", *LAKE]) == 0
    job_id = capsys.readouterr().out.strip()
    assert main(["wait", job_id]) == 0
    assert capsys.readouterr().out == "completed\n"
    assert main(["status", job_id]) == 0
    assert capsys.readouterr().out == "completed\n"
    assert main(["wait", job_id, "-o", "waited.mp4"]) == 0
    assert main(["download", job_id, "-o", "downloaded.mp4"]) == 0
    assert Path("waited.mp4").read_bytes() == Path("downloaded.mp4").read_bytes()
    assert len(emulator.requests.submits) == 1


@pytest.mark.parametrize("command", ["run", "wait", "download"])
def test_a_video_goes_to_standard_output_and_nothing_else_does(emulator: Emulator, command: str) -> None:
    main(["run", *LAKE, "-o", "lake.mp4", "-q"])
    job_id = emulator.requests.submits[0].job_id or ""
    done = decart(command, *(LAKE if command == "run" else (job_id,)), "-o", "-", **service_here())
    assert (done.returncode, done.stdout) == (0, Path("lake.mp4").read_bytes())


def test_a_job_that_failed_is_printed_with_its_reason(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    emulator.faults.add("job-fails:no lake")
    main(["submit", *LAKE])
    job_id = capsys.readouterr().out.strip()
    assert main(["wait", job_id]) == 5
    assert main(["status", job_id]) == 0
    assert capsys.readouterr().out == "failed: no lake\n" * 2
    assert main(["wait", job_id, "-o", "lake.mp4"]) == 5
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.endswith(f"decart: error: Job {job_id} failed: no lake\n")
    emulator.faults.add("job-fails")
    assert main(["run", *LAKE, "-o", "lake.mp4", "-q"]) == 5
    assert re.fullmatch(r"decart: error: Job \w+ failed, and the service did not say why\.\n", capsys.readouterr().err)


def test_a_wait_without_a_file_goes_on_through_failed_status_checks(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["submit", *LAKE])
    emulator.faults.add("status:503,on=status")
    assert main(["wait", capsys.readouterr().out.strip()]) == 0


def test_an_image_is_saved_or_written_to_standard_output(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = ("image", "-m", "lucy-pro-t2i", "-p", "A lake")
    assert main([*picture, "-o", "lake.png"]) == 0
    assert capsys.readouterr().out == f"{Path('lake.png').absolute()}\n"
    assert Path("lake.png").read_bytes().startswith(b"\x89PNG")
    done = decart(*picture, "-o", "-", **service_here())
    assert done.stdout.startswith(b"\x89PNG")


def test_an_image_that_cannot_be_written_is_kept_because_it_was_paid_for(
    emulator: Emulator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(BrokenPipe()))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["image", "-m", "lucy-pro-t2i", "-p", "A lake", "-o", "-"]) == 1
    found = re.search(r"The image is in (.*)\.\n", capsys.readouterr().err)
    assert found and Path(found[1]).read_bytes().startswith(b"\x89PNG")
    assert Path(found[1]).parent == tmp_path


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("command", "model", "path"),
    [("run", "lucy-2.5", "/v1/jobs/lucy-2.5"), ("submit", "lucy-2.5", "/v1/jobs/lucy-2.5")]
    + [("image", "lucy-image-2", "/v1/generate/lucy-image-2")],
)
def test_a_dry_run_shows_the_request_and_sends_nothing(
    emulator: Emulator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    model: str,
    path: str,
    as_json: bool,
) -> None:
    monkeypatch.delenv("DECART_API_KEY")
    Path("lake.mp4").write_bytes(b"12345")
    target = () if command == "submit" else ("-o", "x")
    options = ["-m", model, "-p", "Winter", "-i", "lake.mp4", "--seed", "7", *target]
    assert main([command, *options, "--dry-run", *(["--json"] if as_json else [])]) == 0
    printed = capsys.readouterr()
    if as_json:
        document: dict[str, Any] = json.loads(printed.out)
        assert document["url"].endswith(path)
        assert document["fields"]["data"] == {"file": "lake.mp4", "type": "video/mp4", "bytes": 5}
        assert document["fields"]["seed"] == "7"
    else:
        assert re.match(rf"POST http://127.0.0.1:\d+{re.escape(path)}\n", printed.out)
        assert "  data: lake.mp4 (video/mp4, 5 bytes)\n" in printed.out and "  prompt: Winter\n" in printed.out
    assert printed.err == "Nothing was sent.\n"
    assert len(emulator.requests) == 0


def test_a_dry_run_warns_of_a_model_that_was_retired(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", *LAKE, "--dry-run"]) == 0
    assert "decart: warning: lucy-pro-t2v was retired in March 2026." in capsys.readouterr().err
    assert main(["submit", *LAKE, "--dry-run", "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_a_label_is_paid_for_once(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    once = ["submit", *LAKE, "--journal", "jobs.db", "--label", "order 17"]
    assert main(once) == main(once) == 0
    first, second = capsys.readouterr().out.split()
    assert first == second == emulator.requests.submits[0].job_id
    assert len(emulator.requests.submits) == 1


def test_a_model_that_this_version_does_not_know_can_be_used_with_its_task(emulator: Emulator) -> None:
    assert main(["submit", "-m", "lucy-9", "--task", "text-to-video", "-p", "A lake", "--dry-run"]) == 0


def test_it_is_all_the_same_in_one_process(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, stdout = FakeTerminal(), io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("sys.stdout", stdout)
    assert main(["run", *LAKE, "-o", "-"]) == 0
    job_id = str(emulator.requests.submits[0].job_id)
    assert stdout.buffer.seek(0) == 0
    video = stdout.buffer.read()
    assert main(["download", job_id, "-o", "-"]) == 0
    assert stdout.buffer.seek(len(video)) and stdout.buffer.read() == video
    assert f"\rJob {job_id}: pending\n" in terminal.getvalue()
    assert "lucy-pro-t2v: pending [" in terminal.getvalue() and "download: 100%" in terminal.getvalue()


def test_an_emulator_may_be_started_by_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path("short.mp4"), ticks=(0,))  # its emulator ends when it has rendered the job
    edit = ["-m", "lucy-2.5", "-p", "Winter", "-i", "short.mp4"]
    assert main(["run", "--emulator", *edit, "-o", "winter.mp4", "--timeout", "0"]) == 3
    said = capsys.readouterr().err
    assert said.endswith("The emulator has ended, and the job with it; nothing was billed.\n")


def test_the_module_is_the_same_program() -> None:
    module = subprocess.run(
        [sys.executable, "-m", "decart", "--version"], env=small_environment(), capture_output=True, check=True
    )
    assert module.stdout == decart("--version").stdout
    assert module.stdout.startswith(b"decart-queue ")
