"""Tasks for Celery (extra ``celery``) that submit jobs, check them in short steps, and save their videos.

No task sleeps or waits for a job, and any of them may be killed or delivered twice: the client's journal decides what
is left to do. Files travel as paths or names, never as bytes through the broker::

    videos = video_tasks(app, client, save_to="videos/{label}.mp4", on_done="shop.tasks.video_ready")
    videos.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}, label="order-1234")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from .. import models
from ..client import DecartClient
from ..errors import InvalidInputError
from ..extras import require
from ..inputs import refuse
from ..journal.errors import LabelConflictError
from ..journal.fingerprints import kept_inputs
from ..journal.jobstep import JobStep, OnDone, Store, step_arguments
from ..journal.labels import check_label
from ..models import ModelDefinition
from ..options import from_options, input_class
from ..policies import PollPolicy

if TYPE_CHECKING:
    from celery import Celery

LONGEST_COUNTDOWN = 60.0
"""Seconds that a task is scheduled ahead at most. A worker holds such a task in memory, and a broker delivers it again
if that takes longer than its visibility timeout or acknowledgement timeout; a longer wait is several countdowns."""

LONGEST_RETRY = 60.0
"""Seconds between two attempts at a task that could not do its work, such as while the journal cannot be reached."""

OpenFile = Callable[[str], Any]


@attrs.frozen(kw_only=True)
class VideoTasks:
    """The tasks of one app; `video_tasks` makes them.

    Attributes:
        submit_video: Submits a job: ``submit_video.delay(options, label=..., save_to=...)``, with options that are JSON
            values, as ``options_message`` returns them.
        check_video: Makes the next step of a job: ``check_video.delay(label)`` takes up any job of the journal.
        sweep_videos: Makes the next step of all jobs that are due; for the beat.
    """

    submit_video: Any
    check_video: Any
    sweep_videos: Any
    chain: bool

    def submit(self, options: Mapping[str, Any], *, label: str, save_to: str | os.PathLike[str] | None = None) -> None:
        """Queue a job, which a worker then submits, once per label.

        Args:
            options: As for ``client.queue.submit``, except that each file is a path, or a name that the ``open_file``
                of the tasks can open.
            label: The name of the job. Queued twice, it is submitted and billed once.
            save_to: The file of the video, in place of that of all tasks.

        Raises:
            InvalidInputError: The options, the label or ``save_to`` cannot be used. Nothing was queued.
        """
        if save_to is not None and not self.chain:
            raise InvalidInputError("save_to: a sweep saves all videos alike; pass it to video_tasks instead.")
        target = None if save_to is None else os.fspath(save_to)
        self.submit_video.delay(options_message(options), label=check_label(label), save_to=target)


def options_message(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON values, to be sent through a broker.

    Raises:
        InvalidInputError: They cannot be used, or a file is not given as a path or a name.
    """
    if not isinstance(options, Mapping):
        raise refuse("options", "a dict", options)
    model = options.get("model")
    model = models.video(model) if isinstance(model, str) else model
    files = {name: options[name] for name in _file_fields(model) if options.get(name) is not None}
    for name, file in files.items():
        if not isinstance(file, (str, os.PathLike)):
            raise refuse(name, "a path or a name, since files do not travel through the broker", file)
    paths = {name: Path(file) for name, file in files.items()}
    checked: Any = {**options, "model": model, **paths}
    job = from_options(checked, "video")
    names = {name: file if isinstance(file, str) else os.path.abspath(file) for name, file in files.items()}
    return {"model": job.model.name, **kept_inputs(job), **names}


def options_of(message: Mapping[str, Any], open_file: OpenFile) -> Any:
    """Return the options that a message stands for, with its files open."""
    model = models.video(message["model"])
    files = {name: open_file(message[name]) for name in _file_fields(model) if message.get(name) is not None}
    return {**message, "model": model, **files}


def _file_fields(model: object) -> list[str]:
    """Return the names of the inputs of a model that are files."""
    if not isinstance(model, ModelDefinition):
        return []
    return [field.name for field in attrs.fields(input_class(model)) if field.metadata.get("file")]


def document_of(step: JobStep) -> dict[str, Any]:
    """Return what a callback task is told about a job that has ended, as JSON values."""
    names = ("label", "generation", "state", "job_id", "model", "saved_to", "error")
    document = {name: getattr(step.record, name) for name in names}
    return document | {"error": document["error"] or (None if step.error is None else str(step.error))}


