"""What Celery's tasks do when something fails: no job is lost, and none is paid for twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, Task
from celery.exceptions import Reject, Retry, SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from support.labelled import LAKE, Failing, accepted, content, posts, record_of, render, writes_of
from support.mailbox import Told, deliver, messages, new_app, worker

from decart import (
    DecartClient,
    EventHook,
    InvalidInputError,
    JournalError,
    MemoryJournal,
    PollPolicy,
    QueueSubmitError,
    models,
)
from decart.emulator import EmulatorServer, VirtualEmulator
from decart.integrations.celery import video_tasks

QUICK = PollPolicy(interval=0.01, max_interval=0.01)


pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def emulator() -> Any:
    with VirtualEmulator(renderer=render, pending=0, processing=15) as emulator:
        yield emulator


@pytest.fixture
def service(emulator: VirtualEmulator) -> Any:
    """A server that lets time pass with each status check."""
    with EmulatorServer(emulator, seconds_per_check=10.0) as server:
        yield server


def client_of(service: EmulatorServer, journal: Any = None, **settings: Any) -> DecartClient:
    return DecartClient("dct_test", base_url=service.url, journal=journal or MemoryJournal(), poll=QUICK, **settings)


class First:
    """Something that raises errors the first times."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self, *_: object) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        return False


# ---------------------------------------------------------------- in a worker


def make_video(app: Celery, client: DecartClient, told: Told) -> None:
    """Let a worker make a video."""
    videos = video_tasks(app, client, save_to="{label}.mp4", on_done=told)
    with worker(app):
        videos.submit(LAKE, label="order-1")
        assert told.wait().record.state == "delivered"


def test_a_worker_makes_a_video(service: EmulatorServer) -> None:
    app, told = new_app(), Told()
    with client_of(service) as client:
        make_video(app, client, told)
    assert Path("order-1.mp4").read_bytes() == content(LAKE["prompt"])


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        (lambda method, record: method == "insert", OSError("no network")),
        (writes_of("sending"), SoftTimeLimitExceeded()),
        (lambda method, record: method == "by_job", JournalError("The disk is full.")),
        (lambda method, record: method == "replace" and record.steps == 2, SoftTimeLimitExceeded()),
        (writes_of("completed"), JournalError("The disk is full.")),
    ],
    ids=["insert", "sending", "accepted", "a check", "completed"],
)
def test_an_error_in_a_step_is_followed_by_another_attempt(
    fails: Callable[[str, Any], bool], error: Exception, service: EmulatorServer, emulator: VirtualEmulator
) -> None:
    first = First(error)
    journal = Failing(lambda method, record: fails(method, record) and first())
    app, told = new_app(), Told()
    with client_of(service, journal) as client:
        make_video(app, client, told)
    assert first.errors == []
    assert len(accepted(emulator)) == 1


class Unreliable(Task):  # type: ignore[misc]
    """A task that cannot be queued now and then, because the broker is down or full."""

    failures = First()
    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> Any:
        if options.get("countdown"):
            Unreliable.failures()
        return super().apply_async(*args, **options)


@pytest.mark.parametrize("fails", [lambda method, record: False, lambda method, record: method == "insert"])
def test_a_step_whose_successor_the_broker_does_not_take_is_delivered_again(
    fails: Callable[[str, Any], bool], service: EmulatorServer, emulator: VirtualEmulator
) -> None:
    Unreliable.failures = First(OperationalError("no broker"), RuntimeError("out of memory"))
    first = First(JournalError("The disk is full."))
    app, told = new_app(task_cls=Unreliable), Told()
    journal = Failing(lambda method, record: fails(method, record) and first())
    with client_of(service, journal) as client:
        make_video(app, client, told)
    assert Unreliable.failures.errors == []
    assert posts(emulator) == 1


# ---------------------------------------------------------------- how often, and for how long


