"""The jobs of the site's users."""

from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.text import Truncator

from decart import JobRecord
from decart.integrations.django.journal import DjangoJournal
from decart.integrations.django.models import Job as JournalRow

JOURNAL = DjangoJournal()

GIVEN_UP = {
    False: "This has taken so long that the site no longer waits for it. This page keeps checking while it is open.",
    True: "The video could not be stored. Download it now, before the service deletes it.",
}


class Job(models.Model):
    """What a user asked for. What becomes of it is in the journal, under the job's ``label``."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="video_jobs")
    token = models.UUIDField(editable=False)  # of the form that submitted it
    prompt = models.TextField()
    refusal = models.TextField(blank=True)  # why it was not accepted, for its owner
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created", "-pk"]
        constraints = [models.UniqueConstraint(fields=["owner", "token"], name="one_job_for_each_form")]

    def __str__(self) -> str:
        return Truncator(self.prompt).chars(60)

    def get_absolute_url(self) -> str:
        return reverse("videos:job", args=[self.pk])

    @property
    def label(self) -> str:
        """Its name in the journal."""
        return f"video-{self.pk}"

    @cached_property
    def record(self) -> JobRecord | None:
        """Its record in the journal, once there is one."""
        return JOURNAL.latest(self.label)

    @property
    def status(self) -> str:
        """A status of the service, or one of our own: ``refused`` and ``unknown``."""
        record = self.record
        if self.refusal or (record and record.state == "refused"):
            return "refused"
        if record is None or record.job_id is None:
            return "unknown"
        return record.status or "pending"

    @property
    def settled(self) -> bool:
        """Whether its status can no longer change by itself."""
        known = self.record is not None and self.record.state == "unknown"
        return known or self.status in ("refused", "completed", "failed")

    @property
    def stored(self) -> str | None:
        """The name of its video in the site's storage, once it is there."""
        record = self.record
        return record.saved_to if record and record.state == "delivered" else None

    @property
    def explanation(self) -> str:
        """A sentence about the status."""
        if self.status == "unknown":
            response = "no clear response arrived" if self.settled else "there is no response yet"
            return f"The job was sent, but {response}. It may have been accepted and billed, so it is not sent again."
        if self.status == "refused":
            return self.refusal or "The job was not accepted, and nothing was billed."
        if self.record and is_given_up(self.record):
            return GIVEN_UP[self.status == "completed"]
        return (self.status == "failed" and self.record and self.record.error) or ""


def is_given_up(record: JobRecord) -> bool:
    """Return whether the sweeps have stopped before the job had ended, or before its video was stored."""
    return record.state in ("accepted", "completed") and record.due_at is None and record.poll is not None


def read_records(jobs: Iterable[Job]) -> None:
    """Read the records of many jobs at once."""
    rows = JournalRow.objects.filter(label__in=[job.label for job in jobs]).order_by("generation")
    records = {row.label: row.record for row in rows}
    for job in jobs:
        job.record = records.get(job.label)
