"""What the service reports about a job.

A job moves one way, and only two statuses end a wait. Any other word, known or not, means "check again later", so a
status that the service introduces tomorrow breaks nobody.

==============  ===========================
status          meaning
==============  ===========================
``pending``     wait: in the queue
``processing``  wait: running
``completed``   finished: fetch the result
``failed``      failed: read the reason
anything else   wait, and log it once
==============  ===========================
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

JobStatus = Literal["pending", "processing", "completed", "failed"]
KNOWN = frozenset({"pending", "processing", "completed", "failed"})
FINISHED = frozenset({"completed", "failed"})


class InNotebook:
    """Give a value an HTML representation for notebooks; see `decart.integrations.notebook`."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from .integrations.notebook import bundle

        return bundle(self)  # type: ignore[arg-type]  # every subclass is of one of its types


@attrs.frozen(kw_only=True)
class JobSubmitResponse(InNotebook):
    """The service accepted a job, and bills it.

    Attributes:
        job_id: The id of the job; keep it, because it is all that is needed to find the job again.
        status: The first status, ``"pending"``.
        model: The name of the model that runs it.
    """

    job_id: str
    status: str
    model: str | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class JobStatusResponse(InNotebook):
    """The status of a job.

    Attributes:
        job_id: The id of the job.
        status: ``"pending"``, ``"processing"``, ``"completed"``, ``"failed"``, or a word introduced since.
        error: The reason for a failure, if the service gave one.
        model: The name of its model, if this client submitted it.
        elapsed: Seconds since the service accepted it, if this client submitted it.
    """

    job_id: str
    status: str
    error: str | None = None
    model: str | None = attrs.field(default=None, eq=False)
    elapsed: float | None = attrs.field(default=None, eq=False)

    @property
    def finished(self) -> bool:
        """Whether the job has completed or failed."""
        return self.status in FINISHED


@attrs.frozen(kw_only=True)
class PollStep:
    """One step of a wait; see ``client.queue.poll_once``.

    Attributes:
        job: The finished job; ``None`` if it has not finished yet.
        wait: Seconds until the next step; 0 if there is none.
        state: What the next step needs, as JSON values.
    """

    job: JobStatusResponse | None
    wait: float
    state: dict[str, Any] = attrs.field(repr=False)


def first_status(job: JobSubmitResponse) -> JobStatusResponse:
    """Return the status that a submit implies, without a request."""
    return JobStatusResponse(job_id=job.job_id, status=job.status, model=job.model, elapsed=0.0)