def attempt(app: Celery, retries: int, **call: Any) -> Exception:
    """Make an attempt at the only message of an app, as a worker does; return what it has raised."""
    (message,) = messages(app)
    task = app.tasks[message.task]
    task.push_request(
        retries=retries, args=[], kwargs=message.kwargs, called_directly=False, id="1", delivery_info={}, headers=None
    )
    try:
        with pytest.raises(Exception) as caught:
            task.run(**message.kwargs)
    finally:
        task.pop_request()
    return caught.value


@pytest.mark.parametrize(("retries", "pause"), [(0, 1), (3, 8), (9, 60), (2000, 60)])
@pytest.mark.parametrize("error", [JournalError("The disk is full."), SoftTimeLimitExceeded()])
def test_without_a_journal_a_job_is_kept_for_as_long_as_it_takes(
    error: Exception, retries: int, pause: int, emulator: VirtualEmulator
) -> None:
    app, journal = new_app(), Failing(lambda method, record: True)
    journal.error = error
    with emulator.client(journal=journal) as client:
        videos = video_tasks(app, client)
        videos.submit(LAKE, label="order-1", save_to="lake.mp4")
        raised = attempt(app, retries)
        assert isinstance(raised, Retry)
        (again,) = messages(app)
        assert (again.task, round(again.countdown), again.headers["retries"]) == (
            *("decart.submit_video", pause),
            retries + 1,
        )
        assert (again.kwargs["label"], again.kwargs["save_to"]) == ("order-1", "lake.mp4")
        assert LAKE["prompt"] not in str(again.headers)


def test_another_error_is_raised_when_the_time_of_a_wait_is_over(emulator: VirtualEmulator) -> None:
    def open_file(name: str) -> Any:
        raise KeyError(name)

    edit = {"model": models.video("lucy-2.5"), "data": "lake.mp4"}
    for retries, poll, kind in [
        (5, None, Retry),
        (11, None, KeyError),
        (11, PollPolicy(timeout=3600), Retry),
        (9999, PollPolicy(timeout=None), Retry),
    ]:
        app = new_app()
        with emulator.client(journal=MemoryJournal()) as client:
            video_tasks(app, client, open_file=open_file, poll=poll).submit(edit, label="order-1")
            assert type(attempt(app, retries)) is kind


def test_a_long_pause_survives_a_broker_that_does_not_take_the_next_countdown(emulator: VirtualEmulator) -> None:
    Unreliable.failures = First(OperationalError("no broker"))
    app = new_app(task_cls=Unreliable)
    with emulator.client(journal=MemoryJournal()) as client:
        videos = video_tasks(app, client)
        videos.check_video.delay("order-1", rest=200.0)
        (message,) = messages(app)
        with pytest.raises(Reject) as caught:
            deliver(app, message)
    assert caught.value.requeue


def test_a_mistake_is_no_reason_to_try_again(emulator: VirtualEmulator) -> None:
    app = new_app()
    with emulator.client(journal=MemoryJournal()) as client:
        video_tasks(app, client).check_video.delay(label="order-1")
        assert isinstance(attempt(app, 0), InvalidInputError)
    assert messages(app) == []


# ---------------------------------------------------------------- eager


@pytest.fixture
def eager() -> Celery:
    app = new_app()
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    return app


@pytest.mark.parametrize("chain", [True, False])
def test_in_an_eager_app_a_submit_returns_when_the_video_is_saved(
    chain: bool, eager: Celery, emulator: VirtualEmulator
) -> None:
    told = []

    @eager.task(name="shop.video_ready", shared=False)
    def video_ready(document: dict[str, Any]) -> None:
        told.append(document["state"])

    with emulator.client(journal=MemoryJournal()) as client:
        videos = video_tasks(eager, client, save_to="{label}.mp4", on_done="shop.video_ready", chain=chain)
        videos.submit(LAKE, label="order-1")
        videos.submit(LAKE, label="order-1")
        assert (record_of(client).state, posts(emulator)) == ("delivered", 1)
    assert Path("order-1.mp4").read_bytes() == content(LAKE["prompt"])
    assert told[0] == "delivered"


