"""`client.queue.download` and `save_to=`: a video that is paid for arrives completely."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.fakes import (
    KEY,
    LAKE,
    FakeTransport,
    accepted,
    always,
    client_of,
    make_response,
    status,
)
from support.programs import UNMEASURED
from support.served_video import STEADY, VIDEO, ServedVideo, client_for, files, slowly
from support.servers import serving

from decart import (
    AsyncDecartClient,
    DecartClient,
    InvalidInputError,
    JobFailedError,
    NotFoundError,
    PollPolicy,
    Progress,
    QueueResultError,
    RequestsTransport,
    ResponseError,
    RetryPolicy,
    Timeout,
    TransportError,
)
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import HttpResponse

# a complete file or none


def test_the_video_comes_to_the_path_and_nothing_else_stays(tmp_path: Path) -> None:
    client, transport = client_for(ServedVideo())
    assert client.queue.download("j1", tmp_path / "lake.mp4") == tmp_path / "lake.mp4"
    assert (tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]
    assert transport.sent == ["GET /v1/jobs/j1", "GET /v1/jobs/j1/content"]


def test_a_path_may_be_a_str(tmp_path: Path) -> None:
    client, _ = client_for(ServedVideo())
    assert client.queue.download("j1", f"{tmp_path}/lake.mp4").read_bytes() == VIDEO


def test_until_it_is_complete_it_is_a_hidden_part_beside_the_target_which_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"the old one")
    seen: list[tuple[list[str], bytes]] = []
    served = ServedVideo(on_piece=lambda: seen.append((files(tmp_path), target.read_bytes())))
    client_for(served)[0].queue.download("j1", target)
    assert {old for _, old in seen} == {b"the old one"}
    assert {sum(name.endswith(".part") and name.startswith(".lake.mp4.") for name in names) for names, _ in seen} == {1}
    assert target.read_bytes() == VIDEO


def test_a_name_may_be_as_long_as_a_name_can_be_and_of_any_script(tmp_path: Path) -> None:
    target = tmp_path / ("湖" * 80 + ".mp4")
    assert client_for(ServedVideo())[0].queue.download("j1", target).read_bytes() == VIDEO


def test_two_downloads_of_a_job_to_one_path_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    inner = iter([1])

    def another() -> None:
        if next(inner, None):
            client_for(ServedVideo())[0].queue.download("j1", target)
            target.write_bytes(b"replaced by the outer one")

    client_for(ServedVideo(on_piece=another))[0].queue.download("j1", target)
    assert target.read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]


def test_a_second_download_at_the_same_time_that_fails_leaves_the_first_ones_part_alone(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    inner = iter([1])

    def another() -> None:
        if next(inner, None):
            with pytest.raises(QueueResultError):
                client_for(ServedVideo(breaks=(100, *[0] * 9)))[0].queue.download("j1", target)

    client_for(ServedVideo(on_piece=another))[0].queue.download("j1", target)
    assert target.read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]


def test_little_of_it_is_in_memory(tmp_path: Path) -> None:
    mib = bytes(1024 * 1024)
    length = {"Content-Length": str(64 * len(mib))}
    served = lambda request: HttpResponse(200, length, (bytes(mib) for _ in range(64)))  # noqa: E731
    client, _ = client_for(served)
    tracemalloc.start()
    try:
        path = client.queue.download("j1", tmp_path / "lake.mp4")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size == 64 * len(mib)
    assert peak < 8 * len(mib)


# what counts as a failure, and when it is given up


def test_a_download_that_makes_progress_is_not_given_up_however_often_it_is_cut(tmp_path: Path) -> None:
    served = ServedVideo(breaks=(50,) * 20)
    client, transport = client_for(served)
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert transport.sleeps == [0.5] * 20


def test_each_break_is_logged_with_the_jobs_id(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "decart")
    client_for(ServedVideo(breaks=(300,)))[0].queue.download("j1", tmp_path / "lake.mp4")
    assert caplog.messages == [
        "attempt 1 of the request for job j1 failed (The connection broke off.); the next one is in 0.5 s"
    ]


def test_attempts_that_receive_no_data_are_counted_and_their_number_is_limited(tmp_path: Path) -> None:
    served = ServedVideo(breaks=(300, *[0] * 9))
    client, transport = client_for(served)
    with pytest.raises(QueueResultError) as caught:
        client.queue.download("j1", tmp_path / "lake.mp4")
    assert len(served.asked) == 1 + STEADY.attempts
    assert transport.sleeps == [0.5, 0.5, 1.0, 2.0]
    assert isinstance(caught.value.cause, TransportError)
    assert caught.value.job_id == "j1"


def test_starting_over_counts_as_no_data_until_it_is_past_where_it_was(tmp_path: Path) -> None:
    served = ServedVideo(breaks=(300,) * 9, ranges=False)
    with pytest.raises(QueueResultError):
        client_for(served)[0].queue.download("j1", tmp_path / "lake.mp4")
    assert len(served.asked) == 1 + STEADY.attempts


def test_each_attempt_that_receives_data_postpones_the_end_of_the_attempts(tmp_path: Path) -> None:
    served = ServedVideo(breaks=(100,) * 10)
    client, transport = client_for(served)
    served.on_piece = lambda: transport.sleep(100)  # in all much longer than RetryPolicy.timeout
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert transport.now() > 1000


def test_a_total_timeout_ends_a_download_that_makes_progress(tmp_path: Path) -> None:
    served = ServedVideo(breaks=(100,) * 10)
    client, transport = client_for(served, timeout=Timeout(total=250))
    served.on_piece = lambda: transport.sleep(100)
    with pytest.raises(QueueResultError):
        client.queue.download("j1", tmp_path / "lake.mp4")
    assert transport.now() < 450
    assert [request.timeout.total for request in transport.requests[1:]] == pytest.approx([250, 149.5, 49])


def test_a_retry_after_beyond_the_deadline_ends_the_download(tmp_path: Path) -> None:
    transport = FakeTransport(status("completed"), make_response(429, retry_after="500"))
    with pytest.raises(QueueResultError) as caught:
        client_of(transport).queue.download("j1", tmp_path / "lake.mp4")
    assert (caught.value.retry_after, transport.sleeps) == (500, [])


def test_a_server_that_asks_for_a_pause_gets_it(tmp_path: Path) -> None:
    client, transport = client_for(ServedVideo(), status("completed"), make_response(503, retry_after="7"))
    client.queue.download("j1", tmp_path / "lake.mp4")
    assert transport.sleeps == [7]


def test_a_refusal_is_raised_at_once_with_its_reason(tmp_path: Path) -> None:
    transport = FakeTransport(status("completed"), make_response(404, {"detail": "gone"}))
    with pytest.raises(QueueResultError, match="gone") as caught:
        client_of(transport).queue.download("j1", tmp_path / "lake.mp4")
    assert isinstance(caught.value.cause, NotFoundError)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (make_response(200, b"", content_type="video/mp4"), "it is empty"),
        (make_response(200, b"<html>", content_type="text/html"), "it is text/html instead of a video"),
        (make_response(200, {"detail": "x"}), "it is application/json instead of a video"),
        (make_response(200, b" {}"), "it is text instead of a video"),
        (make_response(200, b"<html>", content_type="application/octet-stream"), "it is text instead of a video"),
        (make_response(200, b"123", content_length="9", content_type="video/mp4"), "it has 3 of 9 bytes"),
    ],
)
def test_an_incomplete_video_never_gets_the_final_name(entry: HttpResponse, words: str, tmp_path: Path) -> None:
    transport = FakeTransport(status("completed"), entry)
    with pytest.raises(QueueResultError, match=words) as caught:
        client_of(transport, retry=RetryPolicy(attempts=1)).queue.download("j1", tmp_path / "lake.mp4")
    assert isinstance(caught.value.cause, ResponseError)
    assert files(tmp_path) == []


def test_a_page_of_a_proxy_is_not_the_end(tmp_path: Path) -> None:
    page = make_response(200, b"<html>", content_type="text/html")
    client, _ = client_for(ServedVideo(), status("completed"), page)
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_the_job_must_have_ended_well(tmp_path: Path) -> None:
    with pytest.raises(QueueResultError, match="has not finished: it is processing"):
        client_of(FakeTransport(status("processing"))).queue.download("j1", tmp_path / "lake.mp4")
    with pytest.raises(JobFailedError, match="no lakes") as caught:
        client_of(FakeTransport(status("failed", error="no lakes"))).queue.download("j1", tmp_path / "lake.mp4")
    assert caught.value.job_id == "j1"


def test_a_full_disk_is_an_os_error_that_says_how_to_continue(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import resource, sys
        sys.path.insert(0, sys.argv[2])
        from support.served_video import VIDEO, ServedVideo, client_for
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
        try:
            client_for(ServedVideo(VIDEO * 900))[0].queue.download("j1", sys.argv[1])
        except OSError as error:
            print(type(error).__name__, error.strerror, *getattr(error, "__notes__", ["nothing"]))
    """)
    target = tmp_path / "lake.mp4"
    command = [sys.executable, "-c", program, str(target), os.path.dirname(__file__)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=UNMEASURED)
    assert "OSError File too large" in done.stdout
    assert "client.queue.download('j1', path)" in done.stdout
    assert not target.exists()


