"""`client.queue.download`, `save_to=` and `client.queue.stream`: a video that is paid for arrives, whole."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes import KEY, LAKE, FakeTransport, accepted, always, answer, client_of, status
from servers import Connection, Script, http, serving

from decart import (
    APIError,
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
from decart.progress import PAUSE
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import HttpRequest, HttpResponse

VIDEO = bytes(range(256)) * 4
STEADY = RetryPolicy(jitter=0)


class Shelf:
    """A server's copy of a video, which it hands out in pieces and, if asked to, breaks off; one entry of a script.

    Args:
        breaks: After how many bytes each answer breaks off; the last ones do not.
        ranges: Whether it can send a part.
        headers: More headers for each answer.
        on_piece: Called before each piece.
    """

    def __init__(
        self,
        data: bytes = VIDEO,
        *,
        breaks: tuple[int, ...] = (),
        ranges: bool = True,
        headers: dict[str, str] | None = None,
        on_piece: Callable[[], object] = lambda: None,
    ) -> None:
        self.data, self.ranges, self.on_piece = data, ranges, on_piece
        self.headers = {"ETag": '"v1"'} if headers is None else headers
        self._breaks = iter(breaks)
        self.asked: list[tuple[str | None, str | None]] = []
        self.closed = 0
        self.given = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        wanted = request.headers.get("Range")
        self.asked.append((wanted, request.headers.get("If-Range")))
        headers = {"Content-Type": "video/mp4", **self.headers}
        same = request.headers.get("If-Range") in (None, headers.get("ETag"), headers.get("Last-Modified"))
        if wanted is None or not self.ranges or not same:
            return self._answer(200, self.data, headers)
        first, last = wanted.removeprefix("bytes=").split("-")
        start = int(first) if first else len(self.data) - int(last)
        end = int(last) if first and last else len(self.data) - 1
        span = f"bytes {start}-{end}/{len(self.data)}"
        return self._answer(206, self.data[start : end + 1], {"Content-Range": span, **headers})

    def _answer(self, code: int, data: bytes, headers: dict[str, str]) -> HttpResponse:
        length = {"Content-Length": str(len(data))}
        return HttpResponse(code, {**length, **headers}, self._pieces(data, next(self._breaks, None)), self._close)

    def _pieces(self, data: bytes, end: int | None) -> Iterator[bytes]:
        for start in range(0, len(data) if end is None else end, 100):
            self.on_piece()
            piece = data[start : min(start + 100, len(data) if end is None else end)]
            self.given += len(piece)
            yield piece
        if end is not None:
            raise TransportError("The connection broke off.")

    def _close(self) -> None:
        self.closed += 1


def having(shelf: Any, *before: Any, **settings: Any) -> tuple[DecartClient, FakeTransport]:
    """Return a client of a service that has a finished job, and whose every further answer is the shelf's."""
    transport = FakeTransport(*(before or [status("completed")]), always(lambda: shelf))
    return client_of(transport, **{"retry": STEADY, **settings}), transport


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# a file, whole or not at all


def test_the_video_comes_to_the_path_and_nothing_else_stays(tmp_path: Path) -> None:
    client, transport = having(Shelf())
    assert client.queue.download("j1", tmp_path / "lake.mp4") == tmp_path / "lake.mp4"
    assert (tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]
    assert transport.sent == ["GET /v1/jobs/j1", "GET /v1/jobs/j1/content"]


def test_a_path_may_be_a_str(tmp_path: Path) -> None:
    client, _ = having(Shelf())
    assert client.queue.download("j1", f"{tmp_path}/lake.mp4").read_bytes() == VIDEO


def test_until_it_is_whole_it_is_a_hidden_part_beside_the_target_which_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"the old one")
    seen: list[tuple[list[str], bytes]] = []
    shelf = Shelf(on_piece=lambda: seen.append((files(tmp_path), target.read_bytes())))
    having(shelf)[0].queue.download("j1", target)
    assert {old for _, old in seen} == {b"the old one"}
    assert {sum(name.endswith(".part") and name.startswith(".lake.mp4.") for name in names) for names, _ in seen} == {1}
    assert target.read_bytes() == VIDEO


def test_a_name_may_be_as_long_as_a_name_can_be_and_of_any_script(tmp_path: Path) -> None:
    target = tmp_path / ("湖" * 80 + ".mp4")
    assert having(Shelf())[0].queue.download("j1", target).read_bytes() == VIDEO


