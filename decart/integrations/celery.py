"""Tasks for Celery (extra ``celery``) that submit jobs, check them in short steps, and save their videos.

No task sleeps or waits for a job, and any of them may be killed or delivered twice: the client's journal decides what
is left to do. Files travel as paths or names, never as bytes through the broker::

    videos = video_tasks(app, client, save_to="videos/{label}.mp4", on_done="shop.tasks.video_ready")
    videos.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}, label="order-1234")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import attrs

from ..client import DecartClient
from ..errors import InvalidInputError, ModelNotFoundError
from ..extras import require
from ..inputs import refuse
from ..jobs import JobStatusResponse
from ..journal.errors import JournalError, LabelConflictError
from ..journal.jobstep import JobStep, OnDone, Store, step_arguments
from ..journal.labels import check_label
from ..policies import PollPolicy
from .messages import OpenFile, document_of, options_message, options_of

try:
    from celery import Celery
    from celery.exceptions import Reject, SoftTimeLimitExceeded
except ImportError:
    require("celery", "celery")
    raise

LONGEST_COUNTDOWN = 60.0
"""Seconds that a task is scheduled ahead at most. A worker holds such a task in memory, and a broker delivers it again
if that takes longer than its visibility timeout or acknowledgement timeout; a longer wait is several countdowns."""

LONGEST_RETRY = 60.0
"""Seconds between two attempts at a task that could not do its work, such as while the journal cannot be reached."""

MISTAKES = (InvalidInputError, LabelConflictError, ModelNotFoundError)
"""Errors that another attempt would repeat."""

_names: WeakKeyDictionary[type, set[str]] = WeakKeyDictionary()
"""What the names of the tasks of each app begin with, by its class of tasks; an app may be a proxy."""


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
            ModelNotFoundError: No video model has the name in the options. Nothing was queued.
        """
        if save_to is not None and not self.chain:
            raise InvalidInputError("save_to: a sweep saves all videos alike; pass it to video_tasks instead.")
        if save_to is not None and not isinstance(save_to, (str, os.PathLike)):
            raise refuse("save_to", "a path", save_to)
        step_arguments(save_to, None, None, None, many=False, awaited=False)
        target = None if save_to is None else str.__str__(os.fspath(save_to))
        call = {"options": options_message(options), "label": check_label(label), "save_to": target}
        self.submit_video.apply_async(kwargs=call, **_shown_as(call))


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
        InvalidInputError: An argument cannot be used, or the app has tasks of this name already.
    """
    step_arguments(save_to, store, None, poll, many=True, awaited=False)
    _check(app, client, on_done, name)
    given: dict[str, Any] = {"store": store, "on_done": _function_of(app, on_done), "poll": poll}
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
        maker.sweep()

    own = partial(app.task, shared=False, ignore_result=True)  # a shared task would be that of all apps
    safe = partial(own, bind=True, acks_late=True, reject_on_worker_lost=True, max_retries=None, acks_on_timeout=False)
    maker.check_video = safe(name=f"{name}.check_video")(check_video)
    return VideoTasks(
        submit_video=safe(name=f"{name}.submit_video")(submit_video),
        check_video=maker.check_video,
        sweep_videos=own(name=f"{name}.sweep_videos")(sweep_videos),
        chain=chain,
    )


def _check(app: Celery, client: object, on_done: object, name: str) -> None:
    """Check arguments of `video_tasks`, and note the name, since Celery would ignore other tasks of the same names."""
    if isinstance(client, DecartClient):
        client.jobs.select(limit=0)  # this raises if it has no journal
    elif not callable(client):
        raise refuse("client", "a DecartClient, or a function that returns one", client)
    if on_done is not None and not callable(on_done) and not isinstance(on_done, str):
        raise refuse("on_done", "the name of a task, or a function", on_done)
    names = _names.setdefault(app.Task, set())
    if name in names:
        raise InvalidInputError(f"The app has tasks named {name}.* already; pass name=... for further ones.")
    names.add(name)


def _function_of(app: Celery, on_done: str | OnDone | None) -> OnDone | None:
    """Return a function that calls a task by its name, if that is given."""
    if not isinstance(on_done, str):
        return on_done
    return lambda step: app.signature(on_done, args=[document_of(step)]).apply_async()


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

    def sweep(self) -> None:
        """Make the next step of all jobs that are due."""
        self.used_client().jobs.sweep(save_to=self.save_to, **self.given)

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
        except Exception as error:
            self._retry(task, call, error)
        if step.wait is None:
            return
        if step.record is None or step.record.job_id is None:
            _schedule(task, step.wait, call, step.token)
        elif self.chain:
            _schedule(self.check_video, step.wait, {"label": call["label"], "save_to": call["save_to"]}, step.token)

    def _retry(self, task: Any, call: dict[str, Any], error: Exception) -> NoReturn:
        """Try a step again that raised an error, if that is of use.

        While the journal cannot be reached, or if a time limit has interrupted the step, that is always so. Other
        errors, such as those of a storage that has lost a file, are raised once the time of a wait is over.
        """
        attempts, limit = task.request.retries, (self.given["poll"] or PollPolicy()).timeout
        late = limit is not None and attempts * LONGEST_RETRY > limit
        passing = isinstance(error, (JournalError, SoftTimeLimitExceeded)) or not late
        if task.request.is_eager or isinstance(error, MISTAKES) or not passing:
            raise error
        pause = min(2.0 ** min(attempts, 10), LONGEST_RETRY)
        try:
            raise task.retry(exc=error, countdown=pause, **_shown_as(call)) from error
        except Reject as rejected:  # the broker does not accept it, and Celery would drop the message
            raise Reject(rejected.reason, requeue=True) from error

    def _step(self, task: Any, call: dict[str, Any], token: str | None) -> JobStep:
        """Make a step; in an app that runs its tasks at once, as in tests, all of them."""
        client, label, given = self.used_client(), call["label"], {**self.given, "save_to": self.save_to}
        if call["save_to"] is not None:
            given |= {"save_to": call["save_to"], "store": None}
        try:
            with ExitStack() as files:
                options = options_of(call["options"], partial(self._open, files)) if "options" in call else None
                step = client.jobs.step(label, options, token=token, **given)
        except Exception as error:
            record = client.jobs.get(label) if "options" in call else None
            if isinstance(error, LabelConflictError) or record is None or record.job_id is None:
                raise
            step = client.jobs.step(label, token=token, **given)  # its files may be gone by now
        while task.request.is_eager and step.wait is not None:
            if step.error is not None and (step.record is None or step.record.state != "accepted"):
                raise step.error
            assert step.record is not None and step.record.job_id is not None  # it is accepted
            _wait_for_video(client, step.record.job_id, self.given["poll"])
            step = client.jobs.step(label, token=step.token, **given)
        return step

    def _open(self, files: ExitStack, name: str) -> Any:
        """Open a file of a job's options, and have it closed after the submit."""
        file = self.open_file(name)
        if hasattr(file, "close"):
            files.callback(file.close)
        return file


class _Ready(Exception):
    """Ends a wait before the video is fetched."""


def _wait_for_video(client: DecartClient, job_id: str, poll: PollPolicy | None) -> None:
    """Wait until a job has ended, on the client's clock."""

    def stop(status: JobStatusResponse) -> None:
        if status.status == "completed":
            raise _Ready

    with suppress(_Ready):
        client.queue.poll(job_id, poll=poll, on_status_change=stop)


def _schedule(task: Any, seconds: float, call: dict[str, Any], token: str | None) -> None:
    """Schedule a task; if that is a long time ahead, in several countdowns."""
    countdown = min(seconds, LONGEST_COUNTDOWN)
    kwargs = {**call, "token": token, "rest": seconds - countdown}
    try:
        task.apply_async(kwargs=kwargs, countdown=countdown, **_shown_as(call))
    except Exception as error:  # the broker does not accept it: let it deliver this task again
        raise Reject(error, requeue=True) from error


def _shown_as(call: Mapping[str, Any]) -> dict[str, str]:
    """Return how the arguments of a task are shown in events and logs: without the prompt."""
    return {"argsrepr": "()", "kwargsrepr": f"{{'label': {call['label']!r}}}"}
