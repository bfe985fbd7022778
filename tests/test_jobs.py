"""`decart.jobs` and `decart.results`: the meaning of each status, and results that are saved atomically."""

from __future__ import annotations

import os
import pathlib
import pickle
import stat
import subprocess
import sys
from typing import Any, get_args

import pytest
from support.fakes import FakeTransport, client_of, status, video
from support.programs import UNMEASURED

from decart import (
    CompletedJob,
    FailedJob,
    JobFailedError,
    JobStatus,
    JobStatusResponse,
    JobSubmitResponse,
    JobTimeoutError,
    QueueJobResult,
    SavedJob,
)
from decart.jobs import FINISHED, KNOWN, to_result

DONE = CompletedJob(job_id="j1", data=b"the video")
FAILED = FailedJob(job_id="j1", error="The image was refused.")
TIMED_OUT = FailedJob(job_id="j1", error="Not done in 600 s.", timed_out=True)


@pytest.mark.parametrize(
    ("status", "finished"),
    [("pending", False), ("processing", False), ("completed", True), ("failed", True)]
    + [(word, False) for word in ("queued", "CANCELLED", "Completed", "completed ", "")],
)
def test_only_two_statuses_end_a_wait(status: str, finished: bool) -> None:
    assert JobStatusResponse(job_id="j1", status=status).finished is finished


def test_the_statuses_are_those_of_the_documented_page() -> None:
    assert set(get_args(JobStatus)) == KNOWN == {"pending", "processing", "completed", "failed"}
    assert FINISHED < KNOWN


def test_a_submit_has_an_id_and_a_status() -> None:
    job = JobSubmitResponse(job_id="j1", status="pending")
    assert (job.job_id, job.status) == ("j1", "pending")


def test_only_a_failure_comes_with_a_reason() -> None:
    assert JobStatusResponse(job_id="j1", status="pending").error is None
    assert JobStatusResponse(job_id="j1", status="failed", error="why").error == "why"


@pytest.mark.parametrize(
    "value", [JobSubmitResponse(job_id="j", status="pending"), JobStatusResponse(job_id="j", status="failed"), DONE]
)
def test_a_response_is_a_value_that_cannot_be_changed_and_can_be_pickled(value: Any) -> None:
    with pytest.raises(AttributeError):
        value.status = "completed"
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_result_has_the_documented_attributes_and_the_job_id() -> None:
    assert (DONE.job_id, DONE.status, DONE.data, DONE.error, DONE.timed_out) == (
        *("j1", "completed", b"the video", None, False),
    )
    assert (FAILED.status, FAILED.data, FAILED.error) == ("failed", None, "The image was refused.")


def test_a_repr_shows_the_number_of_bytes_and_not_their_content() -> None:
    assert "data=<9 bytes>" in repr(DONE) and "video" not in repr(DONE)
    assert "None" in repr(QueueJobResult(job_id="j1", status="failed"))


@pytest.mark.parametrize(
    ("save_to", "last", "kind"),
    [(False, "completed", CompletedJob), (True, "completed", SavedJob), (True, "failed", FailedJob)],
)
def test_the_class_of_a_result_says_how_the_job_ended(
    save_to: bool, last: str, kind: type[QueueJobResult], tmp_path: pathlib.Path
) -> None:
    client = client_of(FakeTransport(status(last), video()))
    result = client.queue.poll("j1", save_to=tmp_path / "lake.mp4" if save_to else None)
    assert type(result) is kind and isinstance(result, QueueJobResult)
    assert (result.status, result.data is not None, result.path is not None, result.error is not None) == (
        *(last, kind is CompletedJob, kind is SavedJob, kind is FailedJob),
    )


def test_the_fields_of_a_result_cannot_contradict_its_class() -> None:
    for kind, facts in ((CompletedJob, {"data": b"x"}), (FailedJob, {"error": "No."})):
        with pytest.raises(TypeError):
            kind(job_id="j1", status="pending", **facts)


def test_a_completed_job_raises_nothing() -> None:
    DONE.raise_for_status()


