"""The journal in the admin, to look things up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from .models import Job


def field(name: str) -> Callable[[Job], Any]:
    """Return a column that shows a field of a record; of a time, the date."""

    @admin.display(description=name.removesuffix("_at").replace("_", " "))
    def show(job: Job) -> Any:
        value = getattr(job.record, name)
        return datetime.fromtimestamp(value, UTC) if name.endswith("_at") else value

    return show


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    """Shows records, and changes none."""

    list_display = ("__str__", "state", field("status"), "model", "job_id", field("saved_to"), field("created_at"))
    list_filter = ("state", "model")
    search_fields = ("label", "job_id", "details")
    shown: Any = [field(name) for name in ("status", "error", "saved_to", "cost", "origin", "inputs", "updated_at")]
    readonly_fields = shown
    fields = ["label", "generation", "model", "job_id", "state", *shown]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Records are added by submits."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Records are changed through ``client.jobs``."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Records are deleted by ``client.jobs.prune``, which keeps what is open."""
        return False
