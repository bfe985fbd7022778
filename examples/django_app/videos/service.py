"""The video service: this process's client, and how jobs are submitted and refreshed."""

import functools
import logging

from django.conf import settings

from decart import DecartClient, DecartSDKError, InvalidInputError, JobOptions, RetryPolicy, Timeout, ValidationError

from .models import JOURNAL, Job

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
        journal=JOURNAL,
    )


def quick_client() -> DecartClient:
    """Return the same client with short timeouts, for a status check that the page will repeat anyway."""
    return client().with_options(timeout=Timeout(connect=2, read=5), retry=RetryPolicy(attempts=1))


def submit(job: Job, options: JobOptions) -> None:
    """Submit a job; the journal sees to it that this happens once, and records the outcome."""
    try:
        accepted = client().queue.submit(options, label=job.label)
    except DecartSDKError as error:
        log.error("%s: %s", job.label, error)
        job.record = JOURNAL.latest(job.label)
        if job.record is None or job.record.state == "refused":
            job.refusal = _reason(error)
            job.save(update_fields=["refusal"])
    else:
        log.info("%s is job %s", job.label, accepted.job_id)


def _reason(error: DecartSDKError) -> str:
    """Say why a job was not accepted. Only input errors are shown in full; the rest is in the log."""
    if isinstance(error, InvalidInputError) or isinstance(error.cause, ValidationError):
        return error.message
    return "The service did not accept the job, and nothing was billed. Try again later."


def refresh(job: Job) -> bool:
    """Check the status of a job that has not finished; return whether the service could be reached."""
    if job.settled or job.record is None or job.record.job_id is None:
        return True
    try:
        quick_client().queue.status(job.record.job_id)
    except DecartSDKError as error:
        log.warning("%s", error)
        return False
    job.record = JOURNAL.latest(job.label)
    return True
