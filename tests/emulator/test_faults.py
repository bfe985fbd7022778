"""Whatever goes wrong on purpose, a user of the SDK sees the same of it in process, over HTTP and from fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.studio import Studio

from decart import (
    DecartClient,
    DecartSDKError,
    InvalidInputError,
    PollPolicy,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    models,
)
from decart.emulator import Emulator, EmulatorServer, Fault, VirtualEmulator
from decart.emulator.faults import Faults, described, fault_of
from decart.emulator.faults.kinds import KINDS, PARAMETERS, ROUTES

LAKE: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "a lake"}
VIDEO = b"video of a lake"

Verb = Callable[[DecartClient, Path], str]


@pytest.fixture
def options() -> dict[str, Any]:
    """What the box of the pytest fixtures is made with."""
    return {"pending": 0, "processing": 0}


@pytest.fixture(params=["in process", "over HTTP", "from fixtures"])
def box(request: pytest.FixtureRequest) -> Iterator[tuple[Emulator, DecartClient]]:
    """A box whose jobs take no time, and a client that is in a hurry where time is real."""
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
                timeout=Timeout(read=0.5),
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
    """Return what a user sees: what comes back, or where it went wrong and why."""
    try:
        return verb(client, folder)
    except DecartSDKError as error:
        return f"{type(error).__name__}: {type(error.cause).__name__}"


SEEN: list[tuple[str, Verb, str, list[str]]] = [
    # the fault, what is called, what comes of it, and the requests with their answers and what acted on them
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
    ("drop-midway", wait, "completed", ["submit 200", "status 200", "content 200 drop-midway", "content 200"]),
    ("truncate", wait, "completed", ["submit 200", "status 200", "content 200 truncate", "content 200"]),
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


@pytest.mark.parametrize(("fault", "verb", "end", "log"), SEEN, ids=[f"{row[0]} {row[1].__name__}" for row in SEEN])
def test_what_a_user_sees_of_a_fault(
    box: tuple[Emulator, DecartClient], tmp_path: Path, fault: str, verb: Verb, end: str, log: list[str]
) -> None:
    emulator, client = box
    emulator.faults.add(fault)
    assert end_of(verb, client, tmp_path) == end
    assert [" ".join([e.route, str(e.status), *e.faults]) for e in emulator.requests] == log
    assert emulator.faults.left == ()


def test_the_list_of_what_is_seen_has_every_name() -> None:
    elsewhere = {"drip", "job-never-ends"}  # which do not end
    assert {fault_of(row[0]).name for row in SEEN} | elsewhere == set(KINDS)


def test_a_job_fails_without_a_reason(box: tuple[Emulator, DecartClient], tmp_path: Path) -> None:
    emulator, client = box
    emulator.faults.add("job-fails")
    assert "did not say why" in wait(client, tmp_path)


def test_a_job_that_never_ends_is_waited_for_until_the_deadline(
    box: tuple[Emulator, DecartClient], tmp_path: Path
) -> None:
    emulator, client = box
    emulator.faults.add("job-never-ends")
    assert client.queue.submit_and_poll(LAKE, policy=PollPolicy(interval=0.01, timeout=0.1)).timed_out
    assert wait(client, tmp_path) == "completed"  # the next one does


def test_a_slow_line_brings_the_video_all_the_same(box: tuple[Emulator, DecartClient], tmp_path: Path) -> None:
    emulator, client = box
    emulator.faults.add("drip:0.01,bytes=4")
    assert download(client, tmp_path) == "video of a lake"
    assert [str(fault) for fault in emulator.faults.left] == ["drip:0.01,bytes=4"]


def test_a_submit_whose_answer_was_lost_was_taken_in_once(box: tuple[Emulator, DecartClient]) -> None:
    emulator, client = box
    emulator.faults.add("drop-after")
    with pytest.raises(SubmitOutcomeUnknownError):
        client.queue.submit(LAKE)
    (lost,) = emulator.requests.submits
    assert lost.job_id is not None
    assert client.queue.status(lost.job_id).status == "completed"


def test_a_submit_that_was_dropped_before_made_no_job(box: tuple[Emulator, DecartClient]) -> None:
    emulator, client = box
    emulator.faults.add("drop-before")
    with pytest.raises(SubmitOutcomeUnknownError):
        client.queue.submit(LAKE)
    (lost,) = emulator.requests.submits
    assert lost.job_id is None
    assert lost.received > 0


def test_a_download_goes_on_where_it_was_cut(box: tuple[Emulator, DecartClient], tmp_path: Path) -> None:
    emulator, client = box
    emulator.faults.add("drop-midway:4")
    download(client, tmp_path)
    first, second = emulator.requests.of(route="content")
    assert ("range" in first.headers, second.headers["range"]) == (False, "bytes=4-")


def test_the_key_does_not_go_where_a_redirect_leads(box: tuple[Emulator, DecartClient], tmp_path: Path) -> None:
    emulator, client = box
    with EmulatorServer(Emulator(renderer=Studio())) as elsewhere:
        emulator.faults.add(f"redirect:{elsewhere.url},times=2")
        assert end_of(submit, client, tmp_path).startswith("SubmitOutcomeUnknownError")
        assert end_of(submit, client, tmp_path).startswith("SubmitOutcomeUnknownError")
        assert list(elsewhere.emulator.requests) == []
        elsewhere.emulator.close()


def test_faults_of_different_parts_act_at_once_and_of_one_part_in_turn(
    box: tuple[Emulator, DecartClient], tmp_path: Path
) -> None:
    emulator, client = box
    emulator.faults.add(
        "status:503,on=content", "drip:0.01,bytes=5,times=1,after=1", "drop-midway:9,after=1", "truncate:2"
    )
    assert download(client, tmp_path) == "video of a lake"
    assert [e.faults for e in emulator.requests.of(route="content")] == [
        ("status", "truncate"),
        ("drip", "drop-midway"),
        (),
    ]


# ---------------------------------------------------------------- on a virtual clock


def test_the_schedule_of_a_wait_that_never_ends_is_read_from_the_clock() -> None:
    steady = PollPolicy(interval=100, backoff=1, max_interval=100, jitter=0)
    with VirtualEmulator(faults="job-never-ends") as emulator, emulator.client(poll=steady) as client:
        result = client.queue.submit_and_poll(LAKE)
        assert result.timed_out
        assert emulator.clock.sleeps == [100] * 6
        assert emulator.requests.polls(result.job_id) == [100, 200, 300, 400, 500, 600]
        assert emulator.clock.now() == 600


def test_the_usual_schedule_ends_at_ten_minutes() -> None:
    with VirtualEmulator(faults="job-never-ends") as emulator, emulator.client(poll=PollPolicy(jitter=0)) as client:
        job_id = client.queue.submit_and_poll(LAKE).job_id
        polls = emulator.requests.polls(job_id)
        assert polls[:5] == [0.5, 1.25, 2.375, 4.0625, 6.0625]
        assert polls == pytest.approx(list(accumulate(emulator.clock.sleeps)))
        assert polls[-1] == pytest.approx(600)


@pytest.mark.parametrize("header", ["retry_after=7", "retry_after_date=7"])
def test_a_wait_of_retry_after_is_kept_in_either_form(header: str) -> None:
    with VirtualEmulator(faults=f"status:503,on=submit,times=2,{header}") as emulator, emulator.client() as client:
        client.queue.submit(LAKE)
        assert emulator.clock.sleeps == [7, 7]
        assert [entry.at for entry in emulator.requests.submits] == [0, 7, 14]


def test_a_slow_answer_takes_virtual_time_that_nobody_slept() -> None:
    with VirtualEmulator(pending=0, processing=0, renderer=Studio(), faults="drip:2,bytes=4") as emulator:
        with emulator.client() as client:
            assert client.queue.submit_and_poll(LAKE).data == VIDEO
        assert emulator.clock.now() == pytest.approx(sum(emulator.clock.sleeps) + 3 * 2)


@pytest.mark.parametrize(
    ("timeout", "passed"), [(Timeout(read=5), 5), (Timeout(read=5, total=2), 2), (Timeout(read=60), 60)]
)
def test_a_silence_lasts_as_long_as_the_client_has_patience(timeout: Timeout, passed: float) -> None:
    with VirtualEmulator(faults="stall:61") as emulator, emulator.client(timeout=timeout) as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE)
        assert emulator.clock.now() == passed


def test_a_silence_that_ends_in_time_is_followed_by_the_answer() -> None:
    with VirtualEmulator(faults="stall:59") as emulator, emulator.client() as client:
        assert client.queue.submit(LAKE).status == "pending"
        assert emulator.clock.now() == 59


def test_a_silence_before_a_cut_is_both() -> None:
    with VirtualEmulator(faults=["stall:5", "drop-before"]) as emulator, emulator.client() as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE)
        assert emulator.requests[0].faults == ("drop-before", "stall")
        assert emulator.clock.now() == 5


def test_an_impatient_client_of_a_silence_before_a_cut_hears_of_neither() -> None:
    with VirtualEmulator(faults=["stall:500", "drop-before"]) as emulator, emulator.client() as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE)
        assert emulator.clock.now() == 60


@pytest.mark.parametrize("place", [0, 4, 14])
def test_a_silence_may_begin_at_any_byte_but_the_end(place: int) -> None:
    with VirtualEmulator(
        pending=0, processing=0, renderer=Studio(), faults=f"stall:5,bytes={place},on=content"
    ) as emulator:
        with emulator.client() as client:
            assert client.queue.submit_and_poll(LAKE).data == VIDEO
        assert emulator.clock.now() == pytest.approx(sum(emulator.clock.sleeps) + 5)


def test_a_silence_in_a_slow_body_is_in_its_place() -> None:
    faults = ["stall:5,bytes=6,on=content", "drip:1,bytes=5"]
    with VirtualEmulator(pending=0, processing=0, renderer=Studio(), faults=faults) as emulator:
        with emulator.client() as client:
            assert client.queue.submit_and_poll(LAKE).data == VIDEO
        assert emulator.clock.now() == pytest.approx(sum(emulator.clock.sleeps) + 5 + 2)


# ---------------------------------------------------------------- who is next


def test_a_fault_that_was_used_up_is_gone_and_the_rest_is_left() -> None:
    faults = Faults(["status:500,times=2", "stall:1,on=content"])
    assert [fault.name for fault in faults.take("submit")] == ["status"]
    assert list(map(str, faults.left)) == ["status:500", "stall:1,on=content"]
    assert [fault.name for fault in faults.take("content")] == ["status", "stall"]
    assert faults.left == ()


def test_after_counts_the_requests_of_its_kind_whatever_happens_to_them() -> None:
    faults = Faults(["drop-before,on=status,after=2", "status:500,on=status"])
    acted = [[fault.name for fault in faults.take(route)] for route in ("status", "submit", "status", "status")]
    assert acted == [["status"], [], [], ["drop-before"]]


def test_a_cut_before_the_answer_leaves_what_is_for_bodies_to_the_next() -> None:
    faults = Faults(["drip,on=submit", "drop-midway,on=submit", "drop-after"])
    assert [fault.name for fault in faults.take("submit")] == ["drop-after"]
    assert [fault.name for fault in faults.take("submit")] == ["drip", "drop-midway"]


def test_two_equal_faults_are_two() -> None:
    faults = Faults([Fault("drop-before")] * 2)
    assert len(faults.take("submit") + faults.take("submit")) == 2
    assert faults.left == ()


def test_a_fault_for_jobs_is_used_up_by_jobs() -> None:
    faults = Faults("job-fails,after=1,times=2")
    assert faults.take("submit") == ()
    assert [getattr(faults.take_for_job(), "name", None) for _ in range(4)] == [None, "job-fails", "job-fails", None]


def test_faults_are_forgotten() -> None:
    faults = Faults(Fault("drop-before"))
    faults.clear()
    assert faults.take("submit") == ()


def test_of_several_faults_none_is_added_if_one_cannot_be_read() -> None:
    faults = Faults()
    with pytest.raises(InvalidInputError):
        faults.add("drop-before", "nonsense")
    assert faults.left == ()


# ---------------------------------------------------------------- how they are written

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "on": st.sampled_from(ROUTES),
    "times": st.integers(1, 99) | st.just("forever"),
    "after": st.integers(0, 99),
    "code": st.integers(200, 599),
    "bytes": st.integers(1, 10**9),
    "to": st.sampled_from(["http://127.0.0.1:1", "https://elsewhere.invalid"]),
    **dict.fromkeys(("seconds", "retry_after", "retry_after_date"), st.integers(0, 10**6) | st.just(0.25)),
    **dict.fromkeys(
        ("detail", "field", "word", "reason"), st.text(st.sampled_from('a b,=":\\\u00fc'), min_size=1).filter(str.strip)
    ),
}


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    name = draw(st.sampled_from(sorted(KINDS)))
    keys = ["times", "after", *KINDS[name].takes] + (["on"] if KINDS[name].part != "job" else [])
    return Fault(name, **{key: draw(VALUES[key]) for key in draw(st.sets(st.sampled_from(keys)))})


@given(faults())
def test_a_fault_is_the_same_in_all_three_ways_to_write_it(fault: Fault) -> None:
    assert fault_of(str(fault)) == fault_of(fault.as_json()) == fault_of(fault) == fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status", Fault("status", code=503)),
        (
            "status:429,on=submit,times=3,retry_after=1.5",
            Fault("status", code=429, on="submit", times=3, retry_after=1.5),
        ),
        (' job-fails:"no, thanks", times=forever', Fault("job-fails", reason="no, thanks", times="forever")),
        ("redirect:http://127.0.0.1:9", Fault("redirect", to="http://127.0.0.1:9")),
        ("drip:1,bytes=10,after=1", Fault("drip", seconds=1, bytes=10, after=1)),
    ],
)
def test_a_text_is_read_as_the_fault_it_means(text: str, fault: Fault) -> None:
    assert fault_of(text) == fault


def test_a_fault_shows_itself_as_it_may_be_written() -> None:
    assert repr(Fault("status", times=2)) == "Fault('status:503,times=2')"
    assert repr(Fault("job-fails", reason='say "no"')) == r"""Fault('job-fails:"say \\"no\\""')"""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("stats:503", "none named 'stats'; did you mean 'status'"),
        ("", "none named ''"),
        ({"code": 503}, "none named 'None'"),
        (7, "must be a Fault, a text or an object, not int"),
        ("status:999", "code must be an HTTP status, 200 to 599, not '999'"),
        ("status:many", "code must be an HTTP status"),
        ({"name": "status", "code": True}, "code must be an HTTP status"),
        ("status,code=500,code=501", "'code=501' is not of the form key=value, each key once"),
        ("status:500,code=501", "each key once"),
        ("status,submit", "'submit' is not of the form key=value"),
        ("status,colour=red", "takes no 'colour'; it takes on, times, after, code"),
        ({"name": "status", "colour": "red"}, "takes no 'colour'"),
        ({"name": "status", 7: "red"}, "takes no '7'"),
        ("drop-before:7", "nothing is written after its name"),
        ("drop-before,on=monday", "on must be one of submit, status"),
        ("drop-before,times=0", "times must be a whole number, 1 or more, or 'forever'"),
        ("drop-before,after=-1", "after must be a whole number"),
        ("drip:1,bytes=0", "bytes must be 1 or more"),
        ("drop-midway:1.5", "bytes must be a whole number"),
        ("stall:long", "seconds must be a number of seconds"),
        ("redirect:elsewhere", "to must be the address of an origin"),
        ({"name": "redirect", "to": "http://a\r\nb"}, "to must be the address of an origin"),
        ({"name": "redirect", "to": 7}, "to must be the address of an origin"),
        ({"name": "job-fails", "reason": "a\nb"}, "reason must be some text"),
        ('job-fails:"no', "cannot be read (No closing quotation)"),
        ("job-fails,on=submit", "leave on= out"),
    ],
)
def test_what_is_no_fault_is_refused_in_one_sentence(given: Any, why: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Faults([given])
    assert why in caught.value.message
    assert "\n" not in caught.value.message


def test_a_parameter_that_a_fault_does_not_take_is_refused_in_code() -> None:
    with pytest.raises(InvalidInputError, match="it takes no seconds; it takes on, times, after, code"):
        Fault("status", seconds=5)


def test_every_parameter_of_the_table_is_one_of_a_fault() -> None:
    fields = {field.name for field in attrs.fields(Fault)}
    assert {key for kind in KINDS.values() for key in kind.takes} == set(PARAMETERS)
    assert set(PARAMETERS) < fields


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_help_has_a_line_for_each_name(name: str) -> None:
    assert f"\n  {name}" in f"\n{described()}"
    assert KINDS[name].does in described()
