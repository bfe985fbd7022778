"""The journal in the admin, to look things up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from .models import Job


def detail(name: str) -> Callable[[JobAdmin, Job], Any]:
    """Return a column that shows a field of a record."""

    @admin.display(description=name.replace("_", " "))
    def show(site: JobAdmin, job: Job) -> Any:
        return job.detail(name)

    return show


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    """Shows records, and changes none."""

    status, error, saved_to, cost, origin, inputs = map(
        detail, ("status", "error", "saved_to", "cost", "origin", "inputs")
    )
    list_display = ("label", "generation", "model", "state", "job_id", "saved_to", "cost", "created")
    list_filter = ("state", "model")
    search_fields = ("label", "job_id", "details")
    fields = (
        ("label", "generation"), "state", "job_id", "status", "error", "saved_to", "cost", "model", "origin",
        ("created", "updated"), "inputs",
    )  # fmt: skip
    readonly_fields = ("status", "error", "saved_to", "cost", "origin", "created", "updated", "inputs")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Records are added by submits."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Records are changed through ``client.jobs``."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        """Records are deleted by ``client.jobs.prune``, which keeps what is open."""
        return False
