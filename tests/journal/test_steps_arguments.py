"""`client.jobs.step`: what it calls at the end, its arguments, and the labels that it refuses."""

from __future__ import annotations

import asyncio
import random
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from support.labelled import LAKE, OCEAN, BothSides, posts, record_of, render, unknown
from support.steps import POLL, VIDEO, checks, last_of, steps_to_the_end

from decart import (
    ClientClosedError,
    EventHook,
    InvalidInputError,
    JobStep,
    LabelConflictError,
    MemoryJournal,
    PollPolicy,
    models,
)
from decart.events import Operation

pytestmark = pytest.mark.usefixtures("side")


# on_done


def test_on_done_is_called_before_the_journal_notes_the_end() -> None:
    seen: list[tuple[str | None, str]] = []
    emulator = BothSides(renderer=render)
    client = emulator.client(journal=MemoryJournal())

    def on_done(step: JobStep) -> None:
        assert step.record is not None and step.wait is None
        assert Path("lake.mp4").read_bytes() == VIDEO
        seen.append((step.record.state, record_of(client).state))

    steps_to_the_end(client, emulator, save_to="lake.mp4", on_done=on_done)
    assert seen == [("delivered", "completed")]


@pytest.mark.parametrize("fault", ["", "job-fails", "job-never-ends", "drop-after", "status:402,on=submit,times=2"])
def test_an_on_done_that_fails_twice_is_called_again(fault: str) -> None:
    calls, stored = list[JobStep](), list[Path]()

    def on_done(step: JobStep) -> None:
        calls.append(step)
        if len(calls) < 3:
            raise RuntimeError("The database is gone.")

    def store(record: Any, path: Path) -> str:
        stored.append(path)
        return "s3://videos/1"

    emulator = BothSides(renderer=render, faults=[fault] if fault else [])
    client = emulator.client(journal=MemoryJournal())
    steps = steps_to_the_end(client, emulator, store=store, on_done=on_done, poll=PollPolicy(timeout=100))
    assert [type(step.error) for step in steps if isinstance(step.error, RuntimeError)] == [RuntimeError] * 2
    assert {step.wait for step in steps if isinstance(step.error, RuntimeError)} == {30.0}
    assert len(calls) == (3 if "402" not in fault else 4 - len(stored))
    assert len(stored) <= 1
    assert steps[-1].record == record_of(client)


@pytest.mark.parametrize("fault", ["", "job-fails", "job-never-ends", "drop-after"])
def test_an_on_done_that_always_fails_does_not_keep_the_steps_from_ending(fault: str) -> None:
    calls: list[JobStep] = []

    def on_done(step: JobStep) -> None:
        calls.append(step)
        raise RuntimeError("A mistake.")

    last, emulator, client = last_of(*[fault] * bool(fault), poll=PollPolicy(timeout=100), on_done=on_done)
    assert isinstance(last.error, RuntimeError)
    assert last.record == record_of(client)
    assert 600 <= emulator.clock.now() < 740
    assert 20 <= len(calls) <= 25
    assert len([request for request in emulator.requests if request.route == "content"]) <= 1


def test_the_async_client_awaits_on_done() -> None:
    done: list[JobStep] = []

    async def on_done(step: JobStep) -> None:
        await asyncio.sleep(0)
        done.append(step)

    if BothSides.side == "async":
        last, _, client = last_of(on_done=on_done)
        assert (last.record, len(done)) == (record_of(client), 1)
    else:
        with pytest.raises(InvalidInputError, match="on_done is a coroutine function; only the async client"):
            last_of(on_done=on_done)


# arguments, labels and events


