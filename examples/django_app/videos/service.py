"""The video service: this process's client, and how jobs are submitted and refreshed."""

import functools
import logging

from django.conf import settings

from decart import (
    DecartClient,
    DecartSDKError,
    InvalidInputError,
    JobOptions,
    JobStep,
    PollPolicy,
    RetryPolicy,
    Timeout,
    ValidationError,
)
from decart.integrations.django.storage import store_in

from .models import JOURNAL, Job, is_given_up

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
        poll=PollPolicy(timeout=24 * 3600),  # then the sweeps give a job up
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


def sweep() -> None:
    """Check the jobs that are due, and store the videos that are ready in the site's default storage.

    It submits nothing. It may be called by several processes at once, and be killed.
    """
    for step in client().jobs.sweep(store=store_in()):
        _report(step)


def take_up() -> None:
    """Continue with the jobs that the sweeps have given up."""
    jobs = client().jobs
    for record in jobs.select(states=["accepted", "completed"]):
        if is_given_up(record):
            try:
                _report(jobs.step(record.label, store=store_in()))
            except DecartSDKError as error:  # such as a job of an earlier key
                log.error("%s: %s", record.label, error)


def _report(step: JobStep) -> None:
    assert step.record is not None  # it is not being submitted
    record = step.record
    if step.error is not None:
        log.warning("%s: %s", record.label, step.error)
    elif step.wait is None and not step.superseded:
        log.info("%s: %s %s", record.label, record.state, record.saved_to or record.error or "")