def video_tasks(
    app: Celery,
    client: DecartClient | Callable[[], DecartClient],
    *,
    save_to: str | os.PathLike[str] | None = None,
    store: Store | None = None,
    on_done: str | OnDone | None = None,
    poll: PollPolicy | None = None,
    open_file: OpenFile = Path,
    chain: bool = True,
    name: str = "decart",
) -> VideoTasks:
    """Register tasks with a Celery app.

    Args:
        app: The app.
        client: A client with a journal that all workers share, or a function that returns it, called by each task.
        save_to: The file of each video, with ``{label}`` or ``{job_id}`` in it. Its folder is created.
        store: Keeps each video in another place; see ``client.jobs.step``.
        on_done: The name of a task that is called with a dict when a job has ended (``label``, ``generation``,
            ``state``, ``job_id``, ``model``, ``saved_to``, ``error``), or a function that is called with the last
            ``JobStep``. After a crash it may be called again.
        poll: The policy of the waits, which ends at a deadline of 10 minutes by default; see ``PollPolicy``.
        open_file: Opens a file of the options, by the text that it travels as: ``pathlib.Path``, or
            ``default_storage.open`` of Django, or a function of your own that opens a URL of your storage.
        chain: Let each step schedule the next one. ``False`` leaves them to ``sweep_videos``, for the beat.
        name: What the names of the tasks begin with.

    Raises:
        InvalidInputError: An argument cannot be used.
        MissingExtraError: Celery is not installed.
    """
    require("celery", "celery")
    step_arguments(save_to, store, None, poll, many=True)
    if on_done is not None and not callable(on_done) and not isinstance(on_done, str):
        raise refuse("on_done", "the name of a task, or a function", on_done)
    tell = _sender(app, on_done) if isinstance(on_done, str) else on_done
    given: dict[str, Any] = {"store": store, "on_done": tell, "poll": poll}
    maker = _StepMaker(client=client, save_to=save_to, given=given, open_file=open_file, chain=chain)

    def submit_video(
        self: Any,
        options: dict[str, Any],
        *,
        label: str,
        save_to: str | None = None,
        token: str | None = None,
        rest: float = 0.0,
    ) -> None:
        maker.run(self, {"options": options, "label": label, "save_to": save_to}, token, rest)

    def check_video(
        self: Any, label: str, *, save_to: str | None = None, token: str | None = None, rest: float = 0.0
    ) -> None:
        maker.run(self, {"label": label, "save_to": save_to}, token, rest)

    def sweep_videos() -> None:
        maker.used_client().jobs.sweep(save_to=save_to, **given)

    safe = partial(
        app.task, bind=True, acks_late=True, reject_on_worker_lost=True, ignore_result=True, max_retries=None
    )
    maker.check_video = safe(name=f"{name}.check_video")(check_video)
    return VideoTasks(
        submit_video=safe(name=f"{name}.submit_video")(submit_video),
        check_video=maker.check_video,
        sweep_videos=app.task(name=f"{name}.sweep_videos", ignore_result=True)(sweep_videos),
        chain=chain,
    )


def _sender(app: Celery, name: str) -> OnDone:
    """Return a function that calls a task when a job has ended."""
    return lambda step: app.send_task(name, args=[document_of(step)])


@attrs.define(kw_only=True)
class _StepMaker:
    """Makes the steps of the tasks; see `video_tasks` for what it is given.

    Attributes:
        given: The arguments of each step.
        check_video: The task that makes further steps of a job that was submitted.
    """

    client: DecartClient | Callable[[], DecartClient]
    save_to: str | os.PathLike[str] | None
    given: dict[str, Any]
    open_file: OpenFile
    chain: bool
    check_video: Any = None

    def used_client(self) -> DecartClient:
        """Return the client."""
        return self.client if isinstance(self.client, DecartClient) else self.client()

    def run(self, task: Any, call: dict[str, Any], token: str | None, rest: float) -> None:
        """Make the step that a task was called for, and schedule the next one.

        Args:
            call: The arguments of the task, which the next one gets, too.
            rest: Seconds until the step is due.
        """
        if rest > 0:
            _schedule(task, rest, call, token)
            return
        try:
            step = self._step(task, call, token)
        except (InvalidInputError, LabelConflictError):
            raise  # a mistake of the program, which another attempt would repeat
        except Exception as error:  # such as a journal that cannot be reached, or a time limit
            raise task.retry(exc=error, countdown=min(2.0**task.request.retries, LONGEST_RETRY)) from error
        if step.wait is None:
            return
        if step.record is None or step.record.job_id is None:
            _schedule(task, step.wait, call, step.token)
        elif self.chain:
            _schedule(self.check_video, step.wait, {"label": call["label"], "save_to": call["save_to"]}, step.token)

    def _step(self, task: Any, call: dict[str, Any], token: str | None) -> JobStep:
        """Make a step; in an app that runs its tasks at once, as in tests, all of them."""
        client, label, given = self.used_client(), call["label"], {**self.given, "save_to": self.save_to}
        if call["save_to"] is not None:
            given |= {"save_to": call["save_to"], "store": None}
        with ExitStack() as files:
            options = options_of(call["options"], partial(self._open, files)) if "options" in call else None
            step = client.jobs.step(label, options, token=token, **given)
        while task.request.is_eager and step.wait is not None:
            if step.record is None or step.record.job_id is None:
                raise step.error or InvalidInputError(f"Another call is submitting the label {label!r}.")
            client.queue.poll(step.record.job_id)  # it waits on the client's clock
            step = client.jobs.step(label, token=step.token, **given)
        return step

    def _open(self, files: ExitStack, name: str) -> Any:
        """Open a file of a job's options, and have it closed after the submit."""
        file = self.open_file(name)
        if hasattr(file, "close"):
            files.callback(file.close)
        return file


def _schedule(task: Any, seconds: float, call: dict[str, Any], token: str | None) -> None:
    """Schedule a task; if that is a long time ahead, in several countdowns."""
    countdown = min(seconds, LONGEST_COUNTDOWN)
    task.apply_async(kwargs={**call, "token": token, "rest": seconds - countdown}, countdown=countdown)
