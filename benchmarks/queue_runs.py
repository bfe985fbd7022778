"""Run jobs with a Celery worker, and measure what each part takes of a job; see ``task_queues.py``."""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa
from celery import Celery
from harness import ENVIRONMENT, HERE, Figures, ProgramError

ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support import brokers  # noqa: E402 - it is on the path now
from support.postgres import PostgreSQL, server  # noqa: E402

from decart import DecartClient, PollPolicy, models  # noqa: E402
from decart.emulator import Emulator, EmulatorServer  # noqa: E402
from decart.integrations.celery import video_tasks  # noqa: E402
from decart.integrations.sql import SQLAlchemyJournal  # noqa: E402
from decart.journal.rows import COLUMNS  # noqa: E402
from decart.transports.base import HttpRequest, HttpResponse, Timeout  # noqa: E402
from decart.transports.requests import RequestsTransport  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
MODEL = "lucy-pro-t2v"
PROCESSES = 2
PATIENCE = 3600.0
"""Seconds within which all videos are saved."""


def draw(job: Any, target: Path) -> None:
    """Make a tiny video at once, for the emulator."""
    target.write_bytes(bytes(1024))


def serve(connection: Any, seconds: float, keep: int) -> None:
    """Be the service, in a process of its own, until the other end is closed."""
    emulator = Emulator(renderer=draw, pending=seconds / 4, processing=seconds * 3 / 4, keep=keep)
    with EmulatorServer(emulator) as running:
        connection.send(running.url)
        connection.poll(None)


@contextmanager
def service(seconds: float, keep: int) -> Iterator[tuple[str, int]]:
    """Run the service; provide its URL and the ID of its process."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, seconds, keep))
    process.start()
    theirs.close()
    try:
        yield ours.recv(), process.pid or 0
    finally:
        ours.close()
        process.join(10)
        process.kill()


@contextmanager
def database() -> Iterator[PostgreSQL]:
    """Run a PostgreSQL server that writes through to the disk, unlike that of the tests."""
    with server() as running:
        options = f"-p {running.port} -k {running.folder} -c listen_addresses=127.0.0.1"
        running.run("pg_ctl", "restart", "-w", "-m", "fast", "-l", str(running.folder / "log"), "-o", options)
        yield running


def cpu_of(root: int) -> float:
    """Return the CPU seconds of a process and of all that descend from it, those that have ended included."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        parents[int(path.parent.name)] = int(fields[1])
        used[int(path.parent.name)] = sum(map(int, fields[11:15])) / TICK
    family, size = {root}, 0
    while len(family) > size:
        size = len(family)
        family |= {process for process, parent in parents.items() if parent in family}
    return sum(used.get(process, 0.0) for process in family)


def own_cpu(process: int) -> float:
    """Return the CPU seconds of a process alone."""
    return sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13])) / TICK


def peak_memory(process: int) -> float:
    """Return the most memory that a process has had, in MiB."""
    return int(Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


@attrs.frozen(kw_only=True)
class Setting:
    """What the runs have in common: the service, its process and its seconds per job, and the database."""

    url: str
    service: int
    postgres: PostgreSQL
    seconds: float

    @property
    def postmaster(self) -> int:
        """The process of the database."""
        return int((self.postgres.folder / "data" / "postmaster.pid").read_text().split()[0])

    def one(self, query: str) -> Any:
        """Return the first row of a query."""
        engine = sa.create_engine(self.postgres.url)
        with engine.begin() as connection:
            row = connection.execute(sa.text(query)).first()
        engine.dispose()
        return row


def run_jobs(setting: Setting, broker: brokers.Broker, chain: bool, many: int, pace: float = 0.0) -> Figures:
    """Run jobs with one worker, and return the figures.

    Args:
        pace: Seconds between two jobs; 0 to queue all of them before the worker starts.
    """
    name = f"jobs_{time.time_ns()}"
    assert broker.process is not None
    processes = {"database": setting.postmaster, "broker": broker.process.pid, "service": setting.service}
    before = {part: cpu_of(process) for part, process in processes.items()}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="queue", ignore_cleanup_errors=True)))
        journal = SQLAlchemyJournal(setting.postgres.url, table=name)
        stack.callback(journal.close)
        client = stack.enter_context(DecartClient("dct_benchmark", base_url=setting.url, journal=journal))
        client.jobs.get("order-0")  # so that the table exists
        tasks = video_tasks(Celery("queue", broker=broker.url), client, chain=chain)
        worker = start_worker(setting, broker, folder, name, chain) if pace else None
        for number in range(many):
            tasks.submit({"model": models.video(MODEL), "prompt": f"Lake {number}"}, label=f"order-{number}")
            time.sleep(pace)
        worker = worker or start_worker(setting, broker, folder, name, chain)
        stack.callback(worker.kill)
        wait_for_videos(setting, name, worker, many)
        used = {part: (cpu_of(process) - before[part]) / many * 1000 for part, process in processes.items()}
        begun = float((folder / "ready.txt").read_text())
        total, memory = cpu_of(worker.pid) - begun, peak_memory(worker.pid)
        worker.terminate()
        worker.wait(60)
        measured = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        correct = len(list((folder / "videos").iterdir())) == many and len(measured) == PROCESSES
    begin, end, lag, size = setting.one(
        f"SELECT min(created_at), max(updated_at), avg(updated_at - created_at), pg_total_relation_size('{name}') "
        f"FROM {name}"
    )
    known: Figures = {"correct": correct, "memory": memory, "size": size / many / 1024, "lag": lag - setting.seconds}
    if not pace:
        known["rate"] = many / (end - begin)
    return {**known, **used, **judged(measured, many, total)}


