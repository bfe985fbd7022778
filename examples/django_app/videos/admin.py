"""The jobs in the admin, searchable by what the log says."""

from django.contrib import admin
from django.http import HttpRequest

from .models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    list_display = ("pk", "__str__", "owner", "model", "status", "job_id", "created")
    list_display_links = ("pk", "__str__")
    list_filter = ("status", "model", "created")
    list_select_related = ("owner",)
    search_fields = ("prompt", "job_id", "owner__username")
    date_hierarchy = "created"
    view_on_site = False  # only its owner can see a job's page
    fields = ("owner", "job_id", "model", "prompt", "status", "error", "created", "updated")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # jobs are created by submitting them

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False
