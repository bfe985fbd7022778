"""Who may settle a label, and what leads a caller to it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.labelled import LAKE, BothSides, accepted, posts, record_of, states, submitted, unknown

from decart import InvalidInputError, LabelConflictError, MemoryJournal, SubmitOutcomeUnknownError

GONE = "status:404,on=status,times=forever"
SETTLE = "If the service has deleted the job, client.jobs.settle('order-1', job_id=None) ends its record."


pytestmark = pytest.mark.usefixtures("side")


# who may settle a label

DECISIONS: dict[str, Callable[[Any, str], object]] = {
    "not accepted": lambda client, job_id: client.jobs.settle("order-1", job_id=None),
    "accepted": lambda client, job_id: client.jobs.settle("order-1", job_id=job_id),
    "again": lambda client, job_id: client.jobs.submit_again("order-1", LAKE),
    "again, with the inputs of the journal": lambda client, job_id: client.jobs.submit_again("order-1"),
}


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_client_with_another_key_cannot_decide(decision: str) -> None:
    journal, keys = MemoryJournal(keep_inputs=True), ["dct_one", "dct_two"]
    with (
        BothSides(faults="drop-after", api_keys=keys) as emulator,
        emulator.client(api_key="dct_one", journal=journal) as one,
        emulator.client(api_key="dct_two", journal=journal) as two,
    ):
        unknown(one)
        before, [job_id] = record_of(one), accepted(emulator)
        with pytest.raises(LabelConflictError, match="submitted with another API key: settle it") as caught:
            DECISIONS[decision](two, job_id)
        assert caught.value.data["differs"] == ["account"]
        assert record_of(one) == before
        assert posts(emulator) == 1
        assert one.jobs.settle("order-1", job_id=job_id).state == "accepted"


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_client_of_another_service_cannot_decide(decision: str) -> None:
    journal = MemoryJournal(keep_inputs=True)
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=journal) as here:
        unknown(here)
        before, [job_id] = record_of(here), accepted(emulator)
        to = re.escape(f"to another service ({before.origin})")
        with (
            emulator.client(journal=journal, base_url="http://localhost:1") as there,
            pytest.raises(LabelConflictError, match=to) as caught,
        ):
            DECISIONS[decision](there, job_id)
        assert caught.value.data["differs"] == ["origin"]
        assert record_of(here) == before
        assert posts(emulator) == 1


def test_a_job_that_another_key_cannot_see_is_not_ended() -> None:
    journal = MemoryJournal()
    with BothSides(api_keys=["dct_one", "dct_two"]) as emulator:
        job_id = submitted(emulator, journal, api_key="dct_one").job_id
        emulator.faults.add(GONE)
        with emulator.client(api_key="dct_two", journal=journal) as two:
            with pytest.raises(LabelConflictError) as caught:
                two.jobs.settle("order-1", job_id=None)
            assert (caught.value.job_id, record_of(two).state) == (job_id, "accepted")


# what leads to it


def test_an_unknown_outcome_says_how_to_settle_it() -> None:
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=MemoryJournal()) as client:
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            client.queue.submit(LAKE, label="order-1")
        with pytest.raises(SubmitOutcomeUnknownError) as again:
            client.queue.submit(LAKE, label="order-1")
        settle = re.compile(
            r"The job with the label 'order-1' may .* (Check your account, then call .* if it is not\.)"
        )
        first, second = settle.match(str(caught.value)), settle.match(str(again.value))
        assert first is not None and second is not None
        assert first[1] == second[1]
        assert "client.jobs.settle('order-1', job_id=None)" in first[1]
        assert caught.value.data["label"] == again.value.data["label"] == "order-1"
        assert pickle.loads(pickle.dumps(caught.value)) == caught.value
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("state", ["accepted", "completed"])
def test_the_error_of_a_job_that_the_service_has_deleted_says_how_to_end_its_record(state: str) -> None:
    journal = MemoryJournal()
    with BothSides() as emulator:
        submitted(emulator, journal)
        with emulator.client(journal=journal) as client:
            if state == "completed":
                emulator.clock.sleep(60)
                client.queue.status(record_of(client).job_id)
            assert record_of(client).state == state
            emulator.faults.add(GONE)
            [ended] = client.jobs.resume(save_to="{label}.mp4")
            assert str(ended.error).endswith(SETTLE)
            assert client.jobs.settle("order-1", job_id=None).state == "failed"
            assert client.jobs.resume(save_to="{label}.mp4") == []
            client.queue.submit(LAKE, label="order-1", again=True)
            assert states(client) == {"order-1": ["failed", "accepted"]}


def test_a_label_that_cannot_be_submitted_again_yet_says_how_to_end_its_record() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        client.queue.submit(LAKE, label="order-1")
        with pytest.raises(InvalidInputError, match=re.escape(SETTLE)):
            client.queue.submit(LAKE, label="order-1", again=True)


def test_the_last_step_of_a_job_that_the_service_has_deleted_says_how_to_end_its_record() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator:
        submitted(emulator, journal)
        emulator.faults.add(GONE)
        with emulator.client(journal=journal) as client:
            step = client.jobs.step("order-1")
            while step.wait is not None:
                emulator.clock.sleep(step.wait)
                step = client.jobs.step("order-1", token=step.token)
            assert str(step.error).endswith(SETTLE)
            assert client.jobs.settle("order-1", job_id=None).state == "failed"


# which file a video goes to


def test_a_later_resume_does_not_replace_the_video_of_another_label() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        Path("lake.mp4").write_bytes(b"")
        Path("link.mp4").symlink_to("lake.mp4")
        client.queue.submit(LAKE, label="order-1")
        [first] = client.jobs.resume(save_to=lambda record: "link.mp4")
        Path("lake.mp4").write_bytes(b"kept")
        for label in ("order-2", "order-3"):
            client.queue.submit(LAKE, label=label)
        for name in ("lake.mp4", "link.mp4"):
            refused = client.jobs.resume(save_to=lambda record, name=name: name)
            assert [one.result for one in refused] == [None, None]
            for one in refused:
                assert "has the video of another job (label 'order-1'); use {job_id} in it." in str(one.error)
        assert Path("lake.mp4").read_bytes() == b"kept"
        assert [one.error for one in client.jobs.resume(save_to="{label}.mp4")] == [None, None]
        assert first.record == record_of(client)


def test_a_file_that_is_no_video_of_the_journal_and_the_earlier_one_of_a_label_are_replaced() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        Path("order-1.mp4").write_bytes(b"old")
        client.queue.submit_and_poll(LAKE, label="in memory")
        for again in (False, True):
            client.queue.submit(LAKE, label="order-1", again=again)
            [one] = client.jobs.resume(save_to="{label}.mp4")
            assert (one.error, one.result.path) == (None, Path("order-1.mp4").absolute())
        assert Path("order-1.mp4").read_bytes() != b"old"
