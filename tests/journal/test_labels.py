"""A label is submitted once, whoever submits it, and returns the same job each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.labelled import LAKE, OCEAN, BothSides, Waiting, accepted, posts, states, submitted

from decart import (
    ClientClosedError,
    DecartClient,
    InvalidInputError,
    LabelConflictError,
    MemoryJournal,
    QueueSubmitError,
    RetryPolicy,
    SQLiteJournal,
    SubmitOutcomeUnknownError,
    models,
)
from decart.emulator import VirtualEmulator

ONCE = RetryPolicy(attempts=1)
EVERY = pytest.mark.parametrize("make", [MemoryJournal, lambda: SQLiteJournal("jobs.db")], ids=["memory", "sqlite"])
Make = Callable[[], Any]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@EVERY
def test_a_label_that_is_submitted_again_returns_the_same_job(make: Make) -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=make()) as client:
        first = client.queue.submit(LAKE, label="order-1")
        assert client.queue.submit(dict(LAKE), label="order-1") == first
        assert client.queue.submit(LAKE, label="order-1").model == "lucy-pro-t2v"
        assert client.queue.submit(LAKE, label="order-2").job_id != first.job_id
        assert len(accepted(emulator)) == posts(emulator) == 2


def test_a_label_holds_for_other_clients_and_after_a_restart() -> None:
    with VirtualEmulator() as emulator:
        first = submitted(emulator, "jobs.db")
        assert submitted(emulator, "jobs.db") == submitted(emulator, SQLiteJournal("jobs.db")) == first
        assert posts(emulator) == 1


@EVERY
def test_of_16_threads_one_submits(make: Make) -> None:
    journal = make()
    with VirtualEmulator() as emulator, ThreadPoolExecutor(16) as pool:
        for label in ("a", "b", "c"):
            waiting = Waiting(emulator)
            with emulator.client(journal=journal, transport=waiting) as client:
                submit = partial(client.queue.submit, LAKE, label=label)
                found = list(pool.map(lambda _, each=waiting, call=submit: each.after(call).job_id, range(16)))
            assert len(set(found)) == 1
        assert posts(emulator) == 3


@EVERY
def test_of_16_threads_with_clients_of_their_own_one_submits(make: Make) -> None:
    journal = make()
    with VirtualEmulator() as emulator, ThreadPoolExecutor(16) as pool:
        waiting = Waiting(emulator)
        submit = partial(submitted, emulator, journal, transport=waiting)
        found = list(pool.map(lambda _: waiting.after(submit), range(16)))
        assert len({job.job_id for job in found}) == posts(emulator) == 1


@EVERY
def test_of_16_tasks_one_submits(make: Make) -> None:
    async def submit(client: Any, waiting: Waiting) -> Any:
        job = await client.queue.submit(LAKE, label="order-1")
        return waiting.after(lambda: job)

    async def work(client: Any, waiting: Waiting) -> list[Any]:
        async with client:
            return await asyncio.gather(*(submit(client, waiting) for _ in range(16)))

    with VirtualEmulator() as emulator:
        waiting = Waiting(emulator)
        found = asyncio.run(work(emulator.async_client(journal=make(), transport=waiting), waiting))
        assert len({job.job_id for job in found}) == posts(emulator) == 1


def test_both_sides_of_a_client_share_its_journal() -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=MemoryJournal()) as client:
        first = client.queue.submit(LAKE, label="order-1")
        assert asyncio.run(client.aio.queue.submit(LAKE, label="order-1")) == first
        assert client.with_options(retry=ONCE).queue.submit(LAKE, label="order-1") == first
        assert asyncio.run(client.aio.jobs.get("order-1")) == client.jobs.get("order-1")
        assert posts(emulator) == 1


def test_a_job_without_a_label_is_recorded_under_a_random_one() -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=MemoryJournal()) as client:
        ids = [client.queue.submit(LAKE).job_id for _ in range(2)]
        records = list(client.jobs)
        assert {record.job_id for record in records} == set(ids)
        assert all(record.label.startswith("unlabelled-") for record in records)


def test_submit_and_poll_continues_with_the_job_of_its_label() -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=MemoryJournal()) as client:
        job = client.queue.submit(LAKE, label="order-1")
        result = client.queue.submit_and_poll(LAKE, label="order-1", save_to="lake.mp4")
        assert (result.job_id, result.status) == (job.job_id, "completed")
        again = client.queue.submit_and_poll(LAKE, label="order-1")
        assert again.data == Path("lake.mp4").read_bytes()
        assert client.queue.submit(LAKE, label="order-1").status == "completed"
        assert posts(emulator) == 1


def test_a_job_that_failed_is_returned_as_failed_until_it_is_to_be_made_again() -> None:
    with (
        VirtualEmulator(faults="job-fails:out of memory") as emulator,
        emulator.client(journal=MemoryJournal()) as client,
    ):
        failed = client.queue.submit_and_poll(LAKE, label="order-1")
        assert (failed.status, failed.error) == ("failed", "out of memory")
        assert client.queue.submit_and_poll(LAKE, label="order-1") == failed
        assert client.queue.submit(LAKE, label="order-1").status == "failed"
        assert posts(emulator) == 1
        made = client.queue.submit_and_poll(LAKE, label="order-1", again=True)
        assert made.status == "completed"
        assert made.job_id != failed.job_id
        record = client.jobs.get("order-1")
        assert record is not None
        assert (record.generation, record.state, record.job_id) == (2, "delivered", made.job_id)
        assert states(client) == {"order-1": ["failed", "delivered"]}


def test_again_needs_a_job_that_has_ended() -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=MemoryJournal()) as client:
        job = client.queue.submit(LAKE, label="order-1", again=True)
        with pytest.raises(InvalidInputError, match=f"job {job.job_id} of the label 'order-1' has not ended"):
            client.queue.submit(LAKE, label="order-1", again=True)
        client.queue.poll(job)
        assert client.queue.submit(LAKE, label="order-1", again=True).job_id != job.job_id
        assert posts(emulator) == 2
        with pytest.raises(InvalidInputError, match="again needs the label"):
            client.queue.submit(LAKE, again=True)


def test_of_threads_that_want_a_job_again_one_submits() -> None:
    journal = MemoryJournal()
    with VirtualEmulator() as emulator, ThreadPoolExecutor() as pool:
        emulator.client(journal=journal).queue.submit_and_poll(LAKE, label="order-1")
        waiting = Waiting(emulator)
        client = emulator.client(journal=journal, transport=waiting)
        submit = partial(client.queue.submit, LAKE, label="order-1", again=True)

        def again(_: int) -> str:
            try:
                return waiting.after(submit).job_id
            except InvalidInputError as error:  # later, when the job of the fastest was known
                return str(error)

        found = set(pool.map(again, range(8)))
        assert posts(emulator) == 2
        assert accepted(emulator)[1] in found


# what a label refuses


def test_a_label_belongs_to_one_request(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(b"\x89PNG\r\n")
    still: Any = {"model": models.video("lucy-pro-i2v"), "prompt": "Wind", "data": image}
    with VirtualEmulator(api_keys=["dct_test", "dct_other"]) as emulator:
        journal = MemoryJournal()
        client = emulator.client(journal=journal)
        client.queue.submit(LAKE, label="lake")
        client.queue.submit(still, label="still")

        def differs(label: str, options: Any, client: DecartClient = client) -> list[str]:
            with pytest.raises(LabelConflictError, match=f"The label '{label}' belongs to another request") as caught:
                client.queue.submit(options, label=label)
            assert (caught.value.job_id is None) is False
            found: list[str] = caught.value.data["differs"]
            meant = {"origin": "origin (another base URL)", "account": "account (another API key)"}
            assert " and ".join(meant.get(name, name) for name in found[-2:]) in str(caught.value)
            return found

        assert differs("lake", OCEAN) == ["prompt"]
        assert differs("lake", LAKE | {"seed": 1}) == ["seed"]
        assert differs("lake", LAKE | {"model": models.video("lucy-2.5"), "data": b"x"}) == ["model", "data"]
        image.write_bytes(b"\x89PNG\r\n2")
        assert differs("still", still) == ["data"]
        assert differs("lake", OCEAN | {"seed": 1, "resolution": "480p"}) == ["prompt", "resolution", "seed"]
        elsewhere = emulator.client(journal=journal, api_key="dct_other", base_url="http://emulator:81")
        assert differs("lake", LAKE, elsewhere) == ["origin", "account"]
        assert posts(emulator) == 2
        assert {tuple(found) for found in states(client).values()} == {("accepted",)}


class Order(StrEnum):
    FIRST = "order-1"


def test_a_subclass_of_str_is_the_text_it_is() -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=MemoryJournal()) as client:
        client.queue.submit(LAKE, label=Order.FIRST)
        record = client.jobs.get("order-1")
        assert record is not None
        assert type(record.label) is str


@pytest.mark.parametrize(
    "label", ["a" * 200, "../../etc/passwd", "a/b", "Bestellung 東京 😀", "{label}", "'; --", " x"]
)
@EVERY
def test_odd_labels_are_labels(make: Make, label: str) -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=make()) as client:
        assert client.queue.submit(LAKE, label=label) == client.queue.submit(LAKE, label=label)
        assert [record.label for record in client.jobs] == [label]


@pytest.mark.parametrize("label", ["", " ", "a" * 201, "a\nb", "a\x00", "\ud800", "a\u2028b", 5, b"order", ["a"], True])
def test_what_cannot_be_a_label_is_refused_before_anything_is_sent(label: Any) -> None:
    with VirtualEmulator() as emulator, emulator.client(journal=MemoryJournal()) as client:
        for call in (client.queue.submit, client.queue.submit_and_poll):
            with pytest.raises(InvalidInputError, match="label must be a str of 1 to 200 printable characters"):
                call(LAKE, label=label)
        with pytest.raises(InvalidInputError, match="label must be"):
            client.jobs.get(label)
        assert posts(emulator) == len(list(client.jobs)) == 0


@pytest.mark.parametrize("side", ["sync", "async"])
def test_a_label_needs_a_journal(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BothSides, "side", side)
    with BothSides() as emulator, emulator.client() as client:
        for arguments in ({"label": "order-1"}, {"again": True}):
            with pytest.raises(InvalidInputError, match=r"DecartClient\(journal='jobs.db'\)"):
                client.queue.submit(LAKE, **arguments)
        with pytest.raises(InvalidInputError, match="client.jobs needs a journal"):
            client.jobs.get("order-1")
        assert posts(emulator) == 0


def test_a_closed_client_submits_and_returns_nothing() -> None:
    with VirtualEmulator() as emulator:
        client = emulator.client(journal=MemoryJournal())
        client.queue.submit(LAKE, label="order-1")
        client.close()
        for label in ("order-1", "order-2"):
            with pytest.raises(ClientClosedError):
                client.queue.submit(LAKE, label=label)
        assert posts(emulator) == len(list(client.jobs)) == 1


# after an error


@EVERY
def test_a_refused_label_may_be_submitted_at_once(make: Make) -> None:
    with (
        VirtualEmulator(faults=["status:402,on=submit", "status:429,on=submit"]) as emulator,
        emulator.client(journal=make(), retry=ONCE) as client,
    ):
        for reason in ("PaymentRequiredError, HTTP 402", "RateLimitError, HTTP 429"):
            with pytest.raises(QueueSubmitError):
                client.queue.submit(LAKE, label="order-1")
            record = client.jobs.get("order-1")
            assert record is not None
            assert (record.state, record.error) == ("refused", f"QueueSubmitError ({reason})")
        assert client.jobs.pending() == []
        assert client.queue.submit(LAKE, label="order-1").job_id in accepted(emulator)
        assert states(client) == {"order-1": ["refused", "refused", "accepted"]}
        assert client.jobs.spent() == 0


def test_a_label_that_was_refused_is_free_for_another_request() -> None:
    with (
        VirtualEmulator(faults="status:422,on=submit") as emulator,
        emulator.client(journal=MemoryJournal()) as client,
    ):
        with pytest.raises(QueueSubmitError):
            client.queue.submit(LAKE, label="order-1")
        client.queue.submit(OCEAN, label="order-1")
        with pytest.raises(LabelConflictError):
            client.queue.submit(LAKE, label="order-1")
        assert states(client) == {"order-1": ["refused", "accepted"]}


@EVERY
@pytest.mark.parametrize("fault", ["drop-before", "drop-after", "status:500,on=submit", "redirect,on=submit"])
def test_an_unknown_outcome_is_never_submitted_again_by_itself(make: Make, fault: str) -> None:
    with VirtualEmulator(faults=fault) as emulator, emulator.client(journal=make(), retry=ONCE) as client:
        with pytest.raises(SubmitOutcomeUnknownError, match="Check your account"):
            client.queue.submit(LAKE, label="order-1")
        for call in (client.queue.submit, client.queue.submit_and_poll):
            for again in (False, True):
                with pytest.raises(SubmitOutcomeUnknownError, match="client.jobs.settle") as caught:
                    call(LAKE, label="order-1", again=again)
                assert caught.value.data["label"] == "order-1"
                assert caught.value.data["reason"].startswith("SubmitOutcomeUnknownError")
        with pytest.raises(LabelConflictError):
            client.queue.submit(OCEAN, label="order-1")
        assert [record.state for record in client.jobs.pending()] == ["unknown"]
        assert posts(emulator) == 1


def test_retries_after_a_refusal_leave_one_record() -> None:
    faults = ["status:429,on=submit,retry_after=1", "status:503,on=submit,retry_after=2"]
    with VirtualEmulator(faults=faults) as emulator, emulator.client(journal=MemoryJournal()) as client:
        job = client.queue.submit(LAKE, label="order-1")
        assert posts(emulator) == 3
        record = client.jobs.get("order-1")
        assert record is not None
        assert (record.state, record.job_id, record.generation) == ("accepted", job.job_id, 1)
        assert attrs.evolve(record, error="x") != record


def test_a_refusal_after_a_retry_is_a_refusal() -> None:
    faults = ["status:503,on=submit,retry_after=1", "status:402,on=submit"]
    with VirtualEmulator(faults=faults) as emulator, emulator.client(journal=MemoryJournal()) as client:
        with pytest.raises(QueueSubmitError):
            client.queue.submit(LAKE, label="order-1")
        assert states(client) == {"order-1": ["refused"]}
        assert posts(emulator) == 2
