"""``python manage.py sweep``, from cron; or ``sweep --every 10``, which keeps running."""

import signal
import time
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from decart import DecartSDKError

from ... import service


class Command(BaseCommand):
    help = "Check the jobs that are due, and store the videos that are ready. Submits nothing, and costs nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on until SIGTERM, with such pauses")
        parser.add_argument("--again", action="store_true", help="first take up the jobs that earlier sweeps gave up")

    def handle(self, *, every: float | None, again: bool, **options: Any) -> None:
        """Make one pass, or one after the other."""
        if every is not None and not 0.1 <= every <= 86_400:
            raise CommandError("--every takes 0.1 to 86,400 seconds.")
        try:
            if again:
                service.take_up()
            if every is None:
                return service.sweep()
        except DecartSDKError as error:
            raise CommandError(error.message) from error
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends like with Ctrl-C
        with suppress(KeyboardInterrupt):
            while True:
                try:
                    service.sweep()
                except DecartSDKError as error:  # such as a database that is being restarted
                    self.stderr.write(error.message)
                time.sleep(every)
