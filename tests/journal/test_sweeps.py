"""`client.jobs.sweep`: one pass makes the next step of every job that is due, and of no other."""

from __future__ import annotations

import _thread
import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.labelled import ANOTHER, LAKE, BothSides, Failing, content, posts, record_of, render
from support.steps import POLL, Skewed, checks

from decart import ClientClosedError, InvalidInputError, JobStep, JournalError, MemoryJournal, PollPolicy
from decart.emulator import EmulatorTransport, VirtualEmulator

GIVEN: dict[str, Any] = {"save_to": "videos/{label}.mp4", "poll": POLL}


pytestmark = pytest.mark.usefixtures("side")


def submit(client: Any, count: int) -> list[str]:
    """Submit jobs, and return their labels."""
    labels = [f"order-{number}" for number in range(count)]
    for label in labels:
        client.queue.submit(LAKE, label=label)
    return labels


def labels_of(steps: list[JobStep]) -> list[str]:
    return sorted(step.record.label for step in steps if step.record is not None)


def sweepers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decart-sweep")]


def test_sweeps_alone_bring_jobs_to_their_ends() -> None:
    with BothSides(renderer=render, faults="job-fails") as emulator, emulator.client(journal=MemoryJournal()) as client:
        labels, done = submit(client, 5), list[JobStep]()
        for _ in range(6):
            client.jobs.sweep(on_done=done.append, **GIVEN)
            emulator.clock.advance(1)
        assert labels_of(done) == labels
        assert sorted(record.state for record in client.jobs) == [*["delivered"] * 4, "failed"]
        assert len(list(Path("videos").iterdir())) == 4
        assert Path("videos/order-4.mp4").read_bytes() == content(LAKE["prompt"])
        assert (client.jobs.sweep(**GIVEN), posts(emulator), emulator.clock.sleeps) == ([], 5, [])


def test_no_video_takes_the_place_of_another_in_one_pass_or_a_later_one() -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        submit(client, 2)
        emulator.clock.advance(10)
        steps = client.jobs.sweep(save_to=lambda record: "lake.mp4")
        saved = Path("lake.mp4").read_bytes()
        client.queue.submit(LAKE, label="order-2")
        emulator.clock.advance(10)
        steps += client.jobs.sweep(save_to=lambda record: "./lake.mp4")
        refused = [step for step in steps if step.error is not None]
        assert [step.record.state for step in refused if step.record is not None] == ["completed", "completed"]
        for step in refused:
            assert "has the video of another job (label 'order-" in str(step.error)
        assert Path("lake.mp4").read_bytes() == saved
        client.jobs.resume(save_to="{label}.mp4")
        assert [record.state for record in client.jobs] == ["delivered"] * 3


def test_what_is_due_gets_a_step_and_nothing_else() -> None:
    journal = MemoryJournal()
    with BothSides(renderer=render, api_keys=["dct_test", "dct_other"]) as emulator:
        client, other = emulator.client(journal=journal), emulator.client(journal=journal, api_key="dct_other")
        other.queue.submit(LAKE, label="that of another account")
        client.jobs.step("due in a minute", LAKE, poll=PollPolicy(interval=60, max_interval=60, jitter=0))
        given_up = client.jobs.step("given up", LAKE, poll=PollPolicy(timeout=0))
        assert given_up.wait is None
        emulator.faults.add("drop-after")
        client.jobs.step("unknown", LAKE)
        submit(client, 3)
        client.jobs.step("due now", LAKE, poll=POLL)
        emulator.clock.advance(1)
        steps = client.jobs.sweep(**GIVEN)
        assert labels_of(steps) == ["due now", "order-0", "order-1", "order-2"]
        assert all((step.wait, step.error, step.superseded) == (1.0, None, False) for step in steps)
        assert client.jobs.sweep(**GIVEN) == []
        emulator.clock.advance(59)
        assert len(client.jobs.sweep(**GIVEN)) == 5
        assert record_of(client, "given up").state == "accepted"


def test_a_video_without_a_place_to_save_it_stays_alone() -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        [label] = submit(client, 1)
        emulator.clock.advance(60)
        done: list[JobStep] = []
        assert len(client.jobs.sweep(on_done=done.append)) == len(done) == 1
        assert record_of(client, label).state == "completed"
        assert client.jobs.sweep(on_done=done.append) == client.jobs.sweep(**GIVEN) == []
        client.jobs.step(label, save_to="lake.mp4")
        assert record_of(client, label).state == "delivered"


def test_an_earlier_job_of_a_label_that_was_submitted_anew_is_left_to_resume() -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        [label] = submit(client, 1)
        emulator.clock.advance(60)
        client.queue.status(record_of(client, label).job_id)
        client.queue.submit(LAKE, label=label, again=True)
        for _ in range(6):
            client.jobs.sweep(**GIVEN)
            emulator.clock.advance(1)
        assert [record.state for record in client.jobs] == ["completed", "delivered"]
        client.jobs.resume(save_to="{label}-{generation}.mp4")
        assert Path(f"{label}-1.mp4").read_bytes() == content(LAKE["prompt"])


