"""The Celery app of ``task_queues.py``, whose workers measure where the time of their tasks goes.

Run by it: ``celery --app queue_worker worker``. ``SETTINGS`` is JSON: the broker, the database and its table, the
service, a folder, and whether each step schedules the next one. When a worker process ends, it writes what it has
measured to ``<pid>.json`` in the folder.

A task is busy while one of its exchanges with the service, the database or the broker is open, and while it computes
between them. What is left of its time, it waits for a core of the machine, or sleeps.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery, signals

from decart import DecartClient, JobRecord
from decart.integrations.celery import video_tasks
from decart.integrations.sql import SQLAlchemyJournal
from decart.transports.base import HttpRequest, HttpResponse, Timeout
from decart.transports.requests import RequestsTransport

SETTINGS: dict[str, Any] = json.loads(os.environ["SETTINGS"])
NANO = 1e-9


class Meter:
    """Adds up the time of the tasks of one process.

    Attributes:
        wall, cpu, calls: Seconds, CPU seconds and number of the exchanges of each kind.
        tasks: Each task: its name and its seconds.
        task_cpu: CPU seconds of this process during its tasks.
        all_cpu: CPU seconds of this process.
        busy: Seconds of the tasks in which an exchange is open, or the task computes.
        queued: Seconds in which the main thread of a task waits for a core, while none of its exchanges is open.
    """

    def __init__(self) -> None:
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.calls: defaultdict[str, int] = defaultdict(int)
        self.tasks: list[tuple[str, float]] = []
        self.all_cpu = self.task_cpu = self.busy = self.queued = 0.0
        self._lock = threading.Lock()
        self._open = 0
        self._mark = self._began = (0.0, 0.0, 0.0)

    def begin_process(self) -> None:
        """Begin in the child of a worker."""
        self._schedule = os.open("/proc/self/schedstat", os.O_RDONLY)

    def begin_task(self) -> None:
        self._began = self._mark = self._now()

    def end_task(self, name: str) -> None:
        now = self._now()
        self._compute_until(now)
        self.tasks.append((name, now[0] - self._began[0]))
        self.task_cpu += now[1] - self._began[1]

    @contextmanager
    def exchange(self, kind: str) -> Iterator[None]:
        """Measure an exchange; several may be open at once, in threads."""
        began, cpu = time.perf_counter(), time.thread_time()
        with self._lock:
            self._open += 1
            if self._open == 1:
                now = self._now()
                self._compute_until(now)
                self._mark = now
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                if self._open == 0:
                    now = self._now()
                    self.busy += now[0] - self._mark[0]
                    self._mark = now
                self.wall[kind] += time.perf_counter() - began
                self.cpu[kind] += time.thread_time() - cpu
                self.calls[kind] += 1

    def _compute_until(self, now: tuple[float, float, float]) -> None:
        self.busy += now[1] - self._mark[1]
        self.queued += now[2] - self._mark[2]

    def _now(self) -> tuple[float, float, float]:
        """Return the time, the CPU seconds, and the seconds for which the main thread has waited for a core."""
        queued = int(os.pread(self._schedule, 100, 0).split()[1]) * NANO
        return time.perf_counter(), time.process_time(), queued

    def write(self, path: Path) -> None:
        """Write what was measured."""
        self.all_cpu = time.process_time()
        names = ("wall", "cpu", "calls", "tasks", "all_cpu", "task_cpu", "busy", "queued")
        path.write_text(json.dumps({name: getattr(self, name) for name in names}))


meter = Meter()


class MeteredTransport(RequestsTransport):
    """Measures requests."""

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        kind = "submit" if request.method == "POST" else "download" if request.url.endswith("/content") else "check"
        with meter.exchange(kind):
            return super().send(request, timeout=timeout)


class MeteredJournal(SQLAlchemyJournal):
    """Measures what is read and written."""

    def insert(self, record: JobRecord) -> bool:
        with meter.exchange("write"):
            return super().insert(record)

    def replace(self, record: JobRecord) -> bool:
        with meter.exchange("write"):
            return super().replace(record)

    def latest(self, label: str) -> JobRecord | None:
        with meter.exchange("read"):
            return super().latest(label)

    def by_job(self, job_id: str) -> JobRecord | None:
        with meter.exchange("read"):
            return super().by_job(job_id)

    def select(self, **wanted: Any) -> list[JobRecord]:
        with meter.exchange("list"):
            return super().select(**wanted)


publishing = threading.local()


@signals.worker_ready.connect
def note_start(**given: Any) -> None:
    Path(SETTINGS["folder"], "ready.txt").write_text(str(time.process_time()))


@signals.worker_process_init.connect
def begin_process(**given: Any) -> None:
    meter.begin_process()


@signals.task_prerun.connect
def begin_task(**given: Any) -> None:
    meter.begin_task()


@signals.task_postrun.connect
def end_task(task: Any, **given: Any) -> None:
    meter.end_task(task.name.rpartition(".")[2])


@signals.before_task_publish.connect
def begin_publish(**given: Any) -> None:
    if given["sender"] != "decart.sweep_videos":  # the beat's, outside of any task
        publishing.exchange = meter.exchange("publish")
        publishing.exchange.__enter__()


@signals.after_task_publish.connect
def end_publish(**given: Any) -> None:
    if given["sender"] != "decart.sweep_videos":
        publishing.exchange.__exit__(None, None, None)


@signals.worker_process_shutdown.connect
def end_process(**given: Any) -> None:
    meter.write(Path(SETTINGS["folder"], f"{os.getpid()}.json"))


app = Celery("queue", broker=SETTINGS["broker"])
app.conf.update(
    broker_transport_options=SETTINGS["options"],
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    beat_schedule={"videos": {"task": "decart.sweep_videos", "schedule": 1.0, "options": {"expires": 1.0}}},
    beat_schedule_filename=str(Path(SETTINGS["folder"], "beat")),
)
client = DecartClient(
    "dct_benchmark",
    base_url=SETTINGS["service"],
    journal=MeteredJournal(SETTINGS["database"], table=SETTINGS["table"]),
    transport=MeteredTransport(),
)
videos = video_tasks(app, client, save_to=Path(SETTINGS["folder"], "videos", "{label}.mp4"), chain=SETTINGS["chain"])
