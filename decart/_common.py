"""What the two cores have in common: all of an exchange and a wait but the blocking and the awaiting."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

import attrs

from . import protocol
from .config import Settings
from .durations import Durations
from .errors import ClientClosedError, WaitCancelledError
from .inputs import JobInput
from .jobs import JobStatusResponse, JobSubmitResponse, first_status
from .policies import Deadline, PollPolicy, RetryPolicy
from .protocol import Call
from .reporter import Reporter
from .transports.base import Event, HttpRequest

if TYPE_CHECKING:
    from .downloads import Transfer
    from .events import EventHook
    from .polling import Watch
    from .progress import Meter, OnProgress

    class Timed(Protocol):
        """What the two kinds of transport share."""

        def now(self) -> float: ...


Tr = TypeVar("Tr", bound="Timed")


class Common(Generic[Tr]):
    """The settings of a client, its transport, whether it is still open, and what it remembers."""

    def __init__(
        self,
        *,
        settings: Settings,
        transport: Tr,
        retry: RetryPolicy,
        poll: PollPolicy,
        event_hook: EventHook | None = None,
        closed: bool = False,
        durations: Durations | None = None,
    ) -> None:
        self.settings, self.transport, self.retry, self.poll = settings, transport, retry, poll
        self.reporter = Reporter(settings, event_hook)
        self.closed = closed
        self.durations = Durations() if durations is None else durations

    def deadline(self, seconds: float | None) -> Deadline:
        """Return the moment so many seconds from now, on the transport's clock."""
        return Deadline.after(seconds, self.transport.now)

    def transfer(
        self,
        job_id: str,
        deadline: Deadline | None = None,
        progress: OnProgress | None = None,
        *,
        range: str | None = None,
        if_range: str | None = None,
        cancel: Event | None = None,
    ) -> Transfer:
        """Begin a download, whose time counts from now.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id, or a range is no text.
        """
        from .downloads import Transfer
        from .ranges import Wanted

        protocol.content_request(self.settings, job_id)
        return Transfer(
            settings=self.settings,
            job_id=job_id,
            retry=self.retry,
            deadline=deadline or self.deadline(self.retry.timeout),
            limit=self.deadline(self.settings.timeout.total),
            meter=self._meter("download", progress, job_id),
            reporter=self.reporter,
            wanted=Wanted.of(range, if_range),
            cancel=cancel,
            check=partial(self.check_download, job_id, cancel),
        )

    def submit_call(
        self, job: JobInput, progress: OnProgress | None, cancel: Event | None = None
    ) -> Call[JobSubmitResponse]:
        """Build a submit that reports its progress, and is not sent once the client is closed or it is cancelled.

        Raises:
            InvalidInputError: A file cannot be read.
        """
        hears = progress is not None or self.reporter.hears_bytes
        call = protocol.submit_call(self.settings, job, self._meter("upload", progress).at if hears else None)
        call.request = attrs.evolve(call.request, may_start=partial(self._may_submit, cancel))
        return call

    def _may_submit(self, cancel: Event | None) -> None:
        """Stop a submit that nobody wants any more, wherever it was waiting.

        Raises:
            ClientClosedError: The client was closed.
            WaitCancelledError: ``cancel`` was set.
        """
        self.check_open()
        if cancel is not None and cancel.is_set():
            raise WaitCancelledError("The wait was cancelled before the job was submitted; nothing was sent or billed.")

    def check_download(self, job_id: str, cancel: Event | None) -> None:
        """Raise ``WaitCancelledError`` if ``cancel`` was set while the result of a job is fetched."""
        if cancel is not None and cancel.is_set():
            raise WaitCancelledError(
                f"The download of job {job_id} was cancelled. The job is done and its result stays with the service: "
                f"client.queue.download({job_id!r}, path) fetches it.",
                job_id=job_id,
            )

    def check_open(self) -> None:
        """Raise ``ClientClosedError`` if the client was closed."""
        if self.closed:
            raise ClientClosedError(
                "This client is closed, and nothing was sent; make a new DecartClient, or keep this one open longer."
            )

    def _meter(
        self, direction: Literal["upload", "download"], progress: OnProgress | None, job_id: str | None = None
    ) -> Meter:
        from .progress import Meter

        report = partial(self.reporter.progress, job_id=job_id) if self.reporter.hears_bytes else None
        return Meter(callback=progress, direction=direction, now=self.transport.now, report=report)

    def accepted(self, job: JobInput, accepted: JobSubmitResponse) -> JobSubmitResponse:
        """Take note of a job, so that its id is in the log whatever happens next.

        Remembered are when it was accepted and of what kind it is: jobs of one model and size take alike.
        """
        size = job.resolution or "720p", getattr(job, "orientation", None) or "landscape"  # the service's defaults
        self.durations.begin(accepted.job_id, (job.model.name, *size), self.transport.now())
        self.reporter.status(first_status(accepted), "was submitted, and is")
        return accepted

    def arrived(self, job_id: str, data: bytes) -> bytes:
        """Tell that a video is in memory, and return it."""
        if self.reporter.hears_bytes:
            self._meter("download", None, job_id).at(len(data), len(data))
        return data

    def question(self, job_id: str) -> Call[JobStatusResponse]:
        """Build the question where a job is, whose answer says, too, what this client knows of the job.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
        """
        return protocol.status_call(self.settings, job_id, self._with_age)

    def _with_age(self, job: JobStatusResponse) -> JobStatusResponse:
        model, elapsed = self.durations.age(job.job_id, self.transport.now(), finished=job.finished)
        return job if model is None else attrs.evolve(job, model=model, elapsed=elapsed)

    def watch(self, job: str | JobSubmitResponse, policy: PollPolicy | None, **asked: Any) -> Watch:
        """Begin a wait for a job, whose time counts from now, with what else the caller has asked for.

        Of a job that was just submitted, the first status is known.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
        """
        from .pace import lesson
        from .polling import Watch

        poll = policy or self.poll
        job_id, known = (job.job_id, first_status(job)) if isinstance(job, JobSubmitResponse) else (job, None)
        return Watch(
            job_id=job_id,
            question=self.question(job_id),
            poll=poll,
            retry=self.retry,
            deadline=self.deadline(poll.timeout),
            reporter=self.reporter,
            known=known,
            lesson=lesson(self.durations, job_id, poll, self.transport.now),
            **asked,
        )

    def begins(self, request: HttpRequest) -> float:
        """Tell that a request is about to be sent, and return the time.

        Raises:
            ClientClosedError: The client was closed.
        """
        self.check_open()
        if request.may_start is not None:
            request.may_start()
        self.reporter.request(request)
        return self.transport.now()
