"""The task queue, for ``celery -A mysite worker -B``: its beat has the jobs looked after. Nothing else needs Celery."""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
app = Celery("mysite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = {
    "sweep": {
        "task": "sweep",
        "schedule": settings.SWEEP_EVERY,
        "options": {"expires": settings.SWEEP_EVERY},  # while no worker runs, they do not pile up
    }
}


@app.task(name="sweep")
def sweep() -> None:
    from videos import service  # Django has been set up by now

    service.sweep()