def test_a_job_that_another_call_waits_for_is_left_to_it() -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        swept: list[Any] = []
        client.queue.submit_and_poll(
            LAKE, label="order-1", on_status_change=lambda status: swept.append(client.jobs.sweep(**GIVEN))
        )
        assert swept == [[]] * 3


def test_sweeps_at_once_share_the_work() -> None:
    with BothSides(renderer=render) as emulator, ThreadPoolExecutor(4) as pool:
        journal = MemoryJournal()
        with emulator.client(journal=journal) as client:
            labels = submit(client, 40)
        clients = [emulator.client(journal=journal) for _ in range(4)]
        steps = [
            step for found in pool.map(lambda each: each.jobs.sweep(workers=4, **GIVEN), clients) for step in found
        ]
        made = [step for step in steps if step.wait == 1.0]
        assert labels_of(made) == sorted(labels)
        assert all(record.steps == 0 for record in journal.select())  # no token is out of date
        for client in clients:
            client.close()


@pytest.mark.parametrize("passes", [1, 2, 5])
def test_a_scheduler_that_is_late_is_not_superseded_by_sweeps(passes: int) -> None:
    with BothSides(renderer=render, processing=60) as emulator:
        client, done = emulator.client(journal=MemoryJournal()), list[JobStep]()
        step, made = client.jobs.step("order-1", LAKE, on_done=done.append, **GIVEN), 0
        while step.wait is not None:
            for _ in range(passes if emulator.clock.now() < 30 else 1):
                emulator.clock.advance(step.wait)
                made += len(client.jobs.sweep(**GIVEN)) if emulator.clock.now() < 30 else 0
            step = client.jobs.step("order-1", LAKE, token=step.token, on_done=done.append, **GIVEN)
        assert (made >= 10, step.superseded, done, step.record) == (True, False, [step], record_of(client))
        assert (record_of(client).state, posts(emulator)) == ("delivered", 1)


def test_a_sweep_makes_the_steps_that_a_clock_ahead_of_its_own_has_planned() -> None:
    with BothSides(renderer=render) as emulator:
        ahead, journal = Skewed(emulator), MemoryJournal()
        ahead.skew = 300
        submit(emulator.client(journal=journal, transport=ahead), 3)
        client = emulator.client(journal=journal)
        emulator.client(journal=journal, transport=ahead).jobs.sweep(**GIVEN)  # it plans the next checks by its clock
        emulator.clock.advance(60)
        assert [len(client.jobs.sweep(**GIVEN)) for _ in range(3)] == [3, 0, 0]
        assert {record.state for record in client.jobs} == {"delivered"}


def test_a_job_that_a_sweep_has_ended_ends_the_steps_of_its_scheduler() -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        swept, done = list[JobStep](), list[JobStep]()
        token = client.jobs.step("order-1", LAKE, on_done=done.append, **GIVEN).token
        emulator.clock.advance(60)
        client.jobs.sweep(on_done=swept.append, **GIVEN)
        late = client.jobs.step("order-1", LAKE, token=token, on_done=done.append, **GIVEN)
        assert (late.superseded, late.record, len(swept), done) == (True, record_of(client), 1, [])


def test_a_job_that_another_sweep_has_just_advanced_is_left_out() -> None:
    journal, inner = Failing(), list[JobStep]()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        submit(client, 10)
        steps = list[JobStep]()

        def interfere(method: str, value: Any) -> bool:
            if method == "latest" and not inner:
                inner.append(JobStep(record=None))
                inner.extend(client.jobs.sweep(workers=1, **GIVEN))
            return False

        journal.fails = interfere
        steps = client.jobs.sweep(workers=1, **GIVEN)
        assert (len(inner), steps, checks(emulator)) == (11, [], 10)


@pytest.mark.parametrize("state", ["failed", "accepted"])
def test_a_job_that_another_call_has_just_ended_or_taken_up_is_left_out(state: str) -> None:
    journal = Failing()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        submit(client, 1)

        def interfere(method: str, value: Any) -> bool:
            if method == "latest":
                journal.fails = lambda method, value: False
                record = journal.latest("order-0")
                assert record is not None
                journal.replace(record.changed(record.updated_at, state=state, owner=ANOTHER))
            return False

        journal.fails = interfere
        assert (client.jobs.sweep(**GIVEN), checks(emulator)) == ([], 0)


@pytest.mark.parametrize("workers", [1, 3])
def test_no_step_begins_after_the_seconds(workers: int) -> None:
    with BothSides(faults="stall:20,on=status,times=forever") as emulator:
        client = emulator.client(journal=MemoryJournal())
        submit(client, 10)
        steps = client.jobs.sweep(seconds=50, workers=workers, **GIVEN)
        assert 3 <= len(steps) <= 2 + workers


