"""A Celery app whose workers are killed: ``celery --app support.queued worker``.

``SETTINGS`` is JSON: the URLs of the broker, of the journal and of the service, a folder, and what is special. For each
file ``kill/<place>-<number>`` in the folder, a worker kills itself at that place, once.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import Celery

from decart import DecartClient, EventHook, JobRecord, JobStep, PollPolicy, SQLiteJournal
from decart.integrations.celery import video_tasks
from decart.integrations.sql import SQLAlchemyJournal
from decart.transports.urllib3 import Urllib3Transport

SETTINGS: dict[str, Any] = json.loads(os.environ["SETTINGS"])
FOLDER = Path(SETTINGS["folder"])
PLACES = ("submitting", "submitted", "checking", "checked", "downloading", "told", "before write", "after write")


def die_at(place: str) -> None:
    """Kill this worker, if it is to be killed at this place."""
    for token in (FOLDER / "kill").glob(f"{place}-*"):
        with suppress(FileNotFoundError):  # another worker was faster
            token.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


class Killing(EventHook):
    """Kills the worker at what the client reports."""

    def request_sent(self, event: Any) -> None:
        die_at("submitting" if event.method == "POST" else "checking")

    def response_received(self, event: Any) -> None:
        die_at("submitted" if event.method == "POST" else "checked")

    def bytes_moved(self, event: Any) -> None:
        if event.direction == "download":
            die_at("downloading")


def watched(kind: type[Any]) -> type[Any]:
    """Return a kind of journal whose writes are places to be killed at."""

    class Watched(kind):  # type: ignore[misc]
        def insert(self, record: JobRecord) -> bool:
            return self._killable(super().insert, record)

        def replace(self, record: JobRecord) -> bool:
            return self._killable(super().replace, record)

        def _killable(self, write: Callable[[JobRecord], bool], record: JobRecord) -> bool:
            die_at("before write")
            done = write(record)
            die_at("after write")
            return done

    return Watched


class Skewed(Urllib3Transport):
    """A transport whose clock is wrong: half of the worker processes are some minutes ahead, and half are behind."""

    def time(self) -> float:
        return time.time() + SETTINGS["skew"] * (1 if os.getpid() % 2 else -1)


def tell(step: JobStep) -> None:
    """Note that a job has ended, as an application does."""
    die_at("told")
    assert step.record is not None
    with (FOLDER / "told.txt").open("a") as file:
        file.write(f"{step.record.label} {step.record.state}\n")


def journal_at(place: str) -> Any:
    """Return a journal in a file, in a database, or in the same database by way of Django."""
    if "://" not in place:
        return watched(SQLiteJournal)(place)
    if not place.startswith("django+"):
        return watched(SQLAlchemyJournal)(place)
    import django
    from django.conf import settings

    parts = urlsplit(place.removeprefix("django+"))
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path.strip("/"), "USER": parts.username}
    settings.configure(
        DATABASES={"default": {**database, "HOST": parts.hostname, "PORT": parts.port}},
        INSTALLED_APPS=["decart.integrations.django"],
        USE_TZ=True,
    )
    django.setup()
    from decart.integrations.django.journal import DjangoJournal

    return watched(DjangoJournal)()


app = Celery("queued", broker=SETTINGS["broker"])
app.conf.update(
    broker_transport_options=SETTINGS["options"],
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_prefetch_multiplier=SETTINGS["prefetch"],
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    task_publish_retry_policy={"max_retries": 100, "interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.5},
    beat_schedule={"videos": {"task": "decart.sweep_videos", "schedule": 1.0, "options": {"expires": 20.0}}},
    beat_schedule_filename=str(FOLDER / "beat"),
)
client = DecartClient(
    "dct_test",
    base_url=SETTINGS["service"],
    journal=journal_at(SETTINGS["journal"]),
    event_hooks=[Killing()],
    transport=Skewed() if SETTINGS["skew"] else "urllib3",
    poll=PollPolicy(interval=0.5, max_interval=1.0, timeout=SETTINGS["deadline"]),
)
videos = video_tasks(app, client, save_to=FOLDER / "videos" / "{label}.mp4", on_done=tell, chain=not SETTINGS["sweep"])
