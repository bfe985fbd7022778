"""A download that was cut resumes where it stopped, if the content is still the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from support.fakes import KEY, status
from support.programs import UNMEASURED
from support.served_video import RANGE, VIDEO, ServedVideo, client_for, files, pieces_of, slowly
from support.servers import serving

from decart import (
    DecartClient,
    QueueResultError,
    RetryPolicy,
)
from decart.transports.base import HttpRequest, HttpResponse

# resumed


def test_after_a_cut_only_the_rest_is_requested_on_condition_that_it_is_of_the_same_content(tmp_path: Path) -> None:
    served = ServedVideo(breaks=(300, 250))
    client, _ = client_for(served)
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert served.asked == [(None, None), ("bytes=300-", '"v1"'), ("bytes=550-", '"v1"')]
    assert served.given == len(VIDEO)


def test_every_response_is_closed_whether_it_broke_off_or_not(tmp_path: Path) -> None:
    served = ServedVideo(breaks=(300, 250))
    client_for(served)[0].queue.download("j1", tmp_path / "lake.mp4")
    assert served.closed == 3


def test_a_second_call_after_an_interruption_resumes(tmp_path: Path) -> None:
    pieces = iter(range(100))

    def press() -> None:
        if next(pieces) == 4:
            raise KeyboardInterrupt

    client, _ = client_for(ServedVideo(on_piece=press))
    with pytest.raises(KeyboardInterrupt):
        client.queue.download("j1", tmp_path / "lake.mp4")
    assert "lake.mp4" not in files(tmp_path)
    served = ServedVideo()
    assert client_for(served)[0].queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert served.asked == [("bytes=400-", '"v1"')]
    assert files(tmp_path) == ["lake.mp4"]


def test_a_second_call_after_a_crash_resumes(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import os, signal, sys, threading
        import decart
        def crash(progress):
            if progress.done > 500:
                os.kill(os.getpid(), signal.SIGKILL)
        client = decart.DecartClient({KEY!r}, base_url=sys.argv[1])
        client.queue.download("j1", sys.argv[2], progress=crash)
    """)
    target = tmp_path / "lake.mp4"
    with serving(slowly(VIDEO)) as server:
        command = [sys.executable, "-c", program, server.url, str(target)]
        assert subprocess.run(command, timeout=60, env=UNMEASURED).returncode == -signal.SIGKILL
        assert not target.exists()
        with DecartClient(KEY, base_url=server.url) as client:
            assert client.queue.download("j1", target).read_bytes() == VIDEO
    assert server.requests[-1].headers["if-range"] == '"v1"'
    assert files(tmp_path) == ["lake.mp4"]


def test_a_part_that_is_complete_already_only_gets_its_name(tmp_path: Path) -> None:
    client, _ = client_for(ServedVideo(breaks=(len(VIDEO),)), retry=RetryPolicy(attempts=1, jitter=0))
    target = tmp_path / "lake.mp4"
    with pytest.raises(QueueResultError):
        client.queue.download("j1", target)
    client, transport = client_for(ServedVideo())
    assert client.queue.download("j1", target).read_bytes() == VIDEO
    assert transport.sent == ["GET /v1/jobs/j1"]