def test_a_job_that_fails_unexpectedly_keeps_no_other_from_its_turn() -> None:
    class Odd(EmulatorTransport):
        broken = ""

        def send(self, request: Any, **options: Any) -> Any:
            if request.method == "GET" and self.broken in request.url:
                raise ValueError("A mistake in a transport.")
            return super().send(request, **options)

    with BothSides(renderer=render) as emulator:
        transport = Odd(emulator)
        client = emulator.client(journal=MemoryJournal(), transport=transport)
        submit(client, 10)
        transport.broken = record_of(client, "order-4").job_id or ""
        steps = client.jobs.sweep(workers=2, **GIVEN)
        assert len(steps) == 10
        [failed] = [step for step in steps if step.error is not None]
        assert (str(failed.error), failed.record) == ("A mistake in a transport.", record_of(client, "order-4"))


def test_a_journal_that_fails_ends_the_pass_with_its_error() -> None:
    journal = Failing()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        submit(client, 20)
        journal.fails = lambda method, value: method == "replace" and value.label == "order-7"
        with pytest.raises(JournalError, match="The disk is full"):
            client.jobs.sweep(**GIVEN)
        assert sweepers() == []
        journal.fails = lambda method, value: False
        emulator.clock.advance(1)
        assert len(client.jobs.sweep(**GIVEN)) == 20


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_in_a_step_ends_the_pass(kind: type[BaseException]) -> None:
    def store(record: Any, path: Path) -> str:
        raise kind

    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        submit(client, 10)
        emulator.clock.advance(60)
        with pytest.raises(kind):
            client.jobs.sweep(store=store, workers=2)
        assert sweepers() == []
        assert len(client.jobs.sweep(**GIVEN)) == 10


def test_a_closed_client_ends_the_pass() -> None:
    with BothSides() as emulator:
        client = emulator.client(journal=MemoryJournal())
        submit(client, 2)
        client.close()
        with pytest.raises(ClientClosedError):
            client.jobs.sweep(**GIVEN)


@pytest.mark.slow
def test_hundreds_of_jobs_are_brought_to_their_ends() -> None:
    with BothSides(renderer=lambda job, target: target.write_bytes(b"video"), processing=60) as emulator:
        client = emulator.client(journal=MemoryJournal())
        submit(client, 300 if BothSides.side == "sync" else 100)
        poll = PollPolicy(interval=30, max_interval=30, jitter=0)
        passes = 0
        while client.jobs.pending():
            client.jobs.sweep(save_to="{label}.mp4", poll=poll)
            emulator.clock.advance(30)
            passes += 1
        assert passes <= 4
        assert {record.state for record in client.jobs} == {"delivered"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        *(
            ({"workers": workers}, "workers must be a number of threads or tasks")
            for workers in (0, -1, True, 1.5, "8")
        ),
        *(({"seconds": seconds}, "seconds must be a number above 0") for seconds in (0, -1, True, "50", float("nan"))),
        ({"save_to": "lake.mp4"}, "save_to must be a path with {label} or {job_id}"),
        ({"store": 5}, "store must be a function"),
    ],
)
def test_wrong_arguments_are_refused(given: dict[str, Any], words: str) -> None:
    with BothSides() as emulator:
        client = emulator.client(journal=MemoryJournal())
        with pytest.raises(InvalidInputError, match=words):
            client.jobs.sweep(**given)


# Ctrl-C and cancellation: each side has its own


def test_ctrl_c_ends_a_sweep_without_waiting_for_its_steps(side: None) -> None:
    if BothSides.side == "async":
        pytest.skip("a task is cancelled; see below")
    begun, release = threading.Event(), threading.Event()

    def store(record: Any, path: Path) -> str:
        begun.set()
        assert release.wait(30)
        return "stored"

    with VirtualEmulator(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        submit(client, 20)
        emulator.clock.advance(60)

        def press() -> None:
            begun.wait(30)
            _thread.interrupt_main()

        presser = threading.Thread(target=press)
        presser.start()
        with pytest.raises(KeyboardInterrupt):
            client.jobs.sweep(store=store, workers=2)
        presser.join()
        left = sweepers()
        release.set()
        for thread in left:
            thread.join(30)
        assert sweepers() == []
        assert sum(record.state == "delivered" for record in client.jobs) <= 2


def test_a_sweep_that_is_cancelled_leaves_no_task(side: None) -> None:
    if BothSides.side == "sync":
        pytest.skip("a thread cannot be cancelled; see above")
    begun, release = threading.Event(), threading.Event()

    def store(record: Any, path: Path) -> str:
        begun.set()
        assert release.wait(30)
        return "stored"

    async def main(client: Any) -> None:
        sweep = asyncio.create_task(client.jobs.sweep(store=store, workers=2))
        while not begun.is_set():
            await asyncio.sleep(0)
        sweep.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sweep
        release.set()
        gc.collect()
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)
        assert [record.state async for record in client.jobs] == ["completed"] * 2
        assert [record.owner async for record in client.jobs] == [""] * 2
        await client.close()

    with VirtualEmulator(renderer=render) as emulator:
        journal = MemoryJournal()
        with emulator.client(journal=journal) as client:
            submit(client, 2)
        emulator.clock.advance(60)
        asyncio.run(main(emulator.async_client(journal=journal)))
