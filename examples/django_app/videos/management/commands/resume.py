"""``python manage.py resume FOLDER``, after a crash or every night."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ... import service


class Command(BaseCommand):
    help = "Wait for all jobs that have not ended, save their videos, and list those that somebody must look at."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="where to save the videos")

    def handle(self, *, folder: Path, **options: Any) -> None:
        """Submit nothing, and cost nothing."""
        jobs = service.client().jobs
        for job in jobs.resume(save_to=lambda record: folder / f"{record.label}.mp4"):
            self.stdout.write(f"{job.record.label}: {job.error or job.result}")
        for record in jobs.pending():
            self.stdout.write(f"{record.label}: {record.state}, see the README")
