"""The jobs of the site's users."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator


class Job(models.Model):
    """A job, stored just before its submit. Any process can find it at the service by its ``job_id``."""

    class Status(models.TextChoices):
        """Two statuses of our own, and the four of the service, which may add more."""

        UNKNOWN = "unknown"
        REFUSED = "refused"
        PENDING = "pending"
        PROCESSING = "processing"
        COMPLETED = "completed"
        FAILED = "failed"

    LAST = (Status.REFUSED, Status.COMPLETED, Status.FAILED)

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="video_jobs")
    token = models.UUIDField(editable=False)  # of the form that submitted it
    job_id = models.CharField(max_length=255, unique=True, null=True, editable=False)
    model = models.CharField(max_length=100)
    prompt = models.TextField()
    # The row is stored before the submit: until there is a response this is true, even if the process dies.
    status = models.CharField(max_length=40, choices=Status.choices, default=Status.UNKNOWN)
    error = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created", "-pk"]
        constraints = [models.UniqueConstraint(fields=["owner", "token"], name="one_job_for_each_form")]

    def __str__(self) -> str:
        return Truncator(self.prompt).chars(60)

    def get_absolute_url(self) -> str:
        return reverse("videos:job", args=[self.pk])

    @property
    def settled(self) -> bool:
        """Whether its status can no longer change."""
        return self.status in self.LAST or (self.status == self.Status.UNKNOWN and bool(self.error))

    @property
    def explanation(self) -> str:
        """A sentence about the status."""
        if self.status == self.Status.UNKNOWN:
            response = "no clear response arrived" if self.error else "there is no response yet"
            return f"The job was sent, but {response}. It may have been accepted and billed, so it is not sent again."
        return self.error

    def becomes(self, status: str, error: str = "") -> None:
        """Store a new status, unless the job has ended: a response may arrive late."""
        later = {"status": status[:40], "error": error, "updated": timezone.now()}
        Job.objects.filter(pk=self.pk).exclude(status__in=self.LAST).update(**later)
        self.refresh_from_db()
