"""Celery tasks that submit a job, check it in short steps and save its video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from support.labelled import LAKE, accepted, content, posts, record_of
from support.mailbox import Told, deliver, deliver_all, messages, new_app

from decart import DecartClient, EventHook, InvalidInputError, LabelConflictError, MemoryJournal, PollPolicy, models
from decart.emulator import VirtualEmulator
from decart.integrations.celery import video_tasks
from decart.integrations.messages import options_message

pytestmark = pytest.mark.usefixtures("folder")


# ---------------------------------------------------------------- a chain of steps


def test_a_job_is_submitted_checked_in_steps_and_saved(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    told = Told()
    videos = video_tasks(app, client, save_to="videos/{label}.mp4", on_done=told)
    videos.submit(LAKE, label="order-1")
    names = [message.task for message in deliver_all(app, emulator)]
    assert names == ["decart.submit_video"] + ["decart.check_video"] * (len(names) - 1)
    assert len(names) > 2
    assert Path("videos/order-1.mp4").read_bytes() == content(LAKE["prompt"])
    assert (record_of(client).state, posts(emulator)) == ("delivered", 1)
    assert [step.record for step in told.steps] == [record_of(client)]


def test_each_step_makes_one_request_and_none_of_them_pauses(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    video_tasks(app, client, save_to="{label}.mp4").submit(LAKE, label="order-1")
    emulator.faults.add("status:503,on=status,times=3")
    while queued := messages(app):
        (message,) = queued
        emulator.clock.sleep(message.countdown)
        before, slept = len(emulator.requests), len(emulator.clock.sleeps)
        deliver(app, message)
        assert len(emulator.requests) - before <= 2 + ("submit" in message.task)  # the last check, and the video
        assert len(emulator.clock.sleeps) == slept
    assert record_of(client).state == "delivered"


def test_a_job_that_is_queued_twice_is_paid_for_once(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    told = Told()
    videos = video_tasks(app, client, save_to="{label}.mp4", on_done=told)
    for _ in range(3):
        videos.submit(LAKE, label="order-1")
    deliver_all(app, emulator)
    assert (posts(emulator), record_of(client).state) == (1, "delivered")
    assert {step.record.state for step in told.steps} == {"delivered"}


def test_a_video_can_be_saved_to_a_file_of_its_own(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    videos = video_tasks(app, client, store=lambda record, path: pytest.fail("it is saved to a file"))
    videos.submit(LAKE, label="order-1", save_to=Path("customer", "lake.mp4"))
    deliver_all(app, emulator)
    assert Path("customer/lake.mp4").read_bytes() == content(LAKE["prompt"])


def test_a_video_can_be_stored_elsewhere(app: Celery, client: DecartClient, emulator: VirtualEmulator) -> None:
    kept: dict[str, bytes] = {}

    def store(record: Any, path: Path) -> str:
        kept[record.label] = path.read_bytes()
        return f"s3://videos/{record.label}"

    video_tasks(app, lambda: client, store=store).submit(LAKE, label="order-1")
    deliver_all(app, emulator)
    assert kept == {"order-1": content(LAKE["prompt"])}
    assert record_of(client).saved_to == "s3://videos/order-1"


def test_a_check_takes_up_any_job_of_the_journal(app: Celery, client: DecartClient, emulator: VirtualEmulator) -> None:
    client.queue.submit(LAKE, label="order-1")
    video_tasks(app, client).check_video.delay("order-1", save_to="lake.mp4")
    deliver_all(app, emulator)
    assert Path("lake.mp4").read_bytes() == content(LAKE["prompt"])


def test_a_check_of_a_label_without_a_job_fails(app: Celery, client: DecartClient) -> None:
    video_tasks(app, client).check_video.delay("order-1")
    (message,) = messages(app)
    with pytest.raises(InvalidInputError, match="is not in the journal"):
        deliver(app, message)
    assert messages(app) == []


def test_a_long_pause_is_several_countdowns(app: Celery, client: DecartClient, emulator: VirtualEmulator) -> None:
    video_tasks(app, client, save_to="{label}.mp4", poll=PollPolicy(timeout=1000)).submit(LAKE, label="order-1")
    emulator.faults.add("status:503,on=status,retry_after=300")
    delivered = deliver_all(app, emulator)
    countdowns = [round(message.countdown) for message in delivered]
    assert countdowns.count(60) == 5
    assert max(countdowns) == 60
    assert len([request for request in emulator.requests if request.route == "status"]) == 2
    assert record_of(client).state == "delivered"


def test_a_submit_that_is_refused_for_now_is_tried_again_later(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    video_tasks(app, client, save_to="{label}.mp4").submit(LAKE, label="order-1")
    emulator.faults.add("status:429,on=submit,times=2,retry_after=90")
    delivered = deliver_all(app, emulator)
    assert [message.task for message in delivered][:6] == ["decart.submit_video"] * 5 + ["decart.check_video"]
    assert [round(message.countdown) for message in delivered][:5] == [0, 60, 30, 60, 30]
    assert len(accepted(emulator)) == 1


def test_a_label_that_another_call_is_submitting_is_left_to_it_for_now(app: Celery, emulator: VirtualEmulator) -> None:
    class Meanwhile(EventHook):
        def request_sent(self, event: Any) -> None:
            if event.method == "POST":
                deliver(app, second)

    with emulator.client(journal=MemoryJournal(), event_hooks=[Meanwhile()]) as client:
        videos = video_tasks(app, client, save_to="{label}.mp4")
        videos.submit(LAKE, label="order-1")
        videos.submit(LAKE, label="order-1")
        first, second = messages(app)
        deliver(app, first)
        later, check = messages(app)
        assert (later.task, round(later.countdown)) == ("decart.submit_video", 30)
        deliver(app, later)
        deliver(app, check)
        deliver_all(app, emulator)
        assert (posts(emulator), record_of(client).state) == (1, "delivered")


# ---------------------------------------------------------------- how a job ends


@pytest.mark.parametrize(
    ("fault", "state"),
    [("status:402,on=submit", "refused"), ("drop-after", "unknown"), ("job-fails:no GPU", "failed")],
)
def test_the_application_is_told_of_a_job_that_has_not_become_a_video(
    fault: str, state: str, app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    video_tasks(app, client, save_to="{label}.mp4", on_done="shop.video_ready").submit(LAKE, label="order-1")
    emulator.faults.add(fault)
    while queued := messages(app):
        if queued[0].task == "shop.video_ready":
            break
        deliver(app, queued[0])
        emulator.clock.sleep(10)
    (told,) = queued[0].args
    assert (told["label"], told["generation"], told["state"], told["saved_to"]) == ("order-1", 1, state, None)
    assert told["error"]
    assert told["job_id"] == record_of(client).job_id


def test_a_callback_task_is_told_where_the_video_is(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    calls = []

    @app.task(name="shop.video_ready", shared=False)
    def video_ready(told: dict[str, Any]) -> None:
        calls.append(told)

    video_tasks(app, client, save_to="{label}.mp4", on_done="shop.video_ready").submit(LAKE, label="order-1")
    deliver_all(app, emulator)
    assert calls == [
        {
            "label": "order-1",
            "generation": 1,
            "state": "delivered",
            "job_id": accepted(emulator)[0],
            "model": "lucy-pro-t2v",
            "saved_to": str(Path("order-1.mp4").absolute()),
            "error": None,
        }
    ]


def test_a_callback_that_fails_is_called_again(app: Celery, client: DecartClient, emulator: VirtualEmulator) -> None:
    told = Told(fails=2)
    video_tasks(app, client, save_to="{label}.mp4", on_done=told).submit(LAKE, label="order-1")
    deliver_all(app, emulator)
    assert [step.record.state for step in told.steps] == ["delivered"] * 3
    assert posts(emulator) == 1


def test_an_unknown_outcome_is_settled_and_taken_up(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    videos = video_tasks(app, client, save_to="{label}.mp4")
    videos.submit(LAKE, label="order-1")
    emulator.faults.add("drop-after")
    deliver_all(app, emulator)
    assert record_of(client).state == "unknown"
    client.jobs.settle("order-1", job_id=accepted(emulator)[0])
    videos.check_video.delay("order-1")
    deliver_all(app, emulator)
    assert (record_of(client).state, posts(emulator)) == ("delivered", 1)


def test_a_label_of_another_request_fails_the_task(app: Celery, client: DecartClient) -> None:
    client.queue.submit(LAKE, label="order-1")
    video_tasks(app, client).submit(LAKE | {"prompt": "A stormy ocean"}, label="order-1")
    (message,) = messages(app)
    with pytest.raises(LabelConflictError):
        deliver(app, message)
    assert messages(app) == []


# ---------------------------------------------------------------- sweeps


def test_sweeps_do_the_same_without_chains(app: Celery, client: DecartClient, emulator: VirtualEmulator) -> None:
    told = Told()
    videos = video_tasks(app, client, save_to="{label}.mp4", on_done=told, chain=False)
    for number in range(3):
        videos.submit(LAKE, label=f"order-{number}")
    assert {message.task for message in deliver_all(app, emulator)} == {"decart.submit_video"}
    while not told.steps:
        emulator.clock.sleep(5)
        videos.sweep_videos.delay()
        deliver_all(app, emulator)
    assert {step.record.state for step in told.steps} == {"delivered"}
    assert {path.name for path in Path().glob("*.mp4")} == {f"order-{number}.mp4" for number in range(3)}


def test_a_sweep_finds_the_job_of_a_chain_that_was_lost(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    videos = video_tasks(app, client, save_to="{label}.mp4")
    videos.submit(LAKE, label="order-1")
    (message,) = messages(app)
    deliver(app, message)
    messages(app)  # somebody purges the queue
    for _ in range(3):
        emulator.clock.sleep(60)
        videos.sweep_videos.delay()
        deliver_all(app, emulator)
    assert (record_of(client).state, posts(emulator)) == ("delivered", 1)


def test_without_chains_all_videos_are_saved_alike(app: Celery, client: DecartClient) -> None:
    videos = video_tasks(app, client, save_to="{label}.mp4", chain=False)
    with pytest.raises(InvalidInputError, match="^save_to: a sweep saves all videos alike"):
        videos.submit(LAKE, label="order-1", save_to="lake.mp4")
    assert messages(app) == []


# ---------------------------------------------------------------- what is registered


def test_the_tasks_survive_a_worker_that_is_killed_and_leave_no_results(app: Celery, client: DecartClient) -> None:
    videos = video_tasks(app, client, name="shop.videos")
    for task in (videos.submit_video, videos.check_video):
        assert (task.acks_late, task.reject_on_worker_lost, task.ignore_result) == (True, True, True)
        assert (task.max_retries, task.acks_on_timeout) == (None, False)
    assert videos.sweep_videos.ignore_result
    assert {name for name in app.tasks if name.startswith("shop.")} == {
        "shop.videos.submit_video",
        "shop.videos.check_video",
        "shop.videos.sweep_videos",
    }


def test_an_app_may_have_several_sets_of_tasks_with_names_of_their_own(app: Celery, client: DecartClient) -> None:
    video_tasks(app, client)
    with pytest.raises(InvalidInputError, match=r"^The app has tasks named decart\.\* already; pass name="):
        video_tasks(app, client)
    video_tasks(app, client, name="more")
    video_tasks(new_app(), client)


def test_tasks_are_routed_by_their_names(app: Celery, client: DecartClient, emulator: VirtualEmulator) -> None:
    app.conf.task_routes = {"decart.*": {"queue": f"{app.main}-videos"}}
    video_tasks(app, client, save_to="{label}.mp4").submit(LAKE, label="order-1")
    tasks = []
    while queued := messages(app, f"{app.main}-videos"):
        emulator.clock.sleep(queued[0].countdown)
        deliver(app, queued[0])
        tasks.append(queued[0].task)
    assert messages(app) == []
    assert (tasks[-1], record_of(client).state) == ("decart.check_video", "delivered")


def test_the_settings_of_an_app_may_follow_its_tasks(client: DecartClient, emulator: VirtualEmulator) -> None:
    app = new_app()
    videos = video_tasks(app, client, save_to="{label}.mp4")
    app.conf.task_default_queue = queue = f"{app.main}-late"
    videos.submit(LAKE, label="order-1")
    assert [message.task for message in messages(app, queue)] == ["decart.submit_video"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"save_to": "lake.mp4"}, "save_to must be a path with {label} or {job_id}"),
        ({"save_to": "{label}.mp4", "store": print}, "save_to and store exclude each other"),
        ({"store": "s3"}, "store must be a function"),
        ({"on_done": 5}, "on_done must be the name of a task, or a function"),
        ({"poll": 5}, "poll must be"),
        ({"client": "dct_key"}, "client must be a DecartClient, or a function that returns one"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(
    arguments: dict[str, Any], message: str, app: Celery, client: DecartClient
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        video_tasks(app, **{"client": client, **arguments})
    assert str(caught.value).startswith(message)
    video_tasks(app, client)  # nothing was registered


def test_the_client_needs_a_journal(app: Celery, emulator: VirtualEmulator) -> None:
    with emulator.client() as client, pytest.raises(InvalidInputError, match="needs a journal"):
        video_tasks(app, client)


def test_a_function_that_returns_a_client_is_called_by_tasks_only(app: Celery) -> None:
    videos = video_tasks(app, lambda: pytest.fail("it is called"), save_to="{label}.mp4")
    videos.submit(LAKE, label="order-1")
    assert [message.kwargs["options"] for message in messages(app)] == [options_message(LAKE)]


def test_models_may_be_given_by_name(app: Celery, client: DecartClient, emulator: VirtualEmulator) -> None:
    videos = video_tasks(app, client, save_to="{label}.mp4")
    videos.submit_video.delay({"model": "lucy-pro-t2v", "prompt": LAKE["prompt"]}, label="order-1")
    deliver_all(app, emulator)
    assert client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": LAKE["prompt"]}, label="order-1")
    assert (record_of(client).state, posts(emulator)) == ("delivered", 1)