def test_two_downloads_of_a_job_to_one_path_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    inner = iter([1])

    def another() -> None:
        if next(inner, None):
            having(Shelf())[0].queue.download("j1", target)
            target.write_bytes(b"replaced by the outer one")

    having(Shelf(on_piece=another))[0].queue.download("j1", target)
    assert target.read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]


def test_a_second_download_at_the_same_time_that_fails_leaves_the_first_ones_part_alone(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    inner = iter([1])

    def another() -> None:
        if next(inner, None):
            with pytest.raises(QueueResultError):
                having(Shelf(breaks=(100, *[0] * 9)))[0].queue.download("j1", target)

    having(Shelf(on_piece=another))[0].queue.download("j1", target)
    assert target.read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]


def test_little_of_it_is_in_memory(tmp_path: Path) -> None:
    mib = bytes(1024 * 1024)
    shelf = lambda request: HttpResponse(200, {}, (bytes(mib) for _ in range(64)))  # noqa: E731
    client, _ = having(shelf)
    tracemalloc.start()
    try:
        path = client.queue.download("j1", tmp_path / "lake.mp4")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size == 64 * len(mib)
    assert peak < 8 * len(mib)


# going on


def test_after_a_cut_only_the_rest_is_asked_for_on_condition_that_it_is_of_the_same(tmp_path: Path) -> None:
    shelf = Shelf(breaks=(300, 250))
    client, _ = having(shelf)
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert shelf.asked == [(None, None), ("bytes=300-", '"v1"'), ("bytes=550-", '"v1"')]
    assert shelf.given == len(VIDEO)


def test_every_answer_is_closed_whether_it_broke_off_or_not(tmp_path: Path) -> None:
    shelf = Shelf(breaks=(300, 250))
    having(shelf)[0].queue.download("j1", tmp_path / "lake.mp4")
    assert shelf.closed == 3


def test_a_second_call_after_an_interruption_goes_on(tmp_path: Path) -> None:
    pieces = iter(range(100))

    def press() -> None:
        if next(pieces) == 4:
            raise KeyboardInterrupt

    client, _ = having(Shelf(on_piece=press))
    with pytest.raises(KeyboardInterrupt):
        client.queue.download("j1", tmp_path / "lake.mp4")
    assert "lake.mp4" not in files(tmp_path)
    shelf = Shelf()
    assert having(shelf)[0].queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert shelf.asked == [("bytes=400-", '"v1"')]
    assert files(tmp_path) == ["lake.mp4"]


def test_a_second_call_after_a_crash_goes_on(tmp_path: Path) -> None:
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
        unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        command = [sys.executable, "-c", program, server.url, str(target)]
        assert subprocess.run(command, timeout=60, env=unmeasured).returncode == -signal.SIGKILL
        assert not target.exists()
        with DecartClient(KEY, base_url=server.url) as client:
            assert client.queue.download("j1", target).read_bytes() == VIDEO
    assert server.requests[-1].headers["if-range"] == '"v1"'
    assert files(tmp_path) == ["lake.mp4"]


def test_a_part_that_is_whole_already_only_gets_its_name(tmp_path: Path) -> None:
    client, _ = having(Shelf(breaks=(len(VIDEO),)), retry=RetryPolicy(attempts=1, jitter=0))
    target = tmp_path / "lake.mp4"
    with pytest.raises(QueueResultError):
        client.queue.download("j1", target)
    client, transport = having(Shelf())
    assert client.queue.download("j1", target).read_bytes() == VIDEO
    assert transport.sent == ["GET /v1/jobs/j1"]


def test_parts_of_other_jobs_and_of_other_services_are_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    once = RetryPolicy(attempts=1)
    for job, settings in (("j2", {}), ("j1", {"base_url": "https://elsewhere.example"})):
        client, _ = having(Shelf(b"x" * 500, breaks=(100,) * 2), status("completed", job), retry=once, **settings)
        with pytest.raises(QueueResultError):
            client.queue.download(job, target)
    shelf = Shelf()
    assert having(shelf)[0].queue.download("j1", target).read_bytes() == VIDEO
    assert shelf.asked == [(None, None)]
    assert sum(name.endswith(".part") for name in files(tmp_path)) == 2


