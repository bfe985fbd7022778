"""Assertions about submitted jobs, and what their failures say."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from support.raw import RawClient

from decart import MemoryJournal, SubmitOutcomeUnknownError, TransportError, models
from decart.emulator import VirtualEmulator
from decart.emulator.limits import LOG_LIMIT

LAKE: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A lake", "seed": 7}
POINTS = [{"frame": 0, "x": 0.1, "y": 0.2}, {"frame": 9, "x": 0.5, "y": 0.5}]


@pytest.fixture
def raw() -> Iterator[RawClient]:
    with VirtualEmulator() as emulator:
        yield RawClient.within(emulator)


def submitted(emulator: VirtualEmulator, *orders: Any) -> None:
    with emulator.client() as client:
        for order in orders:
            client.queue.submit(order)


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"model": "lucy-pro-t2v"},
        {"model": LAKE["model"]},
        {"prompt": "A lake"},
        {"seed": 7, "prompt": "A lake"},
        {"seed": "7"},
        {"resolution": None, "files": []},
    ],
    ids=str,
)
def test_a_submit_is_found_by_what_was_sent(expected: Any) -> None:
    with VirtualEmulator() as emulator:
        submitted(emulator, LAKE)
        assert emulator.requests.assert_submitted_once(**expected) == emulator.requests.submits[0]
        with pytest.raises(AssertionError):
            emulator.requests.assert_not_submitted(**expected)


@pytest.mark.parametrize(
    "expected", [{"model": "lucy-2"}, {"prompt": "a lake"}, {"seed": 8}, {"seed": None}, {"files": ["data"]}], ids=str
)
def test_what_was_not_sent_is_not_found(expected: Any) -> None:
    with VirtualEmulator() as emulator:
        submitted(emulator, LAKE)
        emulator.requests.assert_not_submitted(**expected)
        with pytest.raises(AssertionError):
            emulator.requests.assert_submitted(**expected)


def test_files_booleans_and_trajectories_are_compared_by_value() -> None:
    with VirtualEmulator() as emulator:
        edit: Any = {"model": models.video("lucy-2.5"), "data": b"x", "reference_image": b"y", "enhance_prompt": False}
        submitted(emulator, edit, {"model": models.video("lucy-motion"), "data": b"x", "trajectory": POINTS})
        emulator.requests.assert_submitted_once(files=("reference_image", "data"), enhance_prompt=False)
        emulator.requests.assert_submitted_once(trajectory=POINTS)
        emulator.requests.assert_submitted_once(files="data")
        emulator.requests.assert_not_submitted(files="reference_image")
        emulator.requests.assert_not_submitted(enhance_prompt=True)
        emulator.requests.assert_not_submitted(trajectory=POINTS[:1])


def test_the_spelling_of_another_client_does_not_matter_to_a_boolean(raw: RawClient) -> None:
    raw.form("/v1/jobs/lucy-2.5", {"enhance_prompt": "False"}, {"data": b"x"})
    raw.emulator.requests.assert_submitted_once(enhance_prompt=False)
    raw.form("/v1/jobs/lucy-2.5", {"enhance_prompt": "off"}, {"data": b"x"})
    raw.emulator.requests.assert_submitted_once(enhance_prompt=False)


def test_a_submit_with_a_label_is_found_by_its_job() -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=MemoryJournal()) as client:
        client.queue.submit(LAKE, label="order-1")
        client.queue.submit(LAKE, label="order-2")
        record = client.jobs.get("order-2")
        assert record is not None and record.job_id is not None
        assert emulator.requests.assert_submitted_once(job_id=record.job_id).job_id == record.job_id


def test_only_accepted_jobs_count_even_if_the_response_was_lost() -> None:
    with VirtualEmulator(faults=["status:429,retry_after=1", "drop-after"]) as emulator, emulator.client() as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE)
        assert len(emulator.requests.submits) == 2
        emulator.requests.assert_submitted_once()


def test_a_number_of_submits_can_be_asserted() -> None:
    with VirtualEmulator() as emulator:
        submitted(emulator, LAKE, LAKE)
        assert len(emulator.requests.assert_submitted(2, prompt="A lake")) == 2
        assert len(emulator.requests.assert_submitted(prompt="A lake")) == 2
        with pytest.raises(AssertionError, match=r"^expected one accepted job with prompt='A lake', found 2\.\n"):
            emulator.requests.assert_submitted_once(prompt="A lake")
        with pytest.raises(AssertionError, match=r"^expected 3 accepted jobs, found 2\.\n"):
            emulator.requests.assert_submitted(3)


def test_a_failure_lists_what_was_submitted_instead(raw: RawClient) -> None:
    raw.form("/v1/jobs/lucy-2.5", {"prompt": "x" * 100}, {"data": b"x"})
    raw.form("/v1/jobs/lucy-pro-t2v", {"seed": "7"})
    with pytest.raises(AssertionError) as caught:
        raw.emulator.requests.assert_submitted(model=models.video("lucy-2.6"), prompt="A lake")
    job_id = raw.emulator.requests.submits[0].job_id
    assert str(caught.value).splitlines() == [
        "expected at least one accepted job with model=lucy-2.6, prompt='A lake', found 0.",
        "Attempts:",
        f"  lucy-2.5, prompt='{'x' * 78}…, files=['data']: job {job_id}",
        "  lucy-pro-t2v, seed='7': not accepted (422)",
    ]


def test_a_failure_after_no_submit_says_so() -> None:
    with VirtualEmulator() as emulator, pytest.raises(AssertionError, match=r"found 0\.\nNothing was submitted\.$"):
        emulator.requests.assert_submitted()


def test_a_failure_lists_the_latest_requests(raw: RawClient) -> None:
    for number in range(25):
        raw.form("/v1/jobs/lucy-pro-t2v", {"prompt": f"lake {number}"})
    with pytest.raises(AssertionError) as caught:
        raw.emulator.requests.assert_not_submitted()
    lines = str(caught.value).splitlines()
    assert lines[0] == "expected no accepted job, found 25."
    assert lines[2] == "  (5 earlier ones)"
    assert len(lines) == 23 and "lake 24" in lines[-1]


def test_a_dropped_attempt_is_listed_as_such(raw: RawClient) -> None:
    raw.emulator.faults.add("drop-before")
    with pytest.raises(TransportError):
        raw.form("/v1/jobs/lucy-pro-t2v", {"prompt": "A lake"})
    raw.emulator.requests.assert_not_submitted()
    with pytest.raises(AssertionError, match=r"not accepted \(dropped\)"):
        raw.emulator.requests.assert_submitted()


def test_a_misspelt_field_is_refused_instead_of_never_found() -> None:
    with VirtualEmulator() as emulator, pytest.raises(TypeError, match=r"has no promt; it has model, job_id"):
        emulator.requests.assert_not_submitted(promt="A lake")  # type: ignore[call-arg] # pyright: ignore


def test_values_of_another_type_are_not_found() -> None:
    with VirtualEmulator() as emulator:
        submitted(emulator, LAKE | {"seed": 1})
        emulator.requests.assert_not_submitted(seed=True)
        emulator.requests.assert_not_submitted(seed=Decimal("7.5"))  # type: ignore[arg-type] # pyright: ignore


def test_a_submit_is_found_by_a_text_of_any_length() -> None:
    prompts = ["x" * 300_000, "x" * 300_000 + "y"]
    points = [{"frame": frame, "x": 0.12345678901234567, "y": 0.7654321} for frame in range(1000)]
    with VirtualEmulator() as emulator:
        submitted(emulator, LAKE | {"prompt": prompts[0]})
        submitted(emulator, {"model": models.video("lucy-motion"), "data": b"x", "trajectory": points})
        emulator.requests.assert_submitted_once(prompt=prompts[0])
        emulator.requests.assert_not_submitted(prompt=prompts[1])
        emulator.requests.assert_submitted_once(trajectory=points)


def test_a_submit_is_not_forgotten_for_later_status_checks(raw: RawClient) -> None:
    raw.form("/v1/jobs/lucy-pro-t2v", {"prompt": "A lake"})
    for _ in range(LOG_LIMIT + 1):
        raw.get("/v1/jobs/x")
    raw.emulator.requests.assert_submitted_once(prompt="A lake")
    assert len(raw.emulator.requests) == LOG_LIMIT


def test_nothing_is_asserted_about_submits_that_were_forgotten(raw: RawClient) -> None:
    raw.form("/v1/jobs/lucy-pro-t2v", {"prompt": "A lake"})
    for _ in range(LOG_LIMIT):
        raw.request("POST", "/v1/jobs/lucy-pro-t2v")
    for ask in (raw.emulator.requests.assert_submitted, raw.emulator.requests.assert_not_submitted):
        with pytest.raises(AssertionError, match="the log has forgotten 1 submits or images"):
            ask()
    raw.emulator.requests.clear()
    raw.emulator.requests.assert_not_submitted()


def test_an_unknown_attribute_of_a_request_is_refused() -> None:
    with VirtualEmulator() as emulator, pytest.raises(TypeError, match="a request has no rute; it has method, path"):
        emulator.requests.count(rute="submit")
