"""The task queues of `examples/queue_*`, each with a broker of its own."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from decart.emulator.render import RenderJob
from support import postgres, redis
from support.forked import Starter
from support.workers import EXAMPLES, Worker, Workshop, workshop


def render(job: RenderJob, target: Path) -> None:
    """Make a file at once that only this job has."""
    target.write_bytes(content(job.prompt))


def content(label: str) -> bytes:
    """Return the video of a label."""
    return f"video of {label} ".encode() * 1000


@attrs.frozen
class Engine:
    """A task queue whose workers are yet to be started.

    Attributes:
        shop: Where its workers work.
        starter: What runs the programs that enqueue tasks.
        address: Where its tasks are.
    """

    shop: Workshop
    starter: Starter
    address: str = ""

    def start_worker(self) -> Worker:
        """Start a worker that makes one step at a time."""
        raise NotImplementedError

    def enqueue(self, label: str) -> None:
        """Enqueue the first task of a job in a process of its own, which is forked. The label is its prompt, too."""
        raise NotImplementedError

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the examples to its end."""
        ended = self.starter.run(EXAMPLES / program, *arguments, folder=self.shop.folder, **self.shop.environment)
        assert ended.returncode == 0, ended.stderr

    def recover(self) -> Worker:
        """Do at once what happens some minutes after a worker was killed; return the one that makes its step again."""
        self.redeliver()
        return self.start_worker()

    def redeliver(self) -> None:
        """Deliver the task of a killed worker again."""

    def report(self, label: str) -> str:
        """Return how the line begins that says that a job has ended."""
        return f"JobStep(record=JobRecord(label={label!r}"


class RQ(Engine):
    def start_worker(self) -> Worker:
        return self.shop.start("rq", "worker", "--with-scheduler", "--worker-ttl", "60", "--maintenance-interval", "60")

    def enqueue(self, label: str) -> None:
        self.run("queue_rq.py", label, label, "input.mp4")

    def redeliver(self) -> None:
        from redis import Redis
        from rq import Queue

        with Redis.from_url(self.address) as connection:
            registry = Queue(connection=connection).started_job_registry
            registry.cleanup(timestamp=time.time() + 600)  # as a worker does every minute or two


class Dramatiq(Engine):
    def start_worker(self) -> Worker:
        return self.shop.start("dramatiq", "queue_dramatiq", "--processes", "1", "--threads", "1")

    def enqueue(self, label: str) -> None:
        self.run("queue_dramatiq.py", label, label, "input.mp4")

    def redeliver(self) -> None:
        from dramatiq import QueueJoinTimeout
        from dramatiq.brokers.redis import RedisBroker

        broker = RedisBroker(url=self.address, heartbeat_timeout=1, maintenance_chance=1_000_000)
        with suppress(QueueJoinTimeout):
            broker.join("default", interval=10, timeout=50)  # each of its commands looks for messages of dead workers
        broker.client.close()


class Procrastinate(Engine):
    def start_worker(self) -> Worker:
        options = ("--fetch-job-polling-interval", "0.1")
        return self.shop.start("procrastinate", "--app", "queue_procrastinate.app", "worker", *options)

    def enqueue(self, label: str) -> None:
        self.run("queue_procrastinate.py", label, label, "input.mp4")

    def redeliver(self) -> None:
        asyncio.run(self._redeliver())

    async def _redeliver(self) -> None:
        from procrastinate import App, PsycopgConnector

        app = App(connector=PsycopgConnector(conninfo=self.address))
        async with app.open_async():
            await app.job_manager.prune_stalled_workers(0)  # as each worker does when it starts
            await app.configure_task("retry_stalled").defer_async(timestamp=0)


class Django(Engine):
    def start_worker(self) -> Worker:
        return self._start("db_worker", "--interval", "0.1", "--no-startup-delay")

    def enqueue(self, label: str) -> None:
        self.run("queue_django.py", "enqueue", label, label, "input.mp4")

    def recover(self) -> Worker:
        return self._start("sweep")  # the task itself is lost

    def _start(self, *arguments: str) -> Worker:
        return self.shop.start("python", str(EXAMPLES / "queue_django.py"), *arguments)


class Cron(Engine):
    def start_worker(self) -> Worker:
        return self.shop.start("sh", "-c", "while :; do sh queue_cron.sh; sleep 0.2; done")

    def enqueue(self, label: str) -> None:
        self.shop.run("sh", "queue_cron.sh", label, label, "input.mp4")

    def report(self, label: str) -> str:
        return f"{label}: completed: "


@contextmanager
def rq(folder: Path, starter: Starter) -> Iterator[Engine]:
    with redis.server() as url, workshop(folder, render, RQ_REDIS_URL=url) as shop:
        yield RQ(shop, starter, url)


@contextmanager
def dramatiq(folder: Path, starter: Starter) -> Iterator[Engine]:
    with redis.server() as url, workshop(folder, render, REDIS_URL=url) as shop:
        yield Dramatiq(shop, starter, url)


@contextmanager
def procrastinate(folder: Path, starter: Starter) -> Iterator[Engine]:
    with postgres.server() as server:
        url = server.url.replace("+psycopg", "")
        with workshop(folder, render, DATABASE_URL=url) as shop:
            shop.run("procrastinate", "--app", "queue_procrastinate.app", "schema", "--apply")
            yield Procrastinate(shop, starter, url)


@contextmanager
def django(folder: Path, starter: Starter) -> Iterator[Engine]:
    with workshop(folder, render) as shop:
        shop.run("python", str(EXAMPLES / "queue_django.py"), "migrate")
        yield Django(shop, starter)


@contextmanager
def cron(folder: Path, starter: Starter) -> Iterator[Engine]:
    shutil.copy(EXAMPLES / "queue_cron.sh", folder)
    command = folder / ".venv" / "bin" / "decart"  # the package under test, where the script expects it
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m decart "$@"\n', "utf-8")
    command.chmod(0o755)
    with workshop(folder, render) as shop:
        yield Cron(shop, starter)


ENGINES = {"rq": rq, "dramatiq": dramatiq, "procrastinate": procrastinate, "django_tasks_db": django, "decart": cron}
"""How to run each, by the module that it needs."""