@pytest.mark.parametrize(
    "note", ["", "{", "[]", "{}", '{"validator": 7, "total": 1}', '{"validator": "x", "total": "y"}']
)
def test_a_note_that_cannot_be_read_means_to_begin_anew(note: str, tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    with pytest.raises(QueueResultError):
        having(Shelf(breaks=(300,)), retry=RetryPolicy(attempts=1))[0].queue.download("j1", target)
    (path,) = (path for path in tmp_path.iterdir() if path.suffix == ".json")
    assert json.loads(path.read_text()) == {"validator": '"v1"', "total": len(VIDEO)}
    path.write_text(note)
    shelf = Shelf()
    assert having(shelf)[0].queue.download("j1", target).read_bytes() == VIDEO
    assert shelf.asked == [(None, None)]


def test_a_date_will_do_where_there_is_no_strong_etag(tmp_path: Path) -> None:
    date = "Mon, 23 Nov 2026 10:00:00 GMT"
    shelf = Shelf(breaks=(300,), headers={"ETag": 'W/"weak"', "Last-Modified": date})
    assert having(shelf)[0].queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert shelf.asked == [(None, None), ("bytes=300-", date)]


@pytest.mark.parametrize(
    "headers", [{}, {"ETag": 'W/"weak"'}, {"ETag": '"bad\x7f"'}, {"ETag": '"v1"', "Content-Encoding": "x"}]
)
def test_without_a_name_for_the_content_no_part_is_asked_for_or_kept(headers: dict[str, str], tmp_path: Path) -> None:
    shelf = Shelf(breaks=(300, 400), headers=headers)
    assert having(shelf)[0].queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert shelf.asked == [(None, None)] * 3
    with pytest.raises(QueueResultError):
        having(Shelf(breaks=(300,) * 9, headers=headers))[0].queue.download("j1", tmp_path / "other.mp4")
    assert files(tmp_path) == ["lake.mp4"]


def test_a_server_without_ranges_begins_anew(tmp_path: Path) -> None:
    shelf = Shelf(breaks=(300, 500), ranges=False)
    assert having(shelf)[0].queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_content_that_has_changed_is_fetched_from_its_beginning(tmp_path: Path) -> None:
    answers = iter([Shelf(b"old" * 200, breaks=(300,)), Shelf(VIDEO, headers={"ETag": '"v2"'})])
    client, _ = having(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


RANGE = {"Content-Type": "video/mp4", "ETag": '"v1"'}


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
def test_an_answer_that_does_not_fit_to_what_is_there_is_not_joined_to_it(bad: HttpResponse, tmp_path: Path) -> None:
    last = Shelf()
    answers: Any = iter([Shelf(breaks=(300,)), lambda request: bad, last])
    client, _ = having(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert last.asked == [(None, None)]


def test_a_range_that_was_not_asked_for_is_not_taken(tmp_path: Path) -> None:
    part = HttpResponse(206, {**RANGE, "Content-Range": "bytes 0-9/1024"}, [VIDEO[:10]])
    answers: Any = iter([lambda request: part, Shelf()])
    client, _ = having(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_a_range_of_a_whole_of_unknown_length_is_taken(tmp_path: Path) -> None:
    def rest(request: HttpRequest) -> HttpResponse:
        return HttpResponse(206, {**RANGE, "Content-Range": "bytes 300-1023/*"}, [VIDEO[300:]])

    answers: Any = iter([Shelf(breaks=(300,)), rest])
    client, _ = having(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_a_range_tells_the_length_that_the_beginning_did_not(tmp_path: Path) -> None:
    told: list[int | None] = []
    begun = HttpResponse(200, RANGE, Shelf()._pieces(VIDEO, 300))
    answers: Any = iter([lambda request: begun, Shelf()])
    client, _ = having(lambda request: next(answers)(request))
    client.queue.download("j1", tmp_path / "lake.mp4", progress=lambda progress: told.append(progress.total))
    assert (told[0], told[-1]) == (None, len(VIDEO))


# what counts as a failure, and when it is given up


def test_a_download_that_gets_on_is_not_given_up_however_often_it_is_cut(tmp_path: Path) -> None:
    shelf = Shelf(breaks=(50,) * 20)
    client, transport = having(shelf)
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert transport.sleeps == [0.5] * 20


def test_the_log_tells_of_each_break_with_the_jobs_id(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "decart")
    having(Shelf(breaks=(300,)))[0].queue.download("j1", tmp_path / "lake.mp4")
    assert caplog.messages == [
        "the download of job j1 stopped at 300 bytes (The connection broke off.); again in 0.5 s"
    ]


def test_attempts_that_bring_nothing_new_are_counted_and_their_number_is_limited(tmp_path: Path) -> None:
    shelf = Shelf(breaks=(300, *[0] * 9))
    client, transport = having(shelf)
    with pytest.raises(QueueResultError) as caught:
        client.queue.download("j1", tmp_path / "lake.mp4")
    assert len(shelf.asked) == 1 + STEADY.attempts
    assert transport.sleeps == [0.5, 0.5, 1.0, 2.0]
    assert isinstance(caught.value.cause, TransportError)
    assert caught.value.job_id == "j1"


def test_beginning_anew_brings_nothing_new_until_it_is_past_where_it_was(tmp_path: Path) -> None:
    shelf = Shelf(breaks=(300,) * 9, ranges=False)
    with pytest.raises(QueueResultError):
        having(shelf)[0].queue.download("j1", tmp_path / "lake.mp4")
    assert len(shelf.asked) == 1 + STEADY.attempts


def test_each_attempt_that_brings_something_puts_the_end_of_the_attempts_off(tmp_path: Path) -> None:
    shelf = Shelf(breaks=(100,) * 10)
    client, transport = having(shelf)
    shelf.on_piece = lambda: transport.sleep(100)  # in all much longer than RetryPolicy.timeout
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert transport.now() > 1000


def test_a_limit_for_the_whole_ends_a_download_that_gets_on(tmp_path: Path) -> None:
    shelf = Shelf(breaks=(100,) * 10)
    client, transport = having(shelf, timeout=Timeout(total=250))
    shelf.on_piece = lambda: transport.sleep(100)
    with pytest.raises(QueueResultError):
        client.queue.download("j1", tmp_path / "lake.mp4")
    assert transport.now() < 450
    assert [request.timeout.total for request in transport.requests[1:]] == pytest.approx([250, 149.5, 49])


def test_a_wait_for_more_than_is_left_is_not_begun(tmp_path: Path) -> None:
    transport = FakeTransport(status("completed"), answer(429, retry_after="500"))
    with pytest.raises(QueueResultError) as caught:
        client_of(transport).queue.download("j1", tmp_path / "lake.mp4")
    assert (caught.value.retry_after, transport.sleeps) == (500, [])


def test_a_server_that_asks_for_a_wait_gets_it(tmp_path: Path) -> None:
    client, transport = having(Shelf(), status("completed"), answer(503, retry_after="7"))
    client.queue.download("j1", tmp_path / "lake.mp4")
    assert transport.sleeps == [7]


def test_a_refusal_is_told_at_once_with_its_reason(tmp_path: Path) -> None:
    transport = FakeTransport(status("completed"), answer(404, {"detail": "gone"}))
    with pytest.raises(QueueResultError, match="gone") as caught:
        client_of(transport).queue.download("j1", tmp_path / "lake.mp4")
    assert isinstance(caught.value.cause, NotFoundError)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (answer(200, b"", content_type="video/mp4"), "it is empty"),
        (answer(200, b"<html>", content_type="text/html"), "it is text/html where a video should be"),
        (answer(200, {"detail": "x"}), "it is application/json where a video should be"),
        (answer(200, b" {}"), "it is text where a video should be"),
        (answer(200, b"<html>", content_type="application/octet-stream"), "it is text where a video should be"),
        (answer(200, b"123", content_length="9", content_type="video/mp4"), "it has 3 bytes of 9"),
    ],
)
def test_what_is_no_whole_video_never_gets_the_name(entry: HttpResponse, words: str, tmp_path: Path) -> None:
    transport = FakeTransport(status("completed"), entry)
    with pytest.raises(QueueResultError, match=words) as caught:
        client_of(transport, retry=RetryPolicy(attempts=1)).queue.download("j1", tmp_path / "lake.mp4")
    assert isinstance(caught.value.cause, ResponseError)
    assert files(tmp_path) == []


def test_a_page_of_a_proxy_in_between_is_asked_past(tmp_path: Path) -> None:
    page = answer(200, b"<html>", content_type="text/html")
    client, _ = having(Shelf(), status("completed"), page)
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_the_job_must_have_ended_well(tmp_path: Path) -> None:
    with pytest.raises(QueueResultError, match="has not finished: it is processing"):
        client_of(FakeTransport(status("processing"))).queue.download("j1", tmp_path / "lake.mp4")
    with pytest.raises(JobFailedError, match="no lakes") as caught:
        client_of(FakeTransport(status("failed", error="no lakes"))).queue.download("j1", tmp_path / "lake.mp4")
    assert caught.value.job_id == "j1"


def test_a_disk_that_takes_no_more_is_an_os_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import resource, sys
        sys.path.insert(0, sys.argv[2])
        from test_download import VIDEO, Shelf, having
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
        try:
            having(Shelf(VIDEO * 900))[0].queue.download("j1", sys.argv[1])
        except OSError as error:
            print(type(error).__name__, error.strerror, *getattr(error, "__notes__", ["client.queue.poll"]))
    """)
    target = tmp_path / "lake.mp4"
    command = [sys.executable, "-c", program, str(target), os.path.dirname(__file__)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "OSError File too large" in done.stdout
    assert "client.queue.poll" in done.stdout
    assert not target.exists()


# what is refused before anything is sent


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (7, "path: a file name is needed"),
        (b"lake.mp4", "path: a file name is needed"),
        ("", "path: a file name is needed"),
        (None, "path: a file name is needed"),
        ("{folder}", "is a folder; name a file in it"),
        ("{folder}/missing/lake.mp4", "missing does not exist"),
        ("{folder}/file/lake.mp4", "file does not exist"),
        ("{folder}/\0", "holds a character that no file name can have"),
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
    for bad, words in ((7, "something that can be called"), (tell, "only the async client can await it")):
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
    client, transport = having(Shelf(breaks=(300,)), accepted(), status("completed"))
    result = client.queue.submit_and_poll(LAKE, save_to=target)
    assert (result.status, result.data, result.path) == ("completed", None, target)
    assert target.read_bytes() == VIDEO
    assert [line.split()[0] for line in transport.sent] == ["POST", "GET", "GET", "GET"]
    client, _ = having(Shelf())
    assert client.queue.poll("j1", save_to=str(target)).path == target


def test_a_failed_job_and_a_wait_that_timed_out_leave_no_file(tmp_path: Path) -> None:
    result = client_of(FakeTransport(status("failed"))).queue.poll("j1", save_to=tmp_path / "lake.mp4")
    assert (result.status, result.path) == ("failed", None)
    waiting = FakeTransport(always(lambda: status("processing")))
    policy = PollPolicy(timeout=3)
    assert client_of(waiting).queue.poll("j1", save_to=tmp_path / "lake.mp4", policy=policy).timed_out
    assert files(tmp_path) == []


def test_a_video_that_is_in_a_file_is_copied_by_save(tmp_path: Path) -> None:
    client, _ = having(Shelf())
    result = client.queue.poll("j1", save_to=tmp_path / "one.mp4")
    assert result.save(tmp_path / "two.mp4").read_bytes() == VIDEO
    assert result.save(tmp_path / "one.mp4").read_bytes() == VIDEO
    assert files(tmp_path) == ["one.mp4", "two.mp4"]


def test_a_download_that_a_wait_has_begun_goes_on_with_the_next_call(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    with pytest.raises(QueueResultError):
        having(Shelf(breaks=(300, *[0] * 9)))[0].queue.poll("j1", save_to=target)
    shelf = Shelf()
    having(shelf)[0].queue.download("j1", target)
    assert shelf.asked == [("bytes=300-", '"v1"')]


# streams


def test_a_stream_gives_the_pieces_with_status_length_and_type() -> None:
    client, transport = having(Shelf())
    with client.queue.stream("j1") as video:
        assert (video.job_id, video.status, video.length, video.content_type) == ("j1", 200, len(VIDEO), "video/mp4")
        pieces = list(video)
    assert b"".join(pieces) == VIDEO
    assert len(pieces) == 11
    assert list(video) == []
    assert repr(video) == "VideoStream(job_id='j1')"


def test_nothing_is_sent_before_a_stream_is_opened() -> None:
    client, transport = having(Shelf())
    video = client.queue.stream("j1")
    assert (transport.sent, video.status, video.length) == ([], 0, None)
    assert video.open() is video.open()
    assert transport.sent == ["GET /v1/jobs/j1", "GET /v1/jobs/j1/content"]
    assert b"".join(video) == VIDEO


def test_the_first_piece_opens_a_stream_too() -> None:
    client, _ = having(Shelf())
    assert b"".join(client.queue.stream("j1")) == VIDEO


def test_a_stream_that_is_left_early_lets_go_of_its_connection() -> None:
    shelf = Shelf()
    with having(shelf)[0].queue.stream("j1") as video:
        next(video)
        assert shelf.closed == 0
    assert shelf.closed == 1
    assert list(video) == []
    video.close()


def test_a_stream_that_was_closed_before_it_was_opened_sends_nothing() -> None:
    client, transport = having(Shelf())
    video = client.queue.stream("j1")
    video.close()
    assert (list(video), transport.sent) == ([], [])


def test_a_stream_that_breaks_off_goes_on_with_the_rest() -> None:
    shelf = Shelf(breaks=(300, 250))
    with having(shelf)[0].queue.stream("j1") as video:
        assert b"".join(video) == VIDEO
    assert shelf.asked == [(None, None), ("bytes=300-", '"v1"'), ("bytes=550-", '"v1"')]


@pytest.mark.parametrize(
    "shelf",
    [
        Shelf(breaks=(300,), headers={}),
        Shelf(breaks=(300,), ranges=False),
    ],
    ids=["no name for the content", "no ranges"],
)
def test_a_stream_that_cannot_be_gone_on_with_is_an_error_and_never_two_videos_in_one(shelf: Shelf) -> None:
    with having(shelf)[0].queue.stream("j1") as video, pytest.raises(QueueResultError) as caught:
        list(video)
    assert caught.value.job_id == "j1"


def test_a_stream_whose_range_is_gone_ends() -> None:
    answers: Any = iter([Shelf(breaks=(300,)), lambda request: answer(416)])
    client, _ = having(lambda request: next(answers)(request))
    with pytest.raises(QueueResultError, match="it has no such range"):
        list(client.queue.stream("j1"))


def test_a_stream_of_a_job_without_a_video_says_so_when_it_is_opened() -> None:
    with pytest.raises(JobFailedError):
        client_of(FakeTransport(status("failed"))).queue.stream("j1").open()
    with pytest.raises(QueueResultError):
        client_of(FakeTransport(status("pending"))).queue.stream("j1").open()
    with pytest.raises(QueueResultError) as caught:
        client_of(FakeTransport(status("completed"), answer(401))).queue.stream("j1").open()
    assert isinstance(caught.value.cause, APIError)


# progress


def test_a_download_tells_how_far_it_is_in_bytes(tmp_path: Path) -> None:
    told: list[Progress] = []
    client, transport = having(shelf := Shelf())
    shelf.on_piece = lambda: transport.sleep(1)
    client.queue.download("j1", tmp_path / "lake.mp4", progress=told.append)
    assert [progress.done for progress in told] == [*range(0, 1024, 100), 1024]
    assert {(progress.direction, progress.total) for progress in told} == {("download", 1024)}


def test_progress_is_told_at_most_ten_times_a_second_and_at_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    client, transport = having(shelf := Shelf(VIDEO * 100))
    shelf.on_piece = lambda: transport.sleep(0.01)
    client.queue.download(
        "j1", tmp_path / "lake.mp4", progress=lambda progress: told.append((progress.done, transport.now()))
    )
    assert 80 < len(told) <= transport.now() * 10 + 2
    assert told[0][0] == 0
    assert told[-1][0] == len(VIDEO) * 100


def test_a_download_that_is_gone_on_with_begins_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(QueueResultError):
        having(Shelf(breaks=(300, *[0] * 9)))[0].queue.download("j1", tmp_path / "lake.mp4")
    told: list[int] = []
    having(Shelf())[0].queue.download("j1", tmp_path / "lake.mp4", progress=lambda progress: told.append(progress.done))
    assert told == [300, len(VIDEO)]


def test_a_progress_that_fails_is_told_of_and_does_not_end_the_download(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Progress] = []

    def tell(progress: Progress) -> None:
        calls.append(progress)
        raise ZeroDivisionError

    client, _ = having(Shelf())
    assert client.queue.download("j1", tmp_path / "lake.mp4", progress=tell).read_bytes() == VIDEO
    assert len(calls) == 1
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert record.getMessage() == "the progress callback failed, and is not called again"
    assert record.exc_info is not None


def test_an_upload_tells_how_far_it_is_too() -> None:
    told: list[Progress] = []
    client = client_of(FakeTransport(accepted()))
    client.queue.submit(LAKE, progress=told.append)
    assert told[0].done == 0
    assert told[-1].done == told[-1].total == len(client._core.transport.requests[0].body or b"")  # type: ignore[attr-defined]
    assert {progress.direction for progress in told} == {"upload"}


def test_an_upload_that_is_repeated_begins_at_nought_again() -> None:
    told: list[int] = []
    transport = FakeTransport(answer(429, retry_after="1"), accepted())
    client_of(transport).queue.submit(LAKE, progress=lambda progress: told.append(progress.done))
    assert told.count(0) == 2


def test_submit_and_poll_tells_both_ways(tmp_path: Path) -> None:
    told: list[str] = []
    client, _ = having(Shelf(), accepted(), status("completed"))
    client.queue.submit_and_poll(
        LAKE, save_to=tmp_path / "lake.mp4", progress=lambda progress: told.append(progress.direction)
    )
    assert sorted(set(told), key=told.index) == ["upload", "download"]


# awaited


@pytest.mark.parametrize("transport", [AiohttpTransport, lambda: RequestsTransport()], ids=["aiohttp", "threads"])
def test_a_download_whose_task_is_cancelled_is_gone_on_with(transport: Callable[[], Any], tmp_path: Path) -> None:
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


def slowly(data: bytes) -> Script:
    """Send the second half byte by byte, unless only the rest is asked for."""
    half = len(data) // 2
    headers = {"ETag": '"v1"', "Content-Type": "video/mp4"}

    def script(connection: Connection) -> None:
        request = connection.read_request()
        while not request.target.endswith("/content"):
            connection.send(http(200, b'{"job_id": "j1", "status": "completed"}'))
            request = connection.read_request()
        if "range" not in request.headers:
            connection.send(http(200, data, headers)[:-half])
            connection.drip(data[-half:-1], PAUSE)
            return
        start = int(request.headers["range"][6:-1])
        span = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        connection.send(http(206, data[start:], {**headers, **span}))

    return script


def test_an_async_stream_is_the_same_as_a_sync_one() -> None:
    shelf = Shelf(breaks=(300,))

    async def main() -> None:
        client = AsyncDecartClient(KEY, transport=FakeTransport(status("completed"), always(lambda: shelf)))
        video = client.queue.stream("j1")
        assert video.status == 0
        async with video:
            assert (video.status, video.length, video.content_type) == (200, len(VIDEO), "video/mp4")
            assert b"".join([chunk async for chunk in video]) == VIDEO
            assert [chunk async for chunk in video] == []
        left = client.queue.stream("j1")
        await left.close()
        assert [chunk async for chunk in left] == []

    asyncio.run(main())
    assert shelf.closed == 2


def test_an_async_stream_that_is_left_early_lets_go_of_its_connection() -> None:
    shelf = Shelf()

    async def main() -> None:
        client = AsyncDecartClient(KEY, transport=FakeTransport(status("completed"), always(lambda: shelf)))
        async with client.queue.stream("j1") as video:
            await anext(video)
            assert shelf.closed == 0

    asyncio.run(main())
    assert shelf.closed == 1


def test_what_touches_the_file_of_a_download_happens_in_threads(tmp_path: Path) -> None:
    threads: set[int] = set()
    listening = [True]

    async def main() -> None:
        shelf = Shelf(breaks=(300,))
        client = AsyncDecartClient(KEY, transport=FakeTransport(status("completed"), always(lambda: shelf)))
        await client.queue.download("j1", tmp_path / "lake.mp4")

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event in ("open", "os.truncate", "os.rename") and str(tmp_path) in str(arguments):
            threads.add(threading.get_ident())

    sys.addaudithook(note)  # for ever, so it is told when to stop
    asyncio.run(main())
    listening.clear()
    assert threads and threading.get_ident() not in threads


def test_an_async_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    async def main() -> None:
        transport = FakeTransport(status("completed"), answer(404, {"detail": "gone"}))
        with pytest.raises(QueueResultError, match="gone"):
            await AsyncDecartClient(KEY, transport=transport).queue.download("j1", tmp_path / "lake.mp4")

    asyncio.run(main())