# what is refused before anything is sent


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (7, "must be the name of a file"),
        (b"lake.mp4", "must be the name of a file"),
        ("", "must be the name of a file"),
        (None, "must be the name of a file"),
        ("{folder}", "is a folder; name a file in it"),
        ("{folder}/missing/lake.mp4", "missing does not exist"),
        ("{folder}/file/lake.mp4", "file does not exist"),
        ("{folder}/\0", "must be the name of a file"),
    ],
)
def test_a_path_that_cannot_be_written_to_is_refused_before_anything_is_sent(
    path: Any, words: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = path.format(folder=tmp_path) if isinstance(path, str) else path
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match=words):
        client_of(transport).queue.download("j1", path)
    if path is not None:
        with pytest.raises(InvalidInputError, match=words):
            client_of(transport).queue.submit_and_poll(LAKE, save_to=path)
        with pytest.raises(InvalidInputError, match=words):
            client_of(transport).queue.poll("j1", save_to=path)


def test_a_progress_that_cannot_be_called_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async def tell(progress: Progress) -> None: ...

    client = client_of(FakeTransport())
    for bad, words in ((7, "callable"), (tell, "only the async client can await it")):
        calls: list[Callable[[Any], object]] = [
            lambda bad: client.queue.submit(LAKE, progress=bad),
            lambda bad: client.queue.submit_and_poll(LAKE, progress=bad),
            lambda bad: client.queue.poll("j1", progress=bad),
            lambda bad: client.queue.download("j1", tmp_path / "lake.mp4", progress=bad),
        ]
        for call in calls:
            with pytest.raises(InvalidInputError, match=words):
                call(bad)


