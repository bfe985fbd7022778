"""What a person decides, what a process left that died, and what jobs cost."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
import pytest
from support.labelled import (
    ANOTHER,
    LAKE,
    OCEAN,
    BothSides,
    Failing,
    accepted,
    leave,
    posts,
    record_of,
    states,
    submitted,
    unknown,
    writes_of,
)

from decart import (
    InvalidInputError,
    JournalError,
    LabelConflictError,
    MemoryJournal,
    QueueStatusError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    WaitCancelledError,
    models,
)

ONCE = RetryPolicy(attempts=1)


pytestmark = pytest.mark.usefixtures("side")


# what a person decides


def test_the_job_of_an_unknown_label_that_was_found_is_waited_for() -> None:
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=MemoryJournal()) as client:
        unknown(client)
        [job_id] = accepted(emulator)
        record = client.jobs.settle("order-1", job_id=job_id)
        assert record == client.jobs.get("order-1")
        assert (record.state, record.job_id, record.error) == ("accepted", job_id, None)
        assert client.queue.submit_and_poll(LAKE, label="order-1").job_id == job_id
        assert posts(emulator) == 1


def test_an_unknown_label_that_was_not_accepted_may_be_submitted() -> None:
    with BothSides(faults="drop-before") as emulator, emulator.client(journal=MemoryJournal()) as client:
        unknown(client)
        assert client.jobs.settle("order-1", job_id=None).state == "refused"
        assert client.queue.submit(LAKE, label="order-1").job_id in accepted(emulator)


def test_only_an_unknown_label_is_decided_about() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        job_id = client.queue.submit(LAKE, label="order-1").job_id
        for call in (partial(client.jobs.settle, job_id=job_id), partial(client.jobs.submit_again, options=LAKE)):
            with pytest.raises(
                InvalidInputError, match=f"'order-1' is accepted as job {job_id}: only one whose outcome"
            ):
                call("order-1")
            with pytest.raises(InvalidInputError, match="has no job with the label 'x'"):
                call("x")
        with pytest.raises(InvalidInputError, match="which the service knows"):
            client.jobs.settle("order-1", job_id=None)
        for job_id in ("", "a\nb", 5, ".."):
            with pytest.raises(InvalidInputError, match="job_id must be the id of a job, or None"):
                client.jobs.settle("order-1", job_id=job_id)  # type: ignore[arg-type]
        assert posts(emulator) == 1


def test_an_id_that_the_service_does_not_know_settles_nothing() -> None:
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=MemoryJournal(), retry=ONCE) as client:
        unknown(client)
        with pytest.raises(InvalidInputError, match="The service has no job 'mistyped' for this key"):
            client.jobs.settle("order-1", job_id="mistyped")
        emulator.faults.add("status:500,on=status")
        with pytest.raises(QueueStatusError):
            client.jobs.settle("order-1", job_id=accepted(emulator)[0])
        assert states(client) == {"order-1": ["unknown"]}
        other = client.queue.submit(OCEAN, label="order-2").job_id
        with pytest.raises(InvalidInputError, match=f"Job {other} is that of the label 'order-2'; 'order-1' is still"):
            client.jobs.settle("order-1", job_id=other)
        assert client.jobs.settle("order-1", job_id=accepted(emulator)[0]).state == "accepted"


def test_a_job_that_the_service_no_longer_knows_can_be_ended() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator:
        submitted(emulator, journal)
        emulator.faults.add("status:404,on=status,times=forever")
        with emulator.client(journal=journal) as client:
            assert client.jobs.settle("order-1", job_id=None).state == "failed"
            assert client.jobs.pending() == []
            client.queue.submit(LAKE, label="order-1", again=True)
            assert states(client) == {"order-1": ["failed", "accepted"]}


def test_an_unknown_job_is_submitted_again_on_request() -> None:
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=MemoryJournal()) as client:
        unknown(client)
        with pytest.raises(
            InvalidInputError, match="does not hold all inputs .*; pass the options of the first submit"
        ):
            client.jobs.submit_again("order-1")
        with pytest.raises(LabelConflictError, match="prompt"):
            client.jobs.submit_again("order-1", OCEAN)
        assert states(client) == {"order-1": ["unknown"]}
        job = client.jobs.submit_again("order-1", LAKE)
        assert states(client) == {"order-1": ["failed", "accepted"]}
        assert client.queue.submit(LAKE, label="order-1").job_id == job.job_id == accepted(emulator)[1]
        assert len(client.jobs.pending()) == 1


def test_the_inputs_are_taken_from_a_journal_that_keeps_them() -> None:
    options: Any = {
        "model": models.video("lucy-motion"),
        "data": b"\x89PNG",
        "trajectory": [{"frame": 0, "x": 0.5, "y": 0.25}, {"frame": 10, "x": 1, "y": 1}],
    }
    journal = MemoryJournal(keep_inputs=True)
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=journal) as client:
        unknown(client, options=LAKE | {"seed": 5, "resolution": "480p"})
        client.jobs.submit_again("order-1")
        first, second = [request.fields for request in emulator.requests if request.route == "submit"]
        assert first == second
        assert set(first) == {"prompt", "seed", "resolution"}
        emulator.faults.add("drop-after")
        unknown(client, "motion", options)
        with pytest.raises(InvalidInputError, match="does not hold all inputs"):
            client.jobs.submit_again("motion")
        client.jobs.submit_again("motion", options)


def test_one_of_two_people_who_decide_at_once_is_too_late() -> None:
    journal = Failing()
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=journal) as client:
        unknown(client)
        record = record_of(client)

        def fails(method: str, value: Any) -> bool:
            if method == "replace" and value.state == "refused":
                MemoryJournal.replace(journal, record.changed(0.0, state="accepted", job_id="j1"))
            return False

        journal.fails = fails
        with pytest.raises(JournalError, match="Another process has changed the record"):
            client.jobs.settle("order-1", job_id=None)
        assert record_of(client).job_id == "j1"


def test_of_threads_that_submit_again_one_submits() -> None:
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=MemoryJournal()) as client:
        unknown(client)
        found: list[Any] = []

        def again() -> None:
            try:
                found.append(client.jobs.submit_again("order-1", LAKE).job_id)
            except InvalidInputError as error:
                found.append(str(error))

        threads = [threading.Thread(target=again) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert posts(emulator) == 2


def test_a_job_without_a_label_cannot_be_made_again() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        with pytest.raises(InvalidInputError, match="again needs the label"):
            client.queue.submit(LAKE, again=True)
        assert posts(emulator) == 0


# a submit whose process died


def test_a_process_that_died_before_it_sent_anything_leaves_its_label_free() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        submitted(emulator, journal)
        leave(journal, "intended", job_id=None, owner=ANOTHER)
        emulator.clock.sleep(601)
        client.queue.submit(OCEAN, label="order-1")
        assert states(client) == {"order-1": ["refused", "accepted"]}


def test_a_process_that_died_while_it_was_sending_leaves_an_unknown_outcome() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        submitted(emulator, journal)
        leave(journal, "sending", job_id=None, owner=ANOTHER)
        with pytest.raises(InvalidInputError, match="is sending: only one whose outcome is unknown"):
            client.jobs.settle("order-1", job_id=None)
        emulator.clock.sleep(601)
        [record] = client.jobs.pending()
        assert (
            record == client.jobs.get("order-1") == client.jobs.select(states=["unknown"])[0] == next(iter(client.jobs))
        )
        assert (record.state, record.error) == ("unknown", "The process ended while it was sending.")
        assert client.jobs.select(states=["sending"]) == []
        assert client.jobs.prune(older_than=0) == 0
        with pytest.raises(SubmitOutcomeUnknownError, match="may have been accepted"):
            client.queue.submit(LAKE, label="order-1")
        leave(journal, "sending", owner="")
        client.jobs.settle("order-1", job_id=accepted(emulator)[0])
        assert posts(emulator) == 1


def test_a_submit_of_another_machine_is_waited_for_until_it_is_silent() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        submitted(emulator, journal)
        leave(journal, "sending", job_id=None, owner=ANOTHER)
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE, label="order-1")
        assert sum(emulator.clock.sleeps) == pytest.approx(600, abs=1)


def test_a_wait_for_another_submit_ends_when_it_is_cancelled_or_the_patience_is_over() -> None:
    journal = Failing()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        submitted(emulator, journal)
        record = leave(journal, "sending", job_id=None, owner=ANOTHER)
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(WaitCancelledError):
            client.queue.submit_and_poll(LAKE, label="order-1", cancel=cancel)

        def beats(method: str, value: Any) -> bool:  # it writes again and again
            nonlocal record
            if method == "latest":
                record = record.changed(emulator.clock.time())
                assert MemoryJournal.replace(journal, record)
            return False

        journal.fails = beats
        with pytest.raises(JournalError, match="has been submitting the label 'order-1' for 660 s"):
            client.queue.submit(LAKE, label="order-1")
        assert posts(emulator) == 1


@pytest.mark.parametrize("state", ["unknown", "failed", "refused"])
def test_a_call_that_was_taken_for_dead_still_records_its_job(state: str, caplog: pytest.LogCaptureFixture) -> None:
    journal = Failing()

    def fails(method: str, value: Any) -> bool:
        if method == "replace" and value.state == "accepted" and not posts_before:
            posts_before.append(1)
            record = journal.latest("order-1")
            assert MemoryJournal.replace(journal, record.changed(0.0, state=state, owner=""))
            if state == "failed":
                again = attrs.evolve(record, generation=2, revision=0, state="accepted", job_id="j2")
                assert MemoryJournal.insert(journal, again)
        return False

    posts_before: list[int] = []
    journal.fails = fails
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        job = client.queue.submit(LAKE, label="order-1")
        assert next(iter(client.jobs)).job_id == job.job_id
        assert states(client)["order-1"][0] == "accepted"


def test_a_record_that_is_gone_is_written_anew_and_another_job_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with BothSides() as emulator:
        for change in ("deleted", "settled"):
            journal = Failing(writes_of("accepted"))
            with emulator.client(journal=journal) as client:
                with pytest.raises(JournalError) as caught:
                    client.queue.submit(LAKE, label="order-1")
                record = journal.latest("order-1")
                assert record is not None
                journal.fails = lambda method, value: False
                if change == "deleted":
                    journal.delete(float("inf"), ["sending"])
                else:
                    assert journal.replace(record.changed(0.0, state="accepted", job_id="j9"))
                found = client.jobs.get("order-1")
                assert found is not None
                assert found.job_id == (caught.value.job_id if change == "deleted" else "j9")
        assert f"the label 'order-1' has job {caught.value.job_id}, and its record j9" in caplog.text


def test_a_call_that_lost_its_record_sends_nothing() -> None:
    journal = Failing()

    def fails(method: str, value: Any) -> bool:
        if method == "replace" and value.state == "sending":
            record = journal.latest("order-1")
            MemoryJournal.replace(journal, record.changed(0.0, owner=ANOTHER))
        return False

    journal.fails = fails
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        with pytest.raises(JournalError, match="has changed the record .* shows it. Nothing was sent.$"):
            client.queue.submit(LAKE, label="order-1")
        assert posts(emulator) == 0
        assert record_of(client).owner == ANOTHER


# pruning and costs


def test_prune_never_removes_what_is_open() -> None:
    with (
        BothSides(faults=["status:402,on=submit", "drop-after"]) as emulator,
        emulator.client(journal=MemoryJournal(), retry=ONCE) as client,
    ):
        with pytest.raises(Exception, match="not submitted"):
            client.queue.submit(LAKE, label="refused")
        unknown(client, "unknown")
        client.queue.submit(LAKE, label="accepted")
        client.queue.submit_and_poll(LAKE, label="delivered")
        client.queue.status(client.queue.submit(LAKE, label="completed"))
        assert client.jobs.prune(older_than=timedelta(days=1)) == 0
        emulator.clock.sleep(100)
        assert client.jobs.prune(older_than=200) == 0
        assert client.jobs.prune(older_than=50) == 2
        assert set(states(client)) == {"unknown", "accepted", "completed"}
        for older_than in (-1, True, "1 day", float("nan"), float("inf"), None):
            with pytest.raises(InvalidInputError, match="older_than"):
                client.jobs.prune(older_than=older_than)


def test_costs_are_recorded_and_summed() -> None:
    faults = ["status:402,on=submit", "drop-after", "job-fails"]
    prices = {"lucy-pro-t2v": 0.5}
    with (
        BothSides(faults=faults) as emulator,
        emulator.client(journal=MemoryJournal(), prices=prices, retry=ONCE) as client,
    ):
        with pytest.raises(Exception, match="not submitted"):
            client.queue.submit(LAKE, label="a-refused")
        unknown(client, "a-unknown")
        client.queue.submit_and_poll(LAKE, label="b-failed")
        emulator.clock.sleep(100)
        client.queue.submit(LAKE, label="b-1")
        free: Any = {"model": models.video("lucy-2.5"), "prompt": "x", "data": b"\x00\x00\x00\x18ftypmp42"}
        client.queue.submit(free, label="free")
        assert client.jobs.spent() == 1.5
        assert isinstance(client.jobs.spent(label_prefix="none"), float)
        assert client.jobs.spent(label_prefix="b-") == 1.0
        assert client.jobs.spent(since=record_of(client, "b-1").created_at) == 0.5
        assert client.jobs.spent(model="lucy-2.5") == 0
        assert record_of(client, "free").cost is None


def test_prices_may_be_a_function() -> None:
    with BothSides() as emulator:
        price = {"720p": 0.5, "480p": 0.2}
        with emulator.client(journal=MemoryJournal(), prices=lambda job: price[job.resolution]) as client:
            client.queue.submit(LAKE | {"resolution": "480p"}, label="order-1")
            assert client.jobs.spent() == 0.2
            with pytest.raises(InvalidInputError, match="The function prices raised KeyError: None; nothing was sent"):
                client.queue.submit(LAKE)
        assert posts(emulator) == 1


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1, "0.5", True, object()])
def test_what_is_no_price_is_refused(odd: Any) -> None:
    with BothSides() as emulator:
        with pytest.raises(InvalidInputError, match="prices must be finite numbers of 0 or more"):
            emulator.client(journal=MemoryJournal(), prices={"lucy-pro-t2v": odd})
        with emulator.client(journal=MemoryJournal(), prices=lambda job: odd) as client:
            with pytest.raises(InvalidInputError, match="prices must be finite numbers of 0 or more"):
                client.queue.submit(LAKE)
            assert client.jobs.select() == []
        assert posts(emulator) == 0
