"""What Celery's tasks send through the broker: options that mean the same when they arrive, and files by reference."""

from __future__ import annotations

import io
import json
import pickle
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from kombu.serialization import loads
from support.labelled import LAKE, posts, record_of
from support.mailbox import deliver, deliver_all, messages, new_app
from support.studio import Studio

from decart import DecartClient, InvalidInputError, MemoryJournal, ModelDefinition, ModelNotFoundError, models
from decart.emulator import VirtualEmulator
from decart.integrations.celery import video_tasks
from decart.integrations.messages import options_message, options_of
from decart.options import input_class

EDIT: dict[str, Any] = {"model": models.video("lucy-2.5"), "prompt": "In winter", "data": Path("lake.mp4")}


@pytest.fixture(autouse=True)
def lake(folder: Path) -> None:
    (folder / "lake.mp4").write_bytes(b"the lake")


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
def emulator(studio: Studio) -> Any:
    with VirtualEmulator(renderer=studio) as emulator:
        yield emulator


# ---------------------------------------------------------------- options

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
numbers = st.floats(0, 1e308) | st.integers(0, 2**70) | st.fractions(0, 1)
points = st.fixed_dictionaries({"frame": st.integers(0, 10**9), "x": numbers, "y": numbers})
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "prompt": texts,
    "seed": st.integers(0, 2**32 - 1),
    "orientation": st.sampled_from(["landscape", "portrait"]),
    "enhance_prompt": st.booleans(),
    "self_anchor": st.booleans(),
    "trajectory": st.lists(points, min_size=2, max_size=20),
}
FILE = "input.mp4"


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Return the options of any model, with any of the inputs that it takes."""
    model = models.known(
        draw(st.sampled_from([name for name in models.names() if models.known(name).task not in models.IMAGE_TASKS]))
    )
    drawn: dict[str, Any] = {"model": model}
    kind = input_class(model)
    for field in attrs.fields(kind):
        if field.name == "model" or field.name in model.lacks:
            continue
        needed = field.default is attrs.NOTHING
        values = st.sampled_from([FILE, Path(FILE)]) if field.metadata.get("file") else VALUES.get(field.name)
        values = st.sampled_from(model.resolutions) if values is None else values
        value = draw(values if needed else st.none() | values)
        if value is not None:
            drawn[field.name] = value
    if kind.one_of:  # exactly one of these, and what goes with it
        drawn.pop(draw(st.sampled_from(kind.one_of)), None)
        if not set(kind.one_of) & set(drawn):
            drawn["prompt"] = "Anime"
        if "prompt" not in drawn:
            drawn.pop("enhance_prompt", None)
    return drawn


@given(options())
def test_the_options_of_any_model_arrive_as_they_were(drawn: dict[str, Any]) -> None:
    Path(FILE).write_bytes(b"a video")
    journal = MemoryJournal()
    with VirtualEmulator(renderer=Studio()) as emulator, emulator.client(journal=journal) as client:
        direct = {name: Path(value) if value == FILE else value for name, value in drawn.items()}
        client.jobs.step("direct", direct)
        message = json.loads(json.dumps(options_message(drawn)))
        client.jobs.step("by message", options_of(message, Path))
    (one, other) = journal.latest("direct"), journal.latest("by message")
    assert one is not None and other is not None
    assert (one.fingerprint, one.model) == (other.fingerprint, other.model)
    assert options_message(message) == message


def test_a_model_of_your_own_travels_too(app: Celery, client: DecartClient, emulator: VirtualEmulator) -> None:
    preview = ModelDefinition(
        name="lucy-preview", task="text-to-video", endpoint="/v1/preview", resolutions=("480p",), lacks={"seed"}
    )
    message = json.loads(json.dumps(options_message({"model": preview, "prompt": "A lake"})))
    assert options_of(message, Path) == {"model": preview, "prompt": "A lake"}


class Text(str):
    """A str of another library, such as Django's ``SafeString``."""


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml"])
def test_any_serializer_will_do(serializer: str, client: DecartClient, emulator: VirtualEmulator) -> None:
    app = new_app()
    app.conf.update(task_serializer=serializer, accept_content=[serializer])
    point = {"frame": 0, "x": Fraction(1, 2), "y": 0.5}
    motion = {"model": models.known("lucy-motion"), "data": Text("lake.mp4"), "trajectory": [point, point]}
    video_tasks(app, client).submit(motion, label=Text("order-1"), save_to=Text("lake-2.mp4"))
    with app.connection() as connection, connection.SimpleQueue(app.conf.task_default_queue) as box:
        message = box.get(block=False)
        message.ack()
        _, kwargs, _ = loads(
            message.body, message.content_type, message.content_encoding, accept={message.content_type}
        )
    read = {**point, "x": 0.5}
    assert kwargs["options"] == {"model": "lucy-motion", "data": "lake.mp4", "trajectory": [read, read]}
    assert {type(value) for value in kwargs.values()} == {dict, str}
    assert pickle.dumps(kwargs).count(b"Text") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (None, "options must be a dict"),
        ({"prompt": "A lake"}, "model must be a ModelDefinition"),
        ({"model": "lucy-image-2", "prompt": "A lake"}, "lucy-image-2 makes an image"),
        ({"model": "lucy-9", "prompt": "A lake"}, "There is no video model named 'lucy-9'"),
        ({"model": {"name": "lucy-preview", "size": 5}}, "model cannot be read"),
        (LAKE | {"prompt": ""}, "prompt must not be empty"),
        (LAKE | {"promt": "A lake"}, "'promt' is not an option of lucy-pro-t2v; did you mean 'prompt'?"),
        (LAKE | {"on_status_change": print}, "on_status_change is a function, and does not travel"),
        (EDIT | {"data": b"the video"}, "data must be a path or a name, since files do not travel"),
        (EDIT | {"data": io.BytesIO(b"the video")}, "data must be a path or a name, since files do not travel"),
        (EDIT | {"reference_image": 5}, "reference_image must be a path or a name"),
        ({"model": models.video("lucy-2.5")}, "data is missing"),
    ],
)
def test_options_that_cannot_be_used_are_refused_and_nothing_is_queued(
    options: Any, message: str, app: Celery, client: DecartClient
) -> None:
    with pytest.raises((InvalidInputError, ModelNotFoundError)) as caught:
        video_tasks(app, client).submit(options, label="order-1")
    assert str(caught.value).startswith(message)
    assert messages(app) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"label": ""}, "label must be a str of 1 to 200 printable characters"),
        ({"label": 5}, "label must be a str of 1 to 200 printable characters"),
        ({"save_to": 5}, "save_to must be a path"),
        ({"save_to": print}, "save_to must be a path, not"),
        ({"save_to": "{prompt}.mp4"}, "save_to must be a path with no other fields than"),
    ],
)
def test_other_arguments_that_cannot_be_used_are_refused_and_nothing_is_queued(
    given: dict[str, Any], message: str, app: Celery, client: DecartClient
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        video_tasks(app, client).submit(LAKE, **{"label": "order-1", **given})
    assert str(caught.value).startswith(message)
    assert messages(app) == []


@pytest.mark.parametrize(
    "options", [{}, [], {"model": "lucy-9"}, {"model": "lucy-2.5", "data": 5}, LAKE | {"seed": -1}]
)
def test_a_message_that_cannot_be_used_fails_its_task(options: Any, app: Celery, client: DecartClient) -> None:
    if isinstance(options, dict) and isinstance(options.get("model"), ModelDefinition):
        options = options | {"model": "lucy-pro-t2v"}
    video_tasks(app, client).submit_video.delay(options, label="order-1")
    (message,) = messages(app)
    with pytest.raises((InvalidInputError, ModelNotFoundError)):
        deliver(app, message)
    assert messages(app) == []


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("file", ["lake.mp4", Path("lake.mp4")])
def test_a_file_travels_as_its_path(
    file: Any, app: Celery, client: DecartClient, emulator: VirtualEmulator, studio: Studio, folder: Path
) -> None:
    video_tasks(app, client, save_to="{label}.mp4").submit(EDIT | {"data": file}, label="order-1")
    (message,) = messages(app)
    name = "lake.mp4" if isinstance(file, str) else str(folder / "lake.mp4")
    assert message.kwargs["options"] == {"model": "lucy-2.5", "prompt": "In winter", "data": name}
    deliver(app, message)
    deliver_all(app, emulator)
    assert studio.files == [{"data": b"the lake"}]
    assert record_of(client).state == "delivered"


def test_the_files_of_a_storage_are_opened_by_name_and_closed(
    app: Celery, client: DecartClient, emulator: VirtualEmulator, studio: Studio
) -> None:
    stored = {"uploads/lake.mp4": b"the lake", "uploads/snow.png": b"the snow"}
    opened: dict[str, io.BytesIO] = {}

    def open_file(name: str) -> io.BytesIO:
        opened[name] = io.BytesIO(stored[name])
        return opened[name]

    videos = video_tasks(app, client, save_to="{label}.mp4", open_file=open_file)
    files = {"data": "uploads/lake.mp4", "reference_image": "uploads/snow.png"}
    videos.submit(EDIT | files, label="order-1")
    deliver_all(app, emulator)
    assert studio.files == [{"data": b"the lake", "reference_image": b"the snow"}]
    assert [(name, file.closed) for name, file in opened.items()] == [(name, True) for name in stored]


def test_the_files_of_a_submit_that_fails_are_closed(app: Celery, client: DecartClient) -> None:
    opened = []

    def open_file(name: str) -> io.BytesIO:
        if opened:
            raise InvalidInputError("the second file is broken")
        opened.append(io.BytesIO(b"the lake"))
        return opened[0]

    videos = video_tasks(app, client, open_file=open_file)
    videos.submit(EDIT | {"reference_image": "snow.png"}, label="order-1")
    (message,) = messages(app)
    with pytest.raises(InvalidInputError, match="the second file is broken"):
        deliver(app, message)
    assert opened[0].closed


def test_a_file_that_does_not_exist_fails_the_task(app: Celery, client: DecartClient) -> None:
    video_tasks(app, client).submit(EDIT | {"data": "nothing.mp4"}, label="order-1")
    (message,) = messages(app)
    with pytest.raises(InvalidInputError, match="nothing.mp4"):
        deliver(app, message)
    assert messages(app) == []


def test_a_submit_that_is_delivered_again_does_not_need_its_files(
    app: Celery, client: DecartClient, emulator: VirtualEmulator
) -> None:
    video_tasks(app, client, save_to="{label}.mp4").submit(EDIT, label="order-1")
    (message,) = messages(app)
    deliver(app, message)
    messages(app)  # the worker was killed before it queued the next step
    Path("lake.mp4").unlink()
    deliver(app, message)
    deliver_all(app, emulator)
    assert (posts(emulator), record_of(client).state) == (1, "delivered")


# ---------------------------------------------------------------- what others can read


def test_neither_the_key_nor_the_prompt_is_in_what_celery_shows(
    app: Celery, emulator: VirtualEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    with emulator.client(api_key="dct_secret_of_this_test", journal=MemoryJournal()) as client:
        videos = video_tasks(app, client, save_to="{label}.mp4", on_done="shop.video_ready")
        videos.submit(LAKE, label="order-1")
        emulator.faults.add("status:429,on=submit")
        shown = [repr(videos), repr(videos.submit_video), repr(videos.check_video)]
        for message in iter(partial(_next, app, emulator), None):
            assert LAKE["prompt"] not in json.dumps(message.headers)
            shown += [json.dumps(message.headers), json.dumps([message.args, message.kwargs])]
    assert "order-1" in "".join(shown)
    assert "dct_secret" not in "".join(shown)


def _next(app: Celery, emulator: VirtualEmulator) -> Any:
    """Deliver the next message, and return it."""
    queued = messages(app)
    if queued and queued[0].task.startswith("decart."):
        emulator.clock.sleep(queued[0].countdown)
        deliver(app, queued[0])
    return queued[0] if queued else None
