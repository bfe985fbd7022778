"""The scripted model of the queue: jobs that move from pending over processing to their end, on a clock.

A job's status is not stored but follows from the time and from whether its video is ready::

    submitted ──pending──▶ ──processing──▶ until its time is up and the video is there ──▶ completed or failed
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import uuid
import weakref
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import attrs

from ..models import ModelDefinition, known
from ..transports.base import SystemClock
from .forms import Form
from .render import RenderError, RenderJob, render

Renderer = Callable[[RenderJob, Path], None]


class Clock(Protocol):
    """Where the time comes from: the system's, or a test's own."""

    def now(self) -> float: ...


class _WhenAsked(Executor):
    """Runs a task when its result is first asked for, in the thread that asks: right where time is virtual."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return _Lazy(lambda: fn(*args, **kwargs))


class _Lazy(Future[Any]):
    def __init__(self, task: Callable[[], Any]) -> None:
        super().__init__()
        self._task = task
        self._once = threading.Lock()

    def done(self) -> bool:
        with self._once:
            if not super().done():
                try:
                    self.set_result(self._task())
                except Exception as error:
                    self.set_exception(error)
        return True


@attrs.frozen(kw_only=True, eq=False)
class Job:
    """One job in the box.

    Attributes:
        id: Its id, which cannot be guessed.
        submitted: When, on the emulator's clock.
        target: Where its video is, once rendered.
        work: Renders the video.
        kind: The MIME type of the result.
    """

    id: str
    submitted: float
    target: Path
    work: Future[None]
    kind: str


@attrs.frozen
class State:
    """What a job looks like from outside: its status, and the reason if it failed."""

    status: str
    error: str | None = None


class Emulator:
    """The queue of a service in a box.

    Args:
        pending: Seconds that a job waits before it is worked on.
        processing: Seconds that it is then worked on, at the least: rendering may take longer.
        api_keys: The keys that are let in; every key that looks like one (``dct_...``, ``ek_...``) unless given.
        models: Models of your own, besides those of the catalogue.
        clock: Where the time comes from; the system's clock unless given.
        renderer: What makes the video; the built-in placeholder pictures unless given.
        background: Render in a thread of its own, from the submit on. Without it, a video is rendered when it is
            first looked for, which suits a virtual clock.
    """

    def __init__(
        self,
        *,
        pending: float = 1.0,
        processing: float = 3.0,
        api_keys: Collection[str] | None = None,
        models: Iterable[ModelDefinition] = (),
        clock: Clock | None = None,
        renderer: Renderer = render,
        background: bool = True,
    ) -> None:
        self._pending = pending
        self._processing = processing
        self._api_keys = api_keys
        self._models = {model.name: model for model in models}
        self._clock = clock or SystemClock()
        self._renderer = renderer
        self._executor: Executor = ThreadPoolExecutor(1, "decart-emulator") if background else _WhenAsked()
        self._folder = Path(tempfile.mkdtemp(prefix="decart-emulator-"))
        self._delete = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._jobs: dict[str, Job] = {}

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget every job and delete every file."""
        self._executor.shutdown(cancel_futures=True)
        self._jobs.clear()
        self._delete()

    def admits(self, api_key: str) -> bool:
        """Say whether a key opens the door."""
        if self._api_keys is None:
            return api_key.startswith(("dct_", "ek_"))
        return api_key in self._api_keys

    def model(self, name: str) -> ModelDefinition | None:
        """Return the model of that name: one of the catalogue, or one that was given."""
        return self._models.get(name) or known(name)

    def submit(self, form: Form) -> Job:
        """Take a job in, with its files."""
        job_id = uuid.uuid4().hex
        folder = self._folder / job_id
        folder.mkdir()
        for name, file in form.files.items():
            file.save(folder / name)
        order = _order(form, folder)
        picture = form.model.task.endswith("-to-image")
        target = folder / ("result.png" if picture else "result.mp4")
        job = Job(
            id=job_id,
            submitted=self._clock.now(),
            target=target,
            work=self._executor.submit(self._renderer, order, target),
            kind="image/png" if picture else "video/mp4",
        )
        self._jobs[job_id] = job
        return job

    def find(self, job_id: str) -> Job | None:
        """Return a job, or None for an id that was never given out."""
        return self._jobs.get(job_id)

    def state(self, job: Job) -> State:
        """Return where a job is now."""
        age = self._clock.now() - job.submitted
        if age < self._pending:
            return State("pending")
        if age < self._pending + self._processing or not job.work.done():
            return State("processing")
        error = job.work.exception()
        if error is None:
            return State("completed")
        return State("failed", str(error) if isinstance(error, RenderError) else f"internal error: {error!r}")


def _order(form: Form, folder: Path) -> RenderJob:
    """Return what the renderer needs to know."""
    model, values = form.model, form.values
    width, height = _size(model, values.get("resolution", model.resolutions[0]), values.get("orientation"))
    points = values.get("trajectory", ())
    in_pixels = any(x > 1 or y > 1 for _, x, y in points)
    return RenderJob(
        task=model.task,
        model=model.name,
        prompt=values.get("prompt", ""),
        seed=values.get("seed", 0),
        fps=model.fps or 20,
        width=width,
        height=height,
        inputs={name: folder / name for name in form.files},
        trajectory=[(f, x / width, y / height) if in_pixels else (f, x, y) for f, x, y in points],
    )


def _size(model: ModelDefinition, resolution: str, orientation: str | None) -> tuple[int, int]:
    wide = (832, 480) if resolution == "480p" else (model.width or 1280, model.height or 720)
    return (wide[1], wide[0]) if orientation == "portrait" else wide
