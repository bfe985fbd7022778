"""The jobs in the admin. What became of each is in the list of the journal, under its label."""

from django.contrib import admin
from django.http import HttpRequest

from .models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    list_display = ("label", "__str__", "owner", "created")
    list_filter = ("created",)
    list_select_related = ("owner",)
    search_fields = ("prompt", "owner__username")
    date_hierarchy = "created"
    view_on_site = False  # only its owner can see a job's page
    readonly_fields = ("label", "status", "explanation")
    fields = ("owner", "label", "prompt", "status", "explanation", "created")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # jobs are created by submitting them

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False