def test_a_job_id_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    client = client_of(FakeTransport())
    with pytest.raises(InvalidInputError, match="job_id"):
        client.queue.download("", tmp_path / "lake.mp4")
    with pytest.raises(InvalidInputError, match="job_id"):
        client.queue.stream("..")


# save_to


def test_save_to_puts_the_video_into_a_file_and_not_into_memory(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    client, transport = client_for(ServedVideo(breaks=(300,)), accepted(), status("completed"))
    result = client.queue.submit_and_poll(LAKE, save_to=target)
    assert (result.status, result.data, result.path) == ("completed", None, target)
    assert target.read_bytes() == VIDEO
    assert [line.split()[0] for line in transport.sent] == ["POST", "GET", "GET", "GET"]
    client, _ = client_for(ServedVideo())
    assert client.queue.poll("j1", save_to=str(target)).path == target


def test_a_failed_job_and_a_wait_that_timed_out_leave_no_file(tmp_path: Path) -> None:
    result = client_of(FakeTransport(status("failed"))).queue.poll("j1", save_to=tmp_path / "lake.mp4")
    assert (result.status, result.path) == ("failed", None)
    waiting = FakeTransport(always(lambda: status("processing")))
    policy = PollPolicy(timeout=3)
    assert client_of(waiting).queue.poll("j1", save_to=tmp_path / "lake.mp4", poll=policy).timed_out
    assert files(tmp_path) == []


def test_a_video_that_is_in_a_file_is_copied_by_save(tmp_path: Path) -> None:
    client, _ = client_for(ServedVideo())
    result = client.queue.poll("j1", save_to=tmp_path / "one.mp4")
    assert result.save(tmp_path / "two.mp4").read_bytes() == VIDEO
    assert result.save(tmp_path / "one.mp4").read_bytes() == VIDEO
    assert files(tmp_path) == ["one.mp4", "two.mp4"]


def test_a_download_that_a_wait_has_begun_is_resumed_by_the_next_call(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    with pytest.raises(QueueResultError):
        client_for(ServedVideo(breaks=(300, *[0] * 9)))[0].queue.poll("j1", save_to=target)
    served = ServedVideo()
    client_for(served)[0].queue.download("j1", target)
    assert served.asked == [("bytes=300-", '"v1"')]


# awaited


@pytest.mark.parametrize("transport", [AiohttpTransport, lambda: RequestsTransport()], ids=["aiohttp", "threads"])
def test_a_download_whose_task_is_cancelled_is_resumed(transport: Callable[[], Any], tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    server_of = partial(serving, slowly(VIDEO))

    async def main(url: str) -> None:
        async with AsyncDecartClient(KEY, base_url=url, transport=transport()) as client:
            begun = asyncio.Event()
            progress: Any = lambda progress: begun.set() if progress.done else None  # noqa: E731
            task = asyncio.create_task(client.queue.download("j1", target, progress=progress))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not target.exists()

    with server_of() as server:
        asyncio.run(main(server.url))
        with DecartClient(KEY, base_url=server.url) as client:
            assert client.queue.download("j1", target).read_bytes() == VIDEO
    assert "range" in server.requests[-1].headers
    assert files(tmp_path) == ["lake.mp4"]


def test_file_operations_of_an_async_download_run_in_threads(tmp_path: Path) -> None:
    threads: set[int] = set()
    listening = [True]

    async def main() -> None:
        served = ServedVideo(breaks=(300,))
        client = AsyncDecartClient(KEY, transport=FakeTransport(status("completed"), always(lambda: served)))
        await client.queue.download("j1", tmp_path / "lake.mp4")

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event in ("open", "os.truncate", "os.rename") and str(tmp_path) in str(arguments):
            threads.add(threading.get_ident())

    sys.addaudithook(note)  # hooks cannot be removed, so it needs a switch
    asyncio.run(main())
    listening.clear()
    assert threads and threading.get_ident() not in threads


def test_an_async_refusal_is_raised_with_its_reason(tmp_path: Path) -> None:
    async def main() -> None:
        transport = FakeTransport(status("completed"), make_response(404, {"detail": "gone"}))
        with pytest.raises(QueueResultError, match="gone"):
            await AsyncDecartClient(KEY, transport=transport).queue.download("j1", tmp_path / "lake.mp4")

    asyncio.run(main())