@pytest.mark.parametrize(("fault", "state"), [("job-fails", "failed"), ("status:402,on=submit", "refused")])
def test_in_an_eager_app_the_end_of_a_job_that_failed_is_told(
    fault: str, state: str, eager: Celery, emulator: VirtualEmulator
) -> None:
    told = Told()
    emulator.faults.add(fault)
    with emulator.client(journal=MemoryJournal()) as client:
        video_tasks(eager, client, save_to="{label}.mp4", on_done=told).submit(LAKE, label="order-1")
    assert [step.record.state for step in told.steps] == [state]


def test_in_an_eager_app_a_job_that_never_ends_is_given_up(eager: Celery, emulator: VirtualEmulator) -> None:
    told = Told()
    emulator.faults.add("job-never-ends")
    with emulator.client(journal=MemoryJournal()) as client:
        poll = PollPolicy(timeout=30)
        video_tasks(eager, client, save_to="{label}.mp4", on_done=told, poll=poll).submit(LAKE, label="order-1")
    assert [(step.record.state, type(step.error).__name__) for step in told.steps] == [("accepted", "JobTimeoutError")]


def test_in_an_eager_app_a_failed_status_check_is_repeated(eager: Celery, emulator: VirtualEmulator) -> None:
    emulator.faults.add("status:503,on=status,times=2")
    with emulator.client(journal=MemoryJournal()) as client:
        video_tasks(eager, client, save_to="{label}.mp4").submit(LAKE, label="order-1")
        assert record_of(client).state == "delivered"


def test_in_an_eager_app_a_submit_that_is_refused_for_now_is_an_error(eager: Celery, emulator: VirtualEmulator) -> None:
    emulator.faults.add("status:429,on=submit,retry_after=5")
    with emulator.client(journal=MemoryJournal()) as client:
        videos = video_tasks(eager, client, save_to="{label}.mp4")
        with pytest.raises(QueueSubmitError):
            videos.submit(LAKE, label="order-1")


def test_in_an_eager_app_an_error_of_the_program_is_raised_and_not_repeated(
    eager: Celery, emulator: VirtualEmulator
) -> None:
    with emulator.client(journal=MemoryJournal()) as client:
        stored = video_tasks(eager, client, store=First(OSError("no space")), name="stored")
        with pytest.raises(OSError, match="no space"):
            stored.submit(LAKE, label="order-1")
        told = video_tasks(eager, client, save_to="{label}.mp4", on_done=Told(fails=1))
        with pytest.raises(OSError, match="the application is down"):
            told.submit(LAKE, label="order-2")
    with (
        emulator.client(journal=Failing(lambda method, record: True)) as client,
        pytest.raises(JournalError, match="The disk is full"),
    ):
        video_tasks(eager, client, name="third").submit(LAKE, label="order-3")


def test_in_an_eager_app_a_label_that_is_being_submitted_is_an_error(eager: Celery, emulator: VirtualEmulator) -> None:
    raised = []

    class Meanwhile(EventHook):
        def request_sent(self, event: Any) -> None:
            if event.method == "POST":
                with pytest.raises(JournalError) as caught:
                    videos.submit(LAKE, label="order-1")
                raised.append(caught.value)

    with emulator.client(journal=MemoryJournal(), event_hooks=[Meanwhile()]) as client:
        videos = video_tasks(eager, client, save_to="{label}.mp4")
        videos.submit(LAKE, label="order-1")
        assert [type(error).__name__ for error in raised] == ["LabelBusyError"]


# ---------------------------------------------------------------- without the extra


def test_without_celery_the_module_says_what_to_install() -> None:
    program = "import sys; sys.modules['celery'] = None; import decart.integrations.celery"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr.splitlines()[-1] == (
        "decart.errors.MissingExtraError: This feature needs celery, from the extra 'celery': "
        "pip install 'decart-queue[celery]'"
    )


def test_the_import_error_of_a_broken_celery_is_raised_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "celery.py").write_text("raise ImportError('it is broken')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    ended = subprocess.run(
        [sys.executable, "-c", "import decart.integrations.celery"], capture_output=True, text=True, check=False
    )
    assert ended.stderr.splitlines()[-1] == "ImportError: it is broken"
