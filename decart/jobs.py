"""What the service says of a job, and what it means.

A job moves one way. Only two of its states end a wait; every other word, known or not, means "ask again later", so a
state that the service invents tomorrow breaks nobody.

==============  ==========================
status          means
==============  ==========================
``pending``     wait: in the queue
``processing``  wait: being worked on
``completed``   done: fetch the result
``failed``      failed: read the reason
anything else   wait, and say so once
==============  ==========================
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from .log import log

T = TypeVar("T")

JobStatus = Literal["pending", "processing", "completed", "failed"]
KNOWN = frozenset({"pending", "processing", "completed", "failed"})
FINISHED = frozenset({"completed", "failed"})


class InNotebook:
    """Shows itself in a notebook; see `decart.integrations.notebook`."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from .integrations.notebook import bundle

        return bundle(self)  # type: ignore[arg-type]  # of every class that inherits from this


class AwaitedByMistake:
    """Lets ``await`` stand before a call of the sync client: it has done its work by then, and been paid for.

    A ``TypeError`` at that point would lose the id of the job, or its video. Type checkers do refuse it.
    """

    __slots__ = ()

    if not TYPE_CHECKING:

        def __await__(self: T) -> Generator[None, None, T]:
            log.warning(
                "A call of the sync DecartClient was awaited; it blocked the event loop until it was done. "
                "Write `async with DecartClient(...) as client:`, or await client.aio.queue instead."
            )
            yield from ()
            return self


@attrs.frozen(kw_only=True)
class JobSubmitResponse(InNotebook, AwaitedByMistake):
    """The service has accepted a job, and bills it.

    Attributes:
        job_id: The job; keep it, everything else can be asked for by it.
        status: Its first status, ``"pending"``.
        model: The name of the model that works on it.
    """

    job_id: str
    status: str
    model: str | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class JobStatusResponse(InNotebook, AwaitedByMistake):
    """Where a job is.

    Attributes:
        job_id: The job.
        status: ``"pending"``, ``"processing"``, ``"completed"``, ``"failed"``, or a word invented since.
        error: Why it failed, when it failed and the service said why.
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
        """Whether the job has ended, well or not."""
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
    """Return what is known of a job without asking."""
    return JobStatusResponse(job_id=job.job_id, status=job.status, model=job.model, elapsed=0.0)
