"""The progress of uploads and downloads."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fakes import LAKE, FakeTransport, accepted, client_of, make_response, status
from support.served_video import VIDEO, ServedVideo, client_for

from decart import (
    Progress,
    QueueResultError,
)

# progress


def test_a_download_reports_its_progress_in_bytes(tmp_path: Path) -> None:
    reported: list[Progress] = []
    client, transport = client_for(served := ServedVideo())
    served.on_piece = lambda: transport.sleep(1)
    client.queue.download("j1", tmp_path / "lake.mp4", progress=reported.append)
    assert [progress.done for progress in reported] == [*range(0, 1024, 100), 1024]
    assert {(progress.direction, progress.total) for progress in reported} == {("download", 1024)}


def test_progress_is_reported_at_most_ten_times_a_second_and_at_the_end(tmp_path: Path) -> None:
    reported: list[tuple[int, float]] = []
    client, transport = client_for(served := ServedVideo(VIDEO * 100))
    served.on_piece = lambda: transport.sleep(0.01)
    client.queue.download(
        "j1", tmp_path / "lake.mp4", progress=lambda progress: reported.append((progress.done, transport.now()))
    )
    assert 80 < len(reported) <= transport.now() * 10 + 2
    assert reported[0][0] == 0
    assert reported[-1][0] == len(VIDEO) * 100


def test_the_progress_of_a_resumed_download_begins_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(QueueResultError):
        client_for(ServedVideo(breaks=(300, *[0] * 9)))[0].queue.download("j1", tmp_path / "lake.mp4")
    reported: list[int] = []
    client_for(ServedVideo())[0].queue.download(
        "j1", tmp_path / "lake.mp4", progress=lambda progress: reported.append(progress.done)
    )
    assert reported == [300, len(VIDEO)]


def test_a_callback_that_fails_is_logged_and_does_not_end_the_download(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Progress] = []

    def tell(progress: Progress) -> None:
        calls.append(progress)
        raise ZeroDivisionError

    client, _ = client_for(ServedVideo())
    assert client.queue.download("j1", tmp_path / "lake.mp4", progress=tell).read_bytes() == VIDEO
    assert len(calls) == 1
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert record.getMessage() == "the progress callback failed, and will not be called again"
    assert record.exc_info is not None


def test_an_upload_reports_its_progress_too() -> None:
    reported: list[Progress] = []
    transport = FakeTransport(accepted())
    client_of(transport).queue.submit(LAKE, progress=reported.append)
    assert reported[0].done == 0
    assert reported[-1].done == reported[-1].total == len(transport.requests[0].body or b"")
    assert {progress.direction for progress in reported} == {"upload"}


def test_the_progress_of_a_retried_upload_restarts_at_0() -> None:
    reported: list[int] = []
    transport = FakeTransport(make_response(429, retry_after="1"), accepted())
    client_of(transport).queue.submit(LAKE, progress=lambda progress: reported.append(progress.done))
    assert reported.count(0) == 2


def test_submit_and_poll_reports_both_ways(tmp_path: Path) -> None:
    reported: list[str] = []
    client, _ = client_for(ServedVideo(), accepted(), status("completed"))
    client.queue.submit_and_poll(
        LAKE, save_to=tmp_path / "lake.mp4", progress=lambda progress: reported.append(progress.direction)
    )
    assert sorted(set(reported), key=reported.index) == ["upload", "download"]
