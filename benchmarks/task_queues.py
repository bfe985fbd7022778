"""Run jobs with Celery workers, in chains of tasks and in sweeps, and measure what a job takes of each part.

    python benchmarks/task_queues.py [--quick] [--jobs 500 5000] [--markdown] [--json FILE] [--png docs/task-queues.png]

Needs: pip install -e '.[celery,sql,emulator]' redis psycopg pytest, matplotlib for ``--png``, and Debian's packages
redis-server, postgresql, and rabbitmq-server for one of the rows; Linux.

All jobs are queued at once, with one label each. One Celery worker with two processes submits them to an emulator in a
process of its own, over HTTP, and keeps them in PostgreSQL, which writes through to the disk, as Redis does. It ends
when the last video is saved. CPU is counted by process, so none of a worker's is that of the emulator; what the workers
measure about themselves is in ``queue_worker.py``. With fewer cores than busy processes, jobs per second are those of
the machine, and CPU per job says what each part needs.

A sweep over jobs that are not due shows what it costs to find that out.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from harness import Claim, Figures, Measure, NotAvailableError, Outcome, measure
from queue_runs import Setting, brokers, database, run_idle_sweeps, run_jobs, run_waiters, service
from run import exit_if_wrong, report, show, table

CHAINS, SWEEPS, RABBITMQ, WAITER = "chains", "sweeps", "chains, RabbitMQ", "single waiter"
COLUMNS = {
    "rate": "jobs/s",
    "lag": "lag, s",
    "worker": "worker CPU, ms",
    "database": "PostgreSQL CPU, ms",
    "broker": "broker CPU, ms",
    "service": "emulator CPU, ms",
    "messages": "messages",
    "checks": "status checks",
    "writes": "rows written",
    "reads": "reads of rows",
    "median": "task, ms",
    "worst": "99 %, ms",
    "busy": "busy",
    "queued": "waits for a core",
    "memory": "memory, MiB",
    "size": "database, KiB",
}
"""The figures of a run; all but those of a task, a share and the memory are per job."""
IDLE_COLUMNS = {"ms": "ms", "worker": "CPU, ms", "database": "PostgreSQL CPU, ms"}
PARTS = {
    "consumer": "Celery: receive, schedule, beat",
    "around": "Celery: run and acknowledge a task",
    "publish": "Celery: send the next message",
    "journal": "journal",
    "http": "HTTP",
    "steps": "the rest of a step",
}
"""What a worker's CPU is used for."""


def chosen(given: argparse.Namespace, setting: Setting, stack: ExitStack) -> list[Measure]:
    """Return the measures."""
    redis = stack.enter_context(brokers.running(brokers.redis))

    def measure_of(name: str, title: str, many: int, pace: float = 0.0) -> Measure:
        def run(way: str) -> Figures:
            if way == WAITER:
                return run_waiters(setting, given.waiters)
            if way != RABBITMQ:
                return run_jobs(setting, redis, way == CHAINS, many, pace)
            if not brokers.RABBITMQ.exists():
                raise NotAvailableError("Debian's package rabbitmq-server is not installed")
            with brokers.running(brokers.rabbitmq) as rabbitmq:
                return run_jobs(setting, rabbitmq, True, many, pace)

        ways = [CHAINS, SWEEPS] + [WAITER] * bool(pace) + [RABBITMQ] * (not pace and many == min(given.jobs))
        claims = [Claim(f"{title}, task time accounted for", "accounted", way, least=0.95) for way in ways[:2]]
        if pace:
            claims += [Claim(f"{title}, status checks", "checks", way, WAITER, most=1.1) for way in ways[:2]]
        claims.append(Claim(f"{title}, worker CPU", "worker", SWEEPS, CHAINS, most=1.1))
        return Measure(name, title, tuple(ways), run, {}, tuple(claims))

    idle = {f"{many:,} in flight": many for many in given.idle}
    sweeps = Measure("idle", "idle sweep", tuple(idle), lambda peer: run_idle_sweeps(setting, idle[peer]), {}, ())
    paced = measure_of("paced", f"{1 / given.pace:g} a second", given.paced, given.pace)
    return [sweeps, paced, *(measure_of(f"{many}", f"{many:,} at once", many) for many in given.jobs)]


def shown(value: float, name: str) -> str:
    """Format a figure."""
    if name in ("busy", "queued"):
        return f"{value:.0%}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def tables(outcomes: list[Outcome]) -> Iterator[list[tuple[str, ...]]]:
    """Yield the tables."""
    runs = {
        f"{outcome.measure.title}, {peer}".rstrip(", "): figures[0]
        for outcome in outcomes
        for peer, figures in outcome.runs.items()
        if figures
    }
    for columns in (COLUMNS, IDLE_COLUMNS):
        rows = [
            (title, *(shown(figures[name], name) if name in figures else "" for name in columns))
            for title, figures in runs.items()
            if ("ms" in figures) == (columns is IDLE_COLUMNS)
        ]
        yield [("", *columns.values()), *rows]
    rows = [
        (title, *(shown(figures["parts"][name], name) for name in PARTS))
        for title, figures in runs.items()
        if "parts" in figures
    ]
    yield [("worker CPU per job, ms", *PARTS.values()), *rows]


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, nargs="+", default=[500, 5000], help="numbers of jobs")
    parser.add_argument("--paced", type=int, default=150, help="jobs that are queued one by one")
    parser.add_argument("--pace", type=float, default=0.2, help="seconds between them")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long a job takes")
    parser.add_argument("--idle", type=int, nargs="+", default=[500, 5000, 50000], help="jobs that are not due")
    parser.add_argument("--waiters", type=int, default=20, help="single waiters")
    parser.add_argument("--quick", action="store_true", help="only check that everything works")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--json", type=Path, help="file to write the figures of every run to")
    parser.add_argument("--png", type=Path, help="file to plot the figures to")
    if parser.parse_args().quick:
        parser.set_defaults(jobs=[6], paced=4, seconds=0.5, idle=[20], waiters=2)
    return parser.parse_args()


def main() -> None:
    """Run the measures and print the tables; fail only if a run failed or a video is missing."""
    given = arguments()
    with ExitStack() as stack:
        postgres = stack.enter_context(database())
        url, process = stack.enter_context(service(given.seconds, 2 * max(given.jobs)))
        setting = Setting(url=url, service=process, postgres=postgres, seconds=given.seconds)
        outcomes = [measure(each, 1, set(), report) for each in chosen(given, setting, stack)]
    report("")
    show(outcomes, given)
    for rows in tables(outcomes):
        print(*table(rows, given.markdown), "", sep="\n")
    if given.png:
        from queue_plot import draw

        draw(outcomes, PARTS, given.png, f"One round, Python {platform.python_version()}")
    exit_if_wrong(outcomes)


if __name__ == "__main__":
    main()
