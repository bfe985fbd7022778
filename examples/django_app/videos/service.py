"""The video service: this process's client, and how jobs are submitted and refreshed."""

import functools
import logging

from django.conf import settings

from decart import (
    DecartClient,
    DecartSDKError,
    InvalidInputError,
    JobOptions,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    ValidationError,
)

from .models import Job

log = logging.getLogger(__name__)


@functools.cache
def client() -> DecartClient:
    """Return the client for uploads and videos, which may take a while.

    It is created when first used. All threads of the process share it, and forked processes may use it, too.
    """
    return DecartClient(
        settings.DECART_API_KEY,
        base_url=settings.DECART_BASE_URL,
        timeout=Timeout(connect=5, read=20),
        retry=RetryPolicy(attempts=2, timeout=5),
    )


def quick_client() -> DecartClient:
    """Return the same client with short timeouts, for a status check that the page will repeat anyway."""
    return client().with_options(timeout=Timeout(connect=2, read=5), retry=RetryPolicy(attempts=1))


def submit(job: Job, options: JobOptions) -> None:
    """Submit the job of a row, once, and store the outcome in the row."""
    try:
        accepted = client().queue.submit(options)
    except SubmitOutcomeUnknownError as error:
        log.error("Job row %s: %s", job.pk, error)
        job.becomes(Job.Status.UNKNOWN, error.message)
    except DecartSDKError as error:
        log.error("Job row %s: %s", job.pk, error)
        job.becomes(Job.Status.REFUSED, _reason(error))
    else:
        log.info("Job row %s is job %s", job.pk, accepted.job_id)  # in case the database fails now
        job.job_id, job.status = accepted.job_id, accepted.status
        job.save(update_fields=["job_id", "status", "updated"])


def _reason(error: DecartSDKError) -> str:
    """Say why a job was not accepted. Only input errors are shown in full; the rest is in the log."""
    if isinstance(error, InvalidInputError) or isinstance(error.cause, ValidationError):
        return error.message
    return "The service did not accept the job, and nothing was billed. Try again later."


def refresh(job: Job) -> bool:
    """Check and store the status of a job that has not finished; return whether the service could be reached."""
    if job.settled or job.job_id is None:
        return True
    try:
        latest = quick_client().queue.status(job.job_id)
    except DecartSDKError as error:
        log.warning("%s", error)
        return False
    if latest.status != job.status:
        job.becomes(latest.status, latest.error or "")
    return True
