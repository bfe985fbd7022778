"""Make videos with Django's tasks: each makes one step of a job, and schedules the next one. See docs/task-queues.md.

Run, in this folder:   python queue_django.py migrate                                          once: creates the tables
                       python queue_django.py db_worker                                        as many as you like
                       python queue_django.py enqueue order-1 "Anime style" media/input.mp4    enqueues a job
                       python queue_django.py sweep            from cron, every minute: what a killed worker has left
Needs: pip install decart-queue django-tasks-db, before Django 6 also django-tasks, and the key in DECART_API_KEY.
The tasks and jobs are in db.sqlite3, the videos in the folder videos. In a project of yours, the settings are in
settings.py, the tasks in tasks.py, and manage.py has the commands.
Cost: one job for each label, however often it is enqueued.
"""

import sys
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.utils import timezone

from decart import DecartClient, models

if not settings.configured:
    settings.configure(
        INSTALLED_APPS=["decart.integrations.django", "django_tasks_db"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
        TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
        USE_TZ=True,
    )
    django.setup()

if find_spec("django.tasks"):  # Django 6
    from django.tasks import task
else:
    from django_tasks import task  # type: ignore[no-redef]

from decart.integrations.django.journal import DjangoJournal


@cache
def client() -> DecartClient:
    return DecartClient(journal=DjangoJournal())


@task()
def make_video(label: str, prompt: str, video: str, token: str | None = None) -> None:
    step = client().jobs.step(
        label,
        {"model": models.video("lucy-restyle-2"), "prompt": prompt, "data": Path(video)},
        token=token,
        save_to="videos/{label}.mp4",
        on_done=print,  # or tell the user
    )
    if step.wait is not None:
        later = timezone.now() + timedelta(seconds=step.wait)
        make_video.using(run_after=later).enqueue(label, prompt, video, step.token)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["enqueue", *arguments]:
            from queue_django import make_video as task_of_the_worker  # by this name, a worker finds it

            task_of_the_worker.enqueue(*arguments)
        case ["sweep"]:
            client().jobs.sweep(save_to="videos/{label}.mp4", on_done=print)
        case _:
            execute_from_command_line(sys.argv)
