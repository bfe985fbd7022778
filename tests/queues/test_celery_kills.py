"""Celery workers that are killed anywhere, with brokers and journals that users have, pay for each video once.

``QUEUE_JOBS`` and ``QUEUE_KILLS`` say how many jobs and kills there are in each scenario. If they are given, the broker
is restarted, too, and the test waits until every chain of steps has ended (minutes).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.brokers import Broker, rabbitmq, redis, running
from support.farm import farm
from support.labelled import render
from support.postgres import PostgreSQL, server

from decart import DecartClient, Journal, SQLiteJournal
from decart.emulator import Emulator, EmulatorServer
from decart.integrations.sql import SQLAlchemyJournal

ALL = "QUEUE_JOBS" in os.environ
JOBS = int(os.environ.get("QUEUE_JOBS", "12"))
KILLS = int(os.environ.get("QUEUE_KILLS", "8"))
PLACES = ["submitting", "submitted", "checking", "checked", "downloading", "told", "before write", "after write"]
only_all = pytest.mark.skipif(not ALL, reason="tox -e queues runs it")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.skipif(sys.platform != "linux", reason="the brokers are Debian's"),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    with server() as postgres:
        yield postgres


@contextmanager
def sqlite(folder: Path, postgres: PostgreSQL) -> Iterator[tuple[str, Journal]]:
    yield str(folder / "jobs.db"), SQLiteJournal(folder / "jobs.db")


@contextmanager
def sqlalchemy(folder: Path, postgres: PostgreSQL) -> Iterator[tuple[str, Journal]]:
    journal = SQLAlchemyJournal(postgres.url)
    yield postgres.url, journal
    journal.close()


@contextmanager
def django(folder: Path, postgres: PostgreSQL) -> Iterator[tuple[str, Journal]]:
    import support.django_app  # noqa: F401 - it sets Django up
    from django.core.management import call_command
    from django.db import connections

    from decart.integrations.django.journal import DjangoJournal

    connections.settings["queue"] = connections.settings["default"] | {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "test",
        "HOST": "127.0.0.1",
        "PORT": postgres.port,
        "OPTIONS": {},
    }
    call_command("migrate", "decart_jobs", database="queue", verbosity=0)
    yield f"django+postgresql://test@127.0.0.1:{postgres.port}/postgres", DjangoJournal(using="queue")
    connections["queue"].close()
    del connections.settings["queue"]


JOURNALS = {"sqlite": sqlite, "sqlalchemy": sqlalchemy, "django": django}


@pytest.mark.parametrize(
    ("make", "kind", "seconds", "settings"),
    [
        (rabbitmq, "django", 1.0, {}),
        (redis, "sqlite", 1.0, {"sweep": True, "skew": 300}),
        pytest.param(redis, "sqlalchemy", 4.0, {}, marks=only_all),
        pytest.param(redis, "sqlalchemy", 1.0, {"skew": 300}, marks=only_all),
    ],
    ids=[
        "RabbitMQ, Django",
        "Redis, SQLite, sweeps, wrong clocks",
        "Redis, PostgreSQL, jobs that outlast the visibility timeout",
        "Redis, PostgreSQL, wrong clocks",
    ],
)
def test_each_video_is_paid_for_once(
    make: Callable[[Path, int], Broker],
    kind: str,
    seconds: float,
    settings: dict[str, Any],
    tmp_path: Path,
    postgres: PostgreSQL,
) -> None:
    labels = [f"{tmp_path.name}-{number}" for number in range(JOBS)]
    with (
        JOURNALS[kind](tmp_path, postgres) as (place, own),
        running(make) as broker,
        Emulator(renderer=render, pending=0.2, processing=seconds, keep=10_000) as emulator,
        EmulatorServer(emulator) as service,
        DecartClient("dct_test", base_url=service.url, journal=own) as client,
        farm(tmp_path, broker, service, client, journal=place, **settings) as made,
    ):
        made.plan_kills(PLACES, KILLS)
        first = made.start_worker()
        made.start_worker(*(["--beat"] if settings.get("sweep") else []))
        for number, label in enumerate(labels):
            made.submit(label)
            if number % 5 == 0:
                made.submit(label)  # a user who clicks twice
        made.wait_for(labels, JOBS // 3)
        made.kill_worker(first)
        for label in labels[::3]:
            made.tasks.check_video.delay(label)  # a message that is delivered twice
        if ALL:
            broker.restart()
            made.start_worker()
        made.wait_for(labels, JOBS)
        if ALL:
            made.drain()
        made.check(labels)
        print(f"{KILLS - made.kills_left} kills, {made.settled} unknown, {made.checks_per_job():.1f} checks per job")
