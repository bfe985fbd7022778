"""The emulator itself: jobs that go from pending to processing to completed or failed, on a clock.

A job's status is not stored: it follows from the time and from whether its video has been rendered::

    submitted ──pending──▶ ──processing──▶ until the time is up and the video is rendered ──▶ completed or failed
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import attrs

from ..models import ModelDefinition
from ..transports.base import SystemClock
from .access import Keys
from .catalogue import Catalogue
from .checks import check_arguments
from .clock import Clock
from .faults import Fault, FaultLike, Faults
from .faults.acting import renderer_for
from .files import Files
from .forms import Form
from .layouts import Layout, laid_out
from .limits import PAINTERS
from .render import Cached, IsolatedRenderer, RenderError, RenderJob
from .requestlog import RequestLog
from .scenario import Scenario, Turn
from .work import OnDemand, Renderer, render_job


@attrs.frozen(kw_only=True, eq=False)
class Job:
    """One job.

    Attributes:
        id: Its id, which cannot be guessed.
        submitted: The time of the submit, on the emulator's clock.
        target: The path of its result, in a folder of its own.
        turn: How long it takes, and the faults that it meets.
        work: The rendering.
        kind: The MIME type of the result.
        fault: The name of the fault that decides its outcome, if there is one.
    """

    id: str
    submitted: float
    target: Path
    turn: Turn
    work: Future[None]
    kind: str
    fault: str | None = None


class Emulator:
    """A model of the service: submit, status, result, and what is needed to test a client.

    Args:
        pending: Seconds that a job waits in the queue.
        processing: Seconds that it is then processed, at least: rendering may take longer.
        api_keys: The keys that are accepted, besides the client tokens created with them; by default, every key that
            looks like one (``dct_...``).
        models: Models of your own, besides those of the catalogue.
        clock: The source of time; by default, the system's clock.
        renderer: Makes the videos; by default, the built-in renderer of placeholders, with a cache of 512 MiB, so that
            the same job is not rendered twice.
        background: Render in another thread, from the submit on. Otherwise a video is rendered when it is first
            needed, which suits a virtual clock.
        today: Whether retired models are refused (410), as by today's service; otherwise they work.
        faults: The faults to inject; see `decart.emulator.faults`. More can be added at any time.
        scenario: The path of a file with what happens to each job in turn; see `decart.emulator.scenario`.
        keep: How many jobs are kept, with their videos, and how many uploaded files. Beyond that, the oldest ones (of
            the jobs, those that have ended) are deleted.
        layout: Where MP4 files have their index: ``"start"``, so that a player can begin before it has loaded the file,
            or ``"end"``. With ``"service"``, it is at the end, and videos made from text and pictures have the size,
            length and frame rate of files that the service made; see `decart.emulator.layouts`.
        fps: Frames per second of videos made from text and from pictures; by default, those of the layout or the model.
            An edited video keeps the rate of its source.

    Raises:
        InvalidInputError: An argument is invalid.

    Attributes:
        clock: The source of time.
        catalogue: The models.
        keys: The keys and client tokens.
        files: The uploaded files.
        faults: The pending faults.
        requests: Every request so far, with assertions about submits; see `decart.emulator.requestlog`.
    """

    def __init__(
        self,
        *,
        pending: float = 1.0,
        processing: float = 3.0,
        api_keys: Collection[str] | None = None,
        models: Iterable[ModelDefinition] = (),
        clock: Clock | None = None,
        renderer: Renderer | None = None,
        background: bool = True,
        today: bool = False,
        faults: FaultLike | Iterable[FaultLike] = (),
        scenario: str | os.PathLike[str] | None = None,
        keep: int = 1_000,
        layout: Layout = "start",
        fps: int | None = None,
    ) -> None:
        models = tuple(models) if isinstance(models, Iterable) else models
        check_arguments(
            pending=pending,
            processing=processing,
            api_keys=api_keys,
            models=models,
            keep=keep,
            layout=layout,
            fps=fps,
        )
        self._layout: Layout = layout
        self._fps = fps
        self.clock = clock or SystemClock()
        self.faults = Faults(faults)
        self._scenario = Scenario(scenario, Turn(pending=pending, processing=processing))
        self.requests = RequestLog()
        self._executor = ThreadPoolExecutor(1, "decart-emulator") if background else None
        self._folder = Path(tempfile.mkdtemp(prefix="decart-emulator-"))
        self._delete = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._isolated = IsolatedRenderer()
        self._renderer = renderer or Cached(self._isolated, self._folder / "made")
        self._keep = keep
        self._jobs: dict[str, Job] = {}
        self._painting = threading.BoundedSemaphore(PAINTERS)
        self.catalogue = Catalogue(models, today=today)
        self.keys = Keys(api_keys, self.clock)
        self.files = Files(self._folder, self.clock, keep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete all jobs and files."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._isolated.close()  # nobody can get its results any more
            self._executor.shutdown()
        self._jobs.clear()
        self._delete()

    def submit(self, form: Form) -> Job:
        """Accept a job, with its files."""
        job_id = uuid.uuid4().hex
        folder = self._folder / job_id
        order = self._accept(form, folder)
        is_picture = form.model.task.endswith("-to-image")
        target = folder / ("result.png" if is_picture else "result.mp4")
        turn = self._scenario.take()
        fault = self.faults.take_for_job() or turn.faults.take_for_job()
        renderer = self._renderer if fault is None else renderer_for(fault)
        job = Job(
            id=job_id,
            submitted=self.clock.now(),
            target=target,
            work=Future() if renderer is None else self._scheduled(partial(render_job, renderer, order, target)),
            kind="image/png" if is_picture else "video/mp4",
            fault=fault.name if fault is not None else None,
            turn=turn,
        )
        self._jobs[job_id] = job
        self._delete_old()
        return job

    def faults_for(self, route: str, job_id: str | None) -> tuple[Fault, ...]:
        """Use up and return the faults of a request: of the emulator and of the job's scenario, one of each part."""
        own = self.faults.take(route)
        job = self.find(job_id) if job_id is not None else None
        turn = job.turn if job is not None else self._scenario.current if route == "submit" else None
        return own if turn is None else turn.faults.take(route, own)

    def _delete_old(self) -> None:
        """Delete the oldest jobs that have ended, beyond the limit; a download in progress continues."""
        too_many = len(self._jobs) - self._keep
        if too_many > 0:
            # the plain `done`: that of a job which is rendered on demand would render it
            jobs, now = list(self._jobs.values()), self.clock.now()
            ended = [job for job in jobs if Future.done(job.work) and now >= job.submitted + job.turn.seconds]
            for old in ended[:too_many]:
                self._jobs.pop(old.id, None)
                shutil.rmtree(old.target.parent, ignore_errors=True)

    def _scheduled(self, task: Callable[[], None]) -> Future[None]:
        return OnDemand(task) if self._executor is None else self._executor.submit(task)

    @contextmanager
    def picture(self, form: Form) -> Iterator[Path]:
        """Render an image outside the queue; it exists as long as the block.

        Raises:
            RenderError: It cannot be rendered.
        """
        folder = self._folder / uuid.uuid4().hex
        target = folder / "result.png"
        try:
            order = self._accept(form, folder)
            with self._painting:
                self._renderer(order, target)
            yield target
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def find(self, job_id: str) -> Job | None:
        """Return a job, or None for an id that is unknown or whose job has been deleted."""
        return self._jobs.get(job_id)

    def state(self, job: Job) -> tuple[str, str | None]:
        """Return the current status of a job, and the reason if it failed."""
        age = self.clock.now() - job.submitted
        if age < job.turn.pending:
            return "pending", None
        if age < job.turn.seconds or not job.work.done():
            return "processing", None
        error = job.work.exception()
        if error is None:
            return "completed", None
        # Details of other errors, such as paths, are for the log and not for clients.
        reason = str(error) if isinstance(error, RenderError) else f"internal error: {type(error).__name__}"
        return "failed", reason or None

    def _accept(self, form: Form, folder: Path) -> RenderJob:
        """Save the files of a form in a new folder, named after their fields, and return the order for the renderer."""
        folder.mkdir()
        for name, file in form.files.items():
            file.save(folder / name)
        model, values = form.model, form.values
        width, height = model.width or 1280, model.height or 720
        if values.get("resolution", model.resolutions[0]) == "480p":
            width, height = 832, 480
        if values.get("orientation") == "portrait":
            width, height = height, width
        points = values.get("trajectory", ())
        in_pixels = any(x > 1 or y > 1 for _, x, y in points)
        order = RenderJob(
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
        return laid_out(order, self._layout, self._fps)