def start_worker(
    setting: Setting, broker: brokers.Broker, folder: Path, name: str, chain: bool
) -> subprocess.Popen[bytes]:
    """Start a worker, with the beat if that is to sweep."""
    settings = {
        "broker": broker.url,
        "options": {"visibility_timeout": 3600} if broker.url.startswith("redis") else {},
        "database": setting.postgres.url,
        "table": name,
        "service": setting.url,
        "folder": str(folder),
        "chain": chain,
    }
    command = f"-m celery --app queue_worker worker --concurrency {PROCESSES} --loglevel WARNING --without-gossip"
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *command.split(), *([] if chain else ["--beat"])],
            env={**ENVIRONMENT, "PYTHONPATH": f"{ROOT}:{HERE}", "SETTINGS": json.dumps(settings)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def wait_for_videos(setting: Setting, name: str, worker: subprocess.Popen[bytes], many: int) -> None:
    """Wait until so many videos are saved."""
    engine, end = sa.create_engine(setting.postgres.url), time.monotonic() + PATIENCE
    query = sa.text(f"SELECT count(*) FROM {name} WHERE state = 'delivered'")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(query) < many:
            if worker.poll() is not None or time.monotonic() > end:
                raise ProgramError("the worker has ended, or takes too long; see its log.txt")
            time.sleep(0.5)
    engine.dispose()


def judged(measured: list[Figures], many: int, total: float) -> Figures:
    """Return what the processes of a worker say, per job, and what its CPU is used for, in ms per job."""

    def summed(name: str, *kinds: str) -> float:
        found = (process[name] for process in measured)
        return sum(sum(each.get(kind, 0) for kind in kinds) if kinds else each for each in found)

    tasks = [task for process in measured for task in process["tasks"]]
    seconds = sorted(took for _, took in tasks)
    sweeps = [took for name, took in tasks if name == "sweep_videos"]
    exchanges = {
        "publish": summed("cpu", "publish"),
        "journal": summed("cpu", "read", "write", "list"),
        "http": summed("cpu", "submit", "check", "download"),
    }
    parts = {
        "consumer": total - summed("all_cpu"),
        "around": summed("all_cpu") - summed("task_cpu"),
        **exchanges,
        "steps": summed("task_cpu") - sum(exchanges.values()),
    }
    per_job = {
        "messages": len(tasks),
        "checks": summed("calls", "check"),
        "writes": summed("calls", "write"),
        "reads": summed("calls", "read", "list"),
    }
    return {
        **{name: value / many for name, value in per_job.items()},
        "worker": total / many * 1000,
        "parts": {name: value / many * 1000 for name, value in parts.items()},
        "median": statistics.median(seconds) * 1000,
        "worst": seconds[len(seconds) * 99 // 100] * 1000,
        "sweep": max(sweeps, default=0.0),
        "busy": summed("busy") / sum(seconds),
        "queued": summed("queued") / sum(seconds),
        "accounted": (summed("busy") + summed("queued")) / sum(seconds),
    }


class Counting(RequestsTransport):
    """Counts status checks."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: list[str] = []

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        if request.method == "GET" and not request.url.endswith("/content"):
            self.checks.append(request.url)
        return super().send(request, timeout=timeout)


def run_waiters(setting: Setting, many: int) -> Figures:
    """Return the status checks of ``submit_and_poll``, in clients that know nothing about how long jobs take yet."""

    def wait(number: int) -> tuple[int, bool]:
        counting = Counting()
        with DecartClient("dct_benchmark", base_url=setting.url, transport=counting) as client:
            result = client.queue.submit_and_poll({"model": models.video(MODEL), "prompt": f"Lake {number}"})
        return len(counting.checks), result.status == "completed"

    with ThreadPoolExecutor(many) as threads:
        waits = list(threads.map(wait, range(many)))
    return {"checks": statistics.mean(checks for checks, _ in waits), "correct": all(done for _, done in waits)}


def run_idle_sweeps(setting: Setting, many: int) -> Figures:
    """Return what a sweep costs that finds so many unfinished jobs, none of which is due."""
    name = f"idle_{time.time_ns()}"
    journal = SQLAlchemyJournal(setting.postgres.url, table=name)
    with DecartClient("dct_benchmark", base_url=setting.url, journal=journal) as client:
        options: Any = {"model": models.video(MODEL), "prompt": "A lake"}
        client.jobs.step("order", options, poll=PollPolicy(interval=3600, max_interval=3600, timeout=None))
        columns = ", ".join(column for column in COLUMNS if column != "label")
        setting.one(
            f"INSERT INTO {name} (label, {columns}) SELECT label || number, {columns} FROM {name}, "
            f"generate_series(2, {many}) AS number RETURNING 1"
        )
        took = []
        for _ in range(3):
            began, cpu, theirs = time.perf_counter(), time.process_time(), cpu_of(setting.postmaster)
            made = client.jobs.sweep()
            took.append((time.perf_counter() - began, time.process_time() - cpu, cpu_of(setting.postmaster) - theirs))
    journal.close()
    seconds, cpu, theirs = (statistics.median(each) * 1000 for each in zip(*took, strict=True))
    return {"ms": seconds, "worker": cpu, "database": theirs, "correct": not made}