def test_parts_of_other_jobs_and_services_are_not_resumed_and_are_removed_once_the_file_exists(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    once = RetryPolicy(attempts=1)
    for job, settings in (("j2", {}), ("j1", {"base_url": "https://elsewhere.example"})):
        client, _ = client_for(
            ServedVideo(b"x" * 500, breaks=(100,) * 2), status("completed", job), retry=once, **settings
        )
        with pytest.raises(QueueResultError):
            client.queue.download(job, target)
    assert sum(name.endswith(".part") for name in files(tmp_path)) == 2
    served = ServedVideo()
    assert client_for(served)[0].queue.download("j1", target).read_bytes() == VIDEO
    assert served.asked == [(None, None)]
    assert files(tmp_path) == ["lake.mp4"]


@pytest.mark.parametrize(
    "note", ["", "{", "[]", "{}", '{"validator": 7, "total": 1}', '{"validator": "x", "total": "y"}']
)
def test_a_note_that_cannot_be_read_means_to_start_over(note: str, tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    with pytest.raises(QueueResultError):
        client_for(ServedVideo(breaks=(300,)), retry=RetryPolicy(attempts=1))[0].queue.download("j1", target)
    (path,) = (path for path in tmp_path.iterdir() if path.suffix == ".json")
    assert json.loads(path.read_text()).items() >= {"validator": '"v1"', "total": len(VIDEO)}.items()
    path.write_text(note)
    served = ServedVideo()
    assert client_for(served)[0].queue.download("j1", target).read_bytes() == VIDEO
    assert served.asked == [(None, None)]


def test_a_last_modified_date_is_enough_without_a_strong_etag(tmp_path: Path) -> None:
    date = "Mon, 23 Nov 2026 10:00:00 GMT"
    served = ServedVideo(breaks=(300,), headers={"ETag": 'W/"weak"', "Last-Modified": date})
    assert client_for(served)[0].queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert served.asked == [(None, None), ("bytes=300-", date)]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}, {"ETag": '"bad\x7f"'}])
def test_without_a_validator_no_part_is_requested_or_kept(headers: dict[str, str], tmp_path: Path) -> None:
    served = ServedVideo(breaks=(300, 400), headers=headers)
    assert client_for(served)[0].queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert served.asked == [(None, None)] * 3
    with pytest.raises(QueueResultError):
        client_for(ServedVideo(breaks=(300,) * 9, headers=headers))[0].queue.download("j1", tmp_path / "other.mp4")
    assert files(tmp_path) == ["lake.mp4"]


def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    served = ServedVideo(breaks=(300, 500), ranges=False)
    assert client_for(served)[0].queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_content_that_has_changed_is_fetched_from_its_beginning(tmp_path: Path) -> None:
    answers = iter([ServedVideo(b"old" * 200, breaks=(300,)), ServedVideo(VIDEO, headers={"ETag": '"v2"'})])
    client, _ = client_for(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize(
    "bad",
    [
        HttpResponse(416, {"Content-Range": "bytes */9"}),
        HttpResponse(206, {**RANGE, "Content-Range": f"bytes 299-1023/{len(VIDEO)}"}, [VIDEO[299:]]),
        HttpResponse(206, {**RANGE, "Content-Range": "bytes 300-1022/1023"}, [VIDEO[300:-1]]),
        HttpResponse(206, {**RANGE, "ETag": '"v2"', "Content-Range": "bytes 300-1023/1024"}, [VIDEO[300:]]),
        HttpResponse(206, RANGE, [VIDEO[300:]]),
    ],
    ids=["416", "another start", "another length", "another content", "no range"],
)
def test_a_response_that_does_not_fit_what_is_there_is_not_joined_to_it(bad: HttpResponse, tmp_path: Path) -> None:
    last = ServedVideo()
    answers: Any = iter([ServedVideo(breaks=(300,)), lambda request: bad, last])
    client, _ = client_for(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert last.asked == [(None, None)]


def test_a_range_that_was_not_requested_is_not_taken(tmp_path: Path) -> None:
    part = HttpResponse(206, {**RANGE, "Content-Range": "bytes 0-9/1024"}, [VIDEO[:10]])
    answers: Any = iter([lambda request: part, ServedVideo()])
    client, _ = client_for(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_a_range_of_a_video_of_unknown_length_is_taken(tmp_path: Path) -> None:
    def rest(request: HttpRequest) -> HttpResponse:
        return HttpResponse(206, {**RANGE, "Content-Range": "bytes 300-1023/*"}, [VIDEO[300:]])

    answers: Any = iter([ServedVideo(breaks=(300,)), rest])
    client, _ = client_for(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_a_range_response_supplies_the_length_that_the_first_response_lacked(tmp_path: Path) -> None:
    reported: list[int | None] = []
    begun = HttpResponse(200, RANGE, pieces_of(VIDEO, 300))
    answers: Any = iter([lambda request: begun, ServedVideo()])
    client, _ = client_for(lambda request: next(answers)(request))
    client.queue.download("j1", tmp_path / "lake.mp4", progress=lambda progress: reported.append(progress.total))
    assert (reported[0], reported[-1]) == (None, len(VIDEO))