@pytest.mark.parametrize(
    ("result", "kind", "message"),
    [
        (FAILED, JobFailedError, f"Job j1 failed: {FAILED.error}"),
        (TIMED_OUT, JobTimeoutError, TIMED_OUT.error),
        (
            to_result(JobStatusResponse(job_id="j1", status="failed")),
            JobFailedError,
            "Job j1 failed, and the service did not say why.",
        ),
    ],
)
def test_a_job_without_a_video_raises_its_reason_with_its_id(result: QueueJobResult, kind: Any, message: str) -> None:
    with pytest.raises(kind) as caught:
        result.raise_for_status()
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.job_id) == (message, "j1")


@pytest.mark.parametrize("error", [None, ""])
def test_a_failure_without_a_reason_still_names_the_job(error: str | None) -> None:
    with pytest.raises(JobFailedError, match=r"^Job j1 failed\.$"):
        QueueJobResult(job_id="j1", status="failed", error=error).raise_for_status()


@pytest.mark.parametrize("as_text", [False, True])
def test_save_writes_the_bytes_and_returns_the_path(tmp_path: pathlib.Path, as_text: bool) -> None:
    target = tmp_path / "lake.mp4"
    saved = DONE.save(str(target) if as_text else target)
    assert isinstance(saved, pathlib.Path) and saved == target
    assert target.read_bytes() == b"the video"
    assert os.listdir(tmp_path) == ["lake.mp4"]


def test_a_relative_path_is_one_from_the_current_folder(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert DONE.save("lake.mp4") == pathlib.Path("lake.mp4")
    assert (tmp_path / "lake.mp4").read_bytes() == b"the video"


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "湖" * 85, ".hidden", "a\nb", "-rf", "..."])
def test_any_name_that_the_disk_takes_is_taken(tmp_path: pathlib.Path, name: str) -> None:
    DONE.save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_an_old_file_is_replaced_and_not_written_into(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"an older and longer video")
    with target.open("rb") as reader:  # a reader that has the old file open keeps reading the old file
        DONE.save(target)
        assert reader.read() == b"an older and longer video"
    assert target.read_bytes() == b"the video"
    assert os.listdir(tmp_path) == ["lake.mp4"]


@pytest.mark.parametrize("result", [FAILED, TIMED_OUT], ids=["failed", "timed out"])
def test_without_a_video_nothing_is_saved_and_the_old_file_stays(
    tmp_path: pathlib.Path, result: QueueJobResult
) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"old")
    with pytest.raises((JobFailedError, JobTimeoutError)) as caught:
        result.save(target)
    assert caught.value.job_id == "j1"
    assert target.read_bytes() == b"old" and os.listdir(tmp_path) == ["lake.mp4"]


def test_a_target_that_is_a_folder_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError):
        DONE.save(tmp_path / "out")
    assert os.listdir(tmp_path) == ["out"] and not os.listdir(tmp_path / "out")


def test_a_folder_that_does_not_exist_is_not_made(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        DONE.save(tmp_path / "no" / "lake.mp4")
    assert os.listdir(tmp_path) == []


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: pathlib.Path) -> None:
    """The disk is as good as full: the process may not write files of more than 1000 bytes."""
    (tmp_path / "lake.mp4").write_bytes(b"old")
    code = (
        "import resource, signal, sys; from decart import QueueJobResult\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: QueueJobResult(job_id='j', status='completed', data=bytes(5000)).save(sys.argv[1])\n"
        "except OSError: print('refused')\n"
    )
    command = [sys.executable, "-B", "-c", code, str(tmp_path / "lake.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=UNMEASURED)
    assert done.stdout == "refused\n", done.stderr
    assert (tmp_path / "lake.mp4").read_bytes() == b"old" and os.listdir(tmp_path) == ["lake.mp4"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_the_file_gets_the_rights_that_the_umask_leaves(tmp_path: pathlib.Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        target = DONE.save(tmp_path / "lake.mp4")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


def test_two_results_saved_to_one_path_leave_one_complete_file(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "lake.mp4"
    DONE.save(target)
    QueueJobResult(job_id="j2", status="completed", data=b"another").save(target)
    assert target.read_bytes() == b"another" and os.listdir(tmp_path) == ["lake.mp4"]


@pytest.mark.parametrize("data", [None, b""])
def test_a_result_without_data_is_never_saved_as_an_empty_file(data: bytes | None, tmp_path: pathlib.Path) -> None:
    with pytest.raises(JobFailedError, match="holds no data to save"):
        QueueJobResult(job_id="j", status="completed", data=data).save(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
