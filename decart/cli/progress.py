"""What a command shows of a job: each status, or a bar on a terminal."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from ..events import EventHook, ResponseReceived, StatusChanged
from .output import Output

if TYPE_CHECKING:
    from ..integrations.progress_bar import Bar
    from ..jobs import JobStatusResponse
    from ..progress import Progress


class JobProgress(EventHook):
    """Prints each status of a job, or the first one, with the id, above a bar that goes away at the end.

    It is an event hook of the client, so that the id is printed before anything else can happen, and a context manager
    around it. It also notes the id in the arguments of the command, for whatever ends that.
    """

    def __init__(self, arguments: Namespace, output: Output) -> None:
        self._arguments, self._output = arguments, output
        self._job: JobStatusResponse | None = None
        self._bar: Bar | None = None
        if output.shows_bars:
            from ..integrations.progress_bar import Bar  # needs an extra

            self._bar = Bar(leave=False)

    def __enter__(self) -> JobProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    @property
    def callback(self) -> Callable[[Progress], object] | None:
        """The ``progress`` of a call of the client."""
        return None if self._bar is None else partial(self._move, self._bar)

    def status_changed(self, event: StatusChanged) -> None:
        """Show a status."""
        from ..jobs import JobStatusResponse  # --help needs none

        last, self._arguments.job = self._job, event.job_id
        self._job = JobStatusResponse(job_id=event.job_id, status=event.status, model=event.model)
        is_news = last is None or (self._bar is None and last != self._job)
        if is_news and not self._output.is_verbose:  # the log has it, too
            self._output.note(f"Job {event.job_id}: {event.status}")
        self._show()

    def response_received(self, event: ResponseReceived) -> None:
        """Show how long the wait takes."""
        self._show()

    def _show(self) -> None:
        if self._bar is not None and self._job is not None:
            self._bar.on_poll(self._job)

    def _move(self, bar: Bar, progress: Progress) -> None:
        """Show the bytes of a transfer; a download is the last phase."""
        if progress.direction == "download":
            self._job = None
        bar.on_progress(progress)
