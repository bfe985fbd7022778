"""``python manage.py settle LABEL [JOB_ID]``, for a job whose outcome is unknown; without a label, it lists them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from decart import DecartSDKError

from ... import service


class Command(BaseCommand):
    help = "Say what became of a job that may have been billed: its id in the account, or none if it is not there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("label", nargs="?", help="the job's label; without it, all such jobs are listed")
        parser.add_argument("job_id", nargs="?", help="the job in your account; without it, there is certainly none")

    def handle(self, *, label: str | None, job_id: str | None, **options: Any) -> None:
        """Submit nothing, and cost nothing."""
        jobs = service.client().jobs
        try:
            records = jobs.select(states=["unknown"]) if label is None else [jobs.settle(label, job_id=job_id)]
        except DecartSDKError as error:
            raise CommandError(error.message) from error
        for record in records:
            self.stdout.write(f"{record.label}: {record.state}")