async def coroutine_function(*_: Any) -> str:
    return ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"save_to": "a.mp4", "store": str}, "save_to and store exclude each other"),
        ({"save_to": "{nothing}.mp4"}, "save_to must be a path"),
        ({"save_to": 5}, "save_to must be a path"),
        ({"store": "bucket"}, "store must be a function"),
        ({"store": coroutine_function}, "store is a coroutine function"),
        ({"on_done": 5}, "on_done must be a function"),
        ({"poll": 5}, "poll must be a PollPolicy"),
        *(
            ({"token": token}, "token must be the token of the previous step")
            for token in (
                "",
                "1",
                "1.0..1",
                "1.0.0",
                "1.0.2.0",
                "-1.0.0.0",
                "1.0.0.0\n",
                "1.٣.0.0",
                "9" * 16 + ".0.0.0",
                5,
                b"1.0.0.0",
                True,
            )
        ),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_sent(given: dict[str, Any], words: str) -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        with pytest.raises(InvalidInputError, match=words):
            client.jobs.step("order-1", LAKE, **given)
        assert (posts(emulator), list(client.jobs)) == (0, [])
    with (
        BothSides() as emulator,
        emulator.client() as client,
        pytest.raises(InvalidInputError, match="needs a journal"),
    ):
        client.jobs.step("order-1", LAKE)


def test_a_label_without_a_job_needs_options() -> None:
    words = "'order-1' is not in the journal: pass its options, too"
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        steps = client.jobs
        with pytest.raises(InvalidInputError, match=words):
            steps.step("order-1")


def test_the_label_of_another_request_or_account_is_refused() -> None:
    with BothSides(api_keys=["dct_test", "dct_other"]) as emulator:
        journal = MemoryJournal()
        client, other = emulator.client(journal=journal), emulator.client(journal=journal, api_key="dct_other")
        token = client.jobs.step("order-1", LAKE).token
        with pytest.raises(LabelConflictError, match="prompt differs"):
            client.jobs.step("order-1", OCEAN)
        with pytest.raises(LabelConflictError, match=r"account \(another API key\) differs"):
            other.jobs.step("order-1", LAKE)
        for options in (LAKE, None):
            with pytest.raises(InvalidInputError, match="of another account or service: use the key that submitted it"):
                other.jobs.step("order-1", options, token=token)
        client.close()
        with pytest.raises(ClientClosedError):
            client.jobs.step("order-1", LAKE, token=token)


def test_the_inputs_of_a_job_that_is_known_are_not_read_again() -> None:
    image = Path("image.png")
    image.write_bytes(b"\x89PNG\r\n")
    options: Any = {"model": models.video("lucy-pro-i2v"), "prompt": "Wind", "data": image}
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        step = client.jobs.step("order-1", options)
        image.unlink()
        emulator.clock.advance(60)
        assert client.jobs.step("order-1", options, token=step.token).record.state == "completed"


def test_each_request_of_a_step_is_an_operation() -> None:
    seen: list[str] = []

    class Hook(EventHook):
        def operation(self, operation: Operation) -> AbstractContextManager[object]:
            seen.append(operation.name)
            return nullcontext()

    with (
        BothSides(renderer=render) as emulator,
        emulator.client(journal=MemoryJournal(), event_hooks=[Hook()]) as client,
    ):
        steps_to_the_end(client, emulator, save_to="lake.mp4", poll=POLL)
        assert seen == ["submit", *["status"] * checks(emulator), "download"]


def learned(by: str) -> tuple[int, float]:
    """Make ten jobs of 121 seconds each; return the status checks of the last one, and the seconds that it took."""
    with BothSides(renderer=render, processing=120) as emulator, emulator.client(journal=MemoryJournal()) as client:
        random.seed(7)  # the jitter
        for number in range(10):
            before, begun, label = checks(emulator), emulator.clock.now(), f"order-{number}"
            if by == "submit_and_poll":
                client.queue.submit_and_poll(LAKE, label=label)
            else:
                step = client.jobs.step(label, LAKE)
                while step.wait is not None:
                    emulator.clock.advance(step.wait)
                    step = client.jobs.step(label, LAKE, token=step.token)
        return checks(emulator) - before, emulator.clock.now() - begun


def test_steps_learn_how_long_jobs_take_as_a_wait_does() -> None:
    steps, wait = learned("steps"), learned("submit_and_poll")
    assert steps[0] == pytest.approx(wait[0], abs=3)
    assert steps[1] == pytest.approx(wait[1], abs=1)


def test_an_unknown_label_of_another_call_is_left_alone() -> None:
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=MemoryJournal()) as client:
        unknown(client)
        assert client.jobs.step("order-1").record == record_of(client)
        assert posts(emulator) == 1
