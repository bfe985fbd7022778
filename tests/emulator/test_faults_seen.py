"""The effects of faults on a user of the SDK, which are the same in process, over HTTP and from fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.lake import LAKE, VIDEO
from support.speed import at_any_speed
from support.studio import Studio

from decart import (
    DecartClient,
    DecartSDKError,
    PollPolicy,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
)
from decart.emulator import Emulator, EmulatorServer, VirtualEmulator
from decart.emulator.faults import KINDS, fault_of

Verb = Callable[[DecartClient, Path], str]


@pytest.fixture
def options() -> dict[str, Any]:
    """Return the arguments of the emulators."""
    return {"pending": 0, "processing": 0}


@pytest.fixture(params=["in process", "over HTTP", "from fixtures"])
def emulator_and_client(request: pytest.FixtureRequest) -> Iterator[tuple[Emulator, DecartClient]]:
    """An emulator whose jobs take no time, and a client with short pauses where time is real."""
    once_more = RetryPolicy(attempts=3, interval=0.01, jitter=0)
    if request.param == "in process":
        with (
            VirtualEmulator(pending=0, processing=0, renderer=Studio()) as emulator,
            emulator.client(retry=once_more) as client,
        ):
            yield emulator, client
    elif request.param == "from fixtures":
        emulator = request.getfixturevalue("decart_emulator")
        with emulator.client(retry=once_more) as client:
            yield emulator, client
    else:
        with (
            Emulator(pending=0, processing=0, renderer=Studio(), background=False) as real,
            EmulatorServer(real) as server,
            DecartClient(
                api_key="dct_test",
                base_url=server.url,
                retry=once_more,
                poll=PollPolicy(interval=0.01),
            ) as client,
        ):
            yield real, client


def submit(client: DecartClient, folder: Path) -> str:
    return client.queue.submit(LAKE).status


def wait(client: DecartClient, folder: Path) -> str:
    result = client.queue.submit_and_poll(LAKE)
    assert result.data in (VIDEO, None)
    return result.error or result.status


def download(client: DecartClient, folder: Path) -> str:
    result = client.queue.submit_and_poll(LAKE, save_to=folder / "lake.mp4")
    assert result.path is not None
    return result.path.read_bytes().decode()


def ask(client: DecartClient, folder: Path) -> str:
    return client.queue.status(client.queue.submit(LAKE).job_id).status


def end_of(verb: Verb, client: DecartClient, folder: Path) -> str:
    """Return what a user sees: the result, or the error and its cause."""
    try:
        return verb(client, folder)
    except DecartSDKError as error:
        return f"{type(error).__name__}: {type(error.cause).__name__}"


SEEN: list[tuple[str, Verb, str, list[str]]] = [
    # the fault, what is called, what comes of it, and the requests with their responses and what acted on them
    ("status:503,on=submit,retry_after=0", submit, "pending", ["submit 503 status", "submit 200"]),
    ("status:429,on=submit,retry_after_date=0", submit, "pending", ["submit 429 status", "submit 200"]),
    ("status:503,on=submit", submit, "SubmitOutcomeUnknownError: ServerError", ["submit 503 status"]),
    ("status:402,on=submit", submit, "QueueSubmitError: PaymentRequiredError", ["submit 402 status"]),
    ("status:599,on=status", ask, "completed", ["submit 200", "status 599 status", "status 200"]),
    ("status:204,on=status", ask, "completed", ["submit 200", "status 204 status", "status 200"]),
    ("drop-before,on=submit", submit, "SubmitOutcomeUnknownError: TransportError", ["submit None drop-before"]),
    ("drop-after", submit, "SubmitOutcomeUnknownError: TransportError", ["submit None drop-after"]),
    ("bad-json,on=submit", submit, "SubmitOutcomeUnknownError: ResponseError", ["submit 200 bad-json"]),
    ("missing-field,on=submit", submit, "SubmitOutcomeUnknownError: ResponseError", ["submit 200 missing-field"]),
    ("html,on=submit", submit, "SubmitOutcomeUnknownError: ResponseError", ["submit 200 html"]),
    ("html:502,on=submit", submit, "SubmitOutcomeUnknownError: ServerError", ["submit 502 html"]),
    ("redirect,on=submit", submit, "SubmitOutcomeUnknownError: APIError", ["submit 307 redirect"]),
    ("stall,on=submit", submit, "SubmitOutcomeUnknownError: TransportTimeout", ["submit 200 stall"]),
    ("drop-before,on=status", ask, "completed", ["submit 200", "status None drop-before", "status 200"]),
    ("drop-after,on=status", ask, "completed", ["submit 200", "status None drop-after", "status 200"]),
    ("bad-json", ask, "completed", ["submit 200", "status 200 bad-json", "status 200"]),
    ("missing-field", ask, "completed", ["submit 200", "status 200 missing-field", "status 200"]),
    ("missing-field:job_id", ask, "completed", ["submit 200", "status 200 missing-field"]),
    ("unknown-status", ask, "warming-up", ["submit 200", "status 200 unknown-status"]),
    (
        "unknown-status:dreaming",
        wait,
        "completed",
        ["submit 200", "status 200 unknown-status", "status 200", "content 200"],
    ),
    ("html,on=status", ask, "completed", ["submit 200", "status 200 html", "status 200"]),
    ("redirect,on=status", ask, "QueueStatusError: APIError", ["submit 200", "status 307 redirect"]),
    ("stall,on=status", ask, "completed", ["submit 200", "status 200 stall", "status 200"]),
    (
        "status:503,on=content",
        wait,
        "completed",
        ["submit 200", "status 200", "content 503 status", "content 200"],
    ),
    ("html,on=content", wait, "completed", ["submit 200", "status 200", "content 200 html", "content 200"]),
    ("bad-json,on=content", wait, "completed", ["submit 200", "status 200", "content 200 bad-json", "content 200"]),
    ("missing-field,on=content", wait, "completed", ["submit 200", "status 200", "content 200 missing-field"]),
    ("drop-midway", wait, "completed", ["submit 200", "status 200", "content 200 drop-midway", "content 206"]),
    ("truncate", wait, "completed", ["submit 200", "status 200", "content 200 truncate", "content 206"]),
    ("stall,on=content", wait, "completed", ["submit 200", "status 200", "content 200 stall", "content 200"]),
    (
        "drop-midway:4",
        download,
        "video of a lake",
        ["submit 200", "status 200", "content 200 drop-midway", "content 206"],
    ),
    ("truncate:4", download, "video of a lake", ["submit 200", "status 200", "content 200 truncate", "content 206"]),
    (
        "drop-midway:0",
        download,
        "video of a lake",
        ["submit 200", "status 200", "content 200 drop-midway", "content 200"],
    ),
    (
        "stall,bytes=4,on=content",
        download,
        "video of a lake",
        ["submit 200", "status 200", "content 200 stall", "content 206"],
    ),
    ("cut-file", download, "video o", ["submit 200", "status 200", "content 200 cut-file"]),
    ("cut-file:100", download, "video of a lake", ["submit 200", "status 200", "content 200 cut-file"]),
    ("job-fails:no luck", wait, "no luck", ["submit 200 job-fails", "status 200"]),
    (
        "empty-result",
        wait,
        "QueueResultError: ResponseError",
        ["submit 200 empty-result", "status 200", "content 200", "content 200", "content 200"],
    ),
    ("drop-midway,on=status", ask, "completed", ["submit 200", "status 200 drop-midway", "status 200"]),
]


@at_any_speed
@pytest.mark.parametrize(("fault", "verb", "end", "log"), SEEN, ids=[f"{row[0]} {row[1].__name__}" for row in SEEN])
def test_the_effect_of_a_fault_on_the_user(
    emulator_and_client: tuple[Emulator, DecartClient],
    tmp_path: Path,
    fault: str,
    verb: Verb,
    end: str,
    log: list[str],
    scale: float,
) -> None:
    emulator, client = emulator_and_client
    emulator.requests.clear()
    emulator.faults.clear()
    emulator.faults.add(fault)
    if "stall" in fault:
        client = client.with_options(timeout=Timeout(read=0.5 * scale))
    assert end_of(verb, client, tmp_path) == end
    assert [" ".join([e.route, str(e.status), *e.faults]) for e in emulator.requests] == log
    assert emulator.faults.left == ()


def test_the_effect_of_every_fault_is_tested() -> None:
    elsewhere = {"drip", "job-never-ends"}  # which do not end
    assert {fault_of(row[0]).name for row in SEEN} | elsewhere == set(KINDS)


def test_a_job_fails_without_a_reason(emulator_and_client: tuple[Emulator, DecartClient], tmp_path: Path) -> None:
    emulator, client = emulator_and_client
    emulator.faults.add("job-fails")
    assert "did not say why" in wait(client, tmp_path)


def test_a_job_that_never_ends_is_waited_for_until_the_deadline(
    emulator_and_client: tuple[Emulator, DecartClient], tmp_path: Path
) -> None:
    emulator, client = emulator_and_client
    emulator.faults.add("job-never-ends")
    assert client.queue.submit_and_poll(LAKE, poll=PollPolicy(interval=0.01, timeout=0.1)).timed_out
    assert wait(client, tmp_path) == "completed"  # the next one does


def test_a_slow_connection_still_delivers_the_video(
    emulator_and_client: tuple[Emulator, DecartClient], tmp_path: Path
) -> None:
    emulator, client = emulator_and_client
    emulator.faults.add("drip:0.01,bytes=4")
    assert download(client, tmp_path) == "video of a lake"
    assert [str(fault) for fault in emulator.faults.left] == ["drip:0.01,bytes=4"]


def test_a_submit_whose_response_is_lost_is_accepted_once(emulator_and_client: tuple[Emulator, DecartClient]) -> None:
    emulator, client = emulator_and_client
    emulator.faults.add("drop-after")
    with pytest.raises(SubmitOutcomeUnknownError):
        client.queue.submit(LAKE)
    (lost,) = emulator.requests.submits
    assert lost.job_id is not None
    assert client.queue.status(lost.job_id).status == "completed"


def test_a_submit_that_is_dropped_before_creates_no_job(emulator_and_client: tuple[Emulator, DecartClient]) -> None:
    emulator, client = emulator_and_client
    emulator.faults.add("drop-before")
    with pytest.raises(SubmitOutcomeUnknownError):
        client.queue.submit(LAKE)
    (lost,) = emulator.requests.submits
    assert lost.job_id is None
    assert lost.received > 0


def test_a_download_resumes_where_it_was_cut_off(
    emulator_and_client: tuple[Emulator, DecartClient], tmp_path: Path
) -> None:
    emulator, client = emulator_and_client
    emulator.faults.add("drop-midway:4")
    download(client, tmp_path)
    first, second = emulator.requests.of(route="content")
    assert ("range" in first.headers, second.headers["range"]) == (False, "bytes=4-")


def test_the_key_is_not_sent_to_the_target_of_a_redirect(
    emulator_and_client: tuple[Emulator, DecartClient], tmp_path: Path
) -> None:
    emulator, client = emulator_and_client
    with EmulatorServer(Emulator(renderer=Studio())) as elsewhere:
        emulator.faults.add(f"redirect:{elsewhere.url},times=2")
        assert end_of(submit, client, tmp_path).startswith("SubmitOutcomeUnknownError")
        assert end_of(submit, client, tmp_path).startswith("SubmitOutcomeUnknownError")
        assert list(elsewhere.emulator.requests) == []
        elsewhere.emulator.close()


def test_faults_of_different_parts_act_at_once_and_of_one_part_in_turn(
    emulator_and_client: tuple[Emulator, DecartClient], tmp_path: Path
) -> None:
    emulator, client = emulator_and_client
    emulator.faults.add(
        "status:503,on=content", "drip:0.01,bytes=5,times=1,after=1", "drop-midway:9,after=1", "truncate:2"
    )
    assert download(client, tmp_path) == "video of a lake"
    assert [e.faults for e in emulator.requests.of(route="content")] == [
        ("status", "truncate"),
        ("drip", "drop-midway"),
        (),
    ]
