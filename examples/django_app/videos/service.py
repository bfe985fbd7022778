"""The video service: this process's clients of it, and what becomes of a job there."""

import functools
import logging

from django.conf import settings

from decart import (
    DecartClient,
    DecartSDKError,
    InvalidInputError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    ValidationError,
)
from decart.options import JobOptions

from .models import Job

log = logging.getLogger(__name__)


@functools.cache
def client() -> DecartClient:
    """Return the client for what takes its time: sending an upload, fetching a video.

    It is made when it is first needed, and shared by all threads of the process, and by those that are forked from it.
    """
    return _client(Timeout(connect=5, read=20), RetryPolicy(attempts=2, timeout=5))


@functools.cache
def quick_client() -> DecartClient:
    """Return the client for what somebody waits for, and what is asked again soon: it gives up early."""
    return _client(Timeout(connect=2, read=5), RetryPolicy(attempts=1))


def _client(timeout: Timeout, retry: RetryPolicy) -> DecartClient:
    return DecartClient(settings.DECART_API_KEY, base_url=settings.DECART_BASE_URL, timeout=timeout, retry=retry)


def submit(job: Job, options: JobOptions) -> None:
    """Submit a job whose row is there, once; the row says what came of it."""
    try:
        accepted = client().queue.submit(options)
    except SubmitOutcomeUnknownError as error:
        log.error("Job row %s: %s", job.pk, error)
        job.becomes(Job.Status.UNKNOWN, error.message)
    except DecartSDKError as error:
        log.error("Job row %s: %s", job.pk, error)
        job.becomes(Job.Status.REFUSED, _reason(error))
    else:
        log.info("Job row %s is job %s", job.pk, accepted.job_id)  # should the database fail just now
        job.job_id, job.status = accepted.job_id, accepted.status
        job.save(update_fields=["job_id", "status", "updated"])


def _reason(error: DecartSDKError) -> str:
    """Say why a job was not accepted: a fault of its input in full; what is ours to mend is in the log alone."""
    if isinstance(error, InvalidInputError) or isinstance(error.cause, ValidationError):
        return error.message
    return "The service did not accept the job, and nothing was billed. Try again later."


def refresh(job: Job) -> bool:
    """Ask once where a job is, unless there is nothing to ask, and store it; say whether the service could tell."""
    if job.settled or job.job_id is None:
        return True
    try:
        answer = quick_client().queue.status(job.job_id)
    except DecartSDKError as error:
        log.warning("%s", error)
        return False
    if answer.status != job.status:
        job.becomes(answer.status, answer.error or "")
    return True
