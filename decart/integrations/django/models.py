"""The table of the journal."""

from __future__ import annotations

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from ...journal.records import JobRecord
from ...journal.rows import COLUMNS, from_row

COLLATIONS = {"postgresql": '"C"', "mysql": "utf8mb4_bin"}
"""By the vendor of a database, the collation that compares and orders text by its code points; SQLite does anyway."""


class ExactCharField(models.CharField):
    """Text of which no two different values are equal, and which is ordered by code points, on every database."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of the column."""
        plain = super().db_type(connection)
        collation = COLLATIONS.get(connection.vendor)
        return f"{plain} COLLATE {collation}" if collation else plain


class Job(models.Model):
    """A `decart.journal.records.JobRecord`. Change it through ``client.jobs``, not through this model."""

    label = ExactCharField(max_length=255)
    generation = models.PositiveIntegerField()
    revision = models.PositiveIntegerField()
    state = models.CharField(max_length=20)
    model = models.CharField(max_length=255)
    job_id = ExactCharField(max_length=255, null=True)
    created_at = models.FloatField()  # UNIX seconds
    updated_at = models.FloatField()
    details = models.TextField()  # the other fields of the record, as JSON

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["label", "generation"], name="decart_jobs_label_generation")]
        indexes = [
            models.Index(fields=["job_id"], name="decart_jobs_job_id"),
            models.Index(fields=["created_at", "label", "generation"], name="decart_jobs_age"),
            models.Index(fields=["state", "created_at"], name="decart_jobs_state_age"),
        ]

    def __str__(self) -> str:
        return self.label if self.generation == 1 else f"{self.label} ({self.generation})"

    @property
    def record(self) -> JobRecord:
        """All that is known of the job."""
        return from_row([getattr(self, name) for name in COLUMNS])
