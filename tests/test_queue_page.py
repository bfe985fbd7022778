"""The documented page of the Queue API, in its synchronous form."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
from support.fakes import (
    LAKE,
    MP4,
    OWN_MODEL,
    FakeTransport,
    accepted,
    client_of,
    make_response,
    status,
    video,
)
from support.queues import queue_of

from decart import (
    DecartSDKError,
    JobStatusResponse,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    TextToVideoInput,
    models,
)

LOOKS = ("pending", "processing", "processing", "completed")


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page_complete_example(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its printed output is reproduced line for line."""
    transport = FakeTransport(accepted(), *map(status, LOOKS), video())
    with client_of(transport) as client:
        print("Submitting video generation job...")

        result = client.queue.submit_and_poll({
            "model": models.video("lucy-pro-t2v"),
            "prompt": "A futuristic cityscape with flying cars",
            "resolution": "720p",
            "on_status_change": lambda job: print(f"  Status: {job.status}"),
        })  # fmt: skip

        if result.status == "completed":
            with open("cityscape.mp4", "wb") as f:
                f.write(result.data or b"")
            print("Video saved to cityscape.mp4")
        else:
            print(f"Generation failed: {result.error}")
    assert capsys.readouterr().out == (
        "Submitting video generation job...\n"
        "  Status: pending\n"
        "  Status: processing\n"
        "  Status: completed\n"
        "Video saved to cityscape.mp4\n"
    )
    assert (folder / "cityscape.mp4").read_bytes() == MP4


def test_page_submit_status_and_result(capsys: pytest.CaptureFixture[str]) -> None:
    queue, transport = queue_of(accepted(), status("completed"), status("completed"), video())
    job = queue.submit({
        "model": models.video("lucy-pro-t2v"),
        "prompt": "A serene lake at sunset with mountains in the background",
        "resolution": "720p",
    })  # fmt: skip
    print(f"Job ID: {job.job_id}")
    print(f"Status: {job.status}")  # "pending"
    now = queue.status(job.job_id)
    print(f"Status: {now.status}")
    assert now == JobStatusResponse(job_id="j1", status="completed")
    result = queue.result(job.job_id)
    assert capsys.readouterr().out == "Job ID: j1\nStatus: pending\nStatus: completed\n"
    assert (result.status, result.data, result.error, result.job_id) == ("completed", MP4, None, "j1")
    assert transport.sent == [
        "POST /v1/jobs/lucy-pro-t2v",
        "GET /v1/jobs/j1",
        "GET /v1/jobs/j1",
        "GET /v1/jobs/j1/content",
    ]


def test_page_submit_and_poll_of_a_job_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    queue, _ = queue_of(accepted(), status("failed", error="The prompt was refused."))
    result = queue.submit_and_poll({**LAKE, "on_status_change": lambda job: print(f"Status: {job.status}")})
    print(f"Generation failed: {result.error}")
    assert capsys.readouterr().out == "Status: pending\nStatus: failed\nGeneration failed: The prompt was refused.\n"
    assert (result.status, result.data, result.job_id, result.timed_out) == ("failed", None, "j1", False)


@pytest.mark.filterwarnings("ignore:The model name:DeprecationWarning")
@pytest.mark.parametrize(
    ("model", "file", "more"),
    [("lucy-pro-i2v", "image.jpg", {"resolution": "720p"}), ("lucy-pro-v2v", "input.mp4", {})],
)
def test_page_image_animation_and_video_editing(
    folder: pathlib.Path, model: str, file: str, more: dict[str, str]
) -> None:
    (folder / file).write_bytes(b"\x89 the file's bytes")
    queue, transport = queue_of(accepted(), *map(status, LOOKS), video())
    seen: list[str] = []
    with open(file, "rb") as opened:
        result = queue.submit_and_poll({
            "model": models.video(model),
            "prompt": "Animate with gentle motion and wind",
            "data": opened,
            "on_status_change": lambda job: seen.append(job.status),
            **more,
        })  # fmt: skip
    assert (result.data, seen) == (MP4, ["pending", "processing", "completed"])
    body = transport.posts[0].body or b""
    assert f'name="data"; filename="{file}"'.encode() in body
    assert b"\x89 the file's bytes" in body


@pytest.mark.parametrize(("end", "words"), [("completed", "Video saved!"), ("failed", "Generation failed")])
def test_page_manual_polling(folder: pathlib.Path, capsys: pytest.CaptureFixture[str], end: str, words: str) -> None:
    last = [status("completed"), video()] if end == "completed" else []
    queue, transport = queue_of(accepted(), status("pending"), status("processing"), status(end), *last)
    job = queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"})
    print(f"Job submitted: {job.job_id}")
    while True:
        status_now = queue.status(job.job_id)
        print(f"Status: {status_now.status}")
        if status_now.status == "completed":
            result = queue.result(job.job_id)
            with open("output.mp4", "wb") as f:
                f.write(result.data)
            print("Video saved!")
            break
        if status_now.status == "failed":
            print("Generation failed")
            break
        transport.sleep(2)
    assert capsys.readouterr().out.split("\n") == [
        "Job submitted: j1", "Status: pending", "Status: processing", f"Status: {end}", words, "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ([make_response(422, {"detail": "too long"})], "Failed to submit job: The job was not submitted: .*too long"),
        (
            [accepted(), make_response(401)],
            "Failed to check status: The status of job j1 could not be read: The API key from the argument api_key was "
            "refused",
        ),
        (
            [accepted(), status("completed"), make_response(410)],
            "Failed to get result: The result of job j1 could not be fetched: ",
        ),
        ([], "SDK error: This client is closed"),
    ],
)
def test_page_error_handling(script: list[Any], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    client = client_of(FakeTransport(*script))
    if not script:
        client.close()
    try:
        client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A beautiful sunset"})
    except QueueSubmitError as error:
        print(f"Failed to submit job: {error.message}")
    except QueueStatusError as error:
        print(f"Failed to check status: {error.message}")
    except QueueResultError as error:
        print(f"Failed to get result: {error.message}")
    except DecartSDKError as error:
        print(f"SDK error: {error.message}")
    assert re.match(line, capsys.readouterr().out)


def test_the_options_may_be_an_input_object_and_the_callback_a_keyword() -> None:
    queue, transport = queue_of(accepted(), status("failed"))
    seen: list[str] = []
    job = TextToVideoInput(model=OWN_MODEL, prompt="x")
    queue.submit_and_poll(job, on_status_change=lambda now: seen.append(now.status))
    assert seen == ["pending", "failed"]
    assert transport.sent[0] == "POST /v1/jobs/lucy-preview"


def test_the_callers_dict_is_left_as_it_is() -> None:
    queue, _ = queue_of(accepted(), status("failed"))
    options = {**LAKE, "seed": None, "on_status_change": lambda job: None}
    before = dict(options)
    queue.submit_and_poll(options)
    assert options == before
