"""Run up to 1,000 jobs at once in one process, in a pool of decart and in a thread or task per job, and compare.

    python benchmarks/many_jobs.py [--quick] [--only real] [--markdown] [--json FILE] [--png docs/many-jobs.png]

Needs: pip install -e '.[async,emulator]', and matplotlib for ``--png``. The service's own async SDK is also a peer if
``DECART_PUBLIC_SDK_PYTHON`` is the path of the Python in an environment that has it. A full run takes half an
hour.

The jobs take 5 to 60 s, spread evenly by the number of the job, and their videos of 200 KiB are saved to files. Each
peer runs in a process of its own, and the server in another one. The lag of a job is the time from its completion on
the server to its file being saved. The bound for the status checks is what a single waiter needs for the same jobs,
computed on a virtual clock. Memory counts from the import of the library, and threads include the main one.

10,000 jobs run on a virtual clock against two servers in the same process: an emulator, which keeps a log of its
requests, and a plain server, which keeps nothing of a finished job, so that what grows with the number of jobs is ours.
The CPU and the memory there are those of both sides.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from pathlib import Path

from harness import Claim, Figures, Measure, Outcome, Service, measure, service, work
from peers import PUBLIC
from run import exit_if_wrong, number, report, show, table

MIB = 1024 * 1024
POOL, ASYNC_POOL, WAITER = "decart pool", "decart async pool", "single waiter"
WAYS = {
    POOL: ("decart", "pool"),
    "decart pool + urllib3": ("decart + urllib3", "pool"),
    ASYNC_POOL: ("decart + aiohttp", "async pool"),
    "requests in threads": ("requests", "threads"),
    "aiohttp in tasks": ("aiohttp", "tasks"),
    f"{PUBLIC} in tasks": (PUBLIC, "tasks"),
}
"""The peers: which adapter runs its jobs in which way."""
SERVERS = ("emulator", "server")
COLUMNS = {
    "cpu": "CPU",
    "memory": "memory",
    "threads": "threads",
    "checks": "checks per job",
    "lag": "mean lag",
    "worst": "worst lag",
    "connections": "connections",
}
QUICK = {"jobs": [3], "seconds": [0.05, 0.3], "virtual": [20, 40], "in_flight": 10, "rounds": 1}
"""Enough to check that everything works; the figures are meaningless."""


def real(server: Service, many: int, seconds: list[float], largest: bool) -> Measure:
    """Return the measure of so many jobs on the real clock; its targets are those of the ``largest`` number."""
    shortest, longest = seconds
    title = f"{many:,} jobs"

    def run(peer: str) -> Figures:
        if peer == WAITER:
            return work("waiter", "decart", url=server.url, many=many, shortest=shortest, longest=longest)
        adapter, way = WAYS[peer]
        server.counts(), server.jobs()
        return judged(work("saved", adapter, url=server.url, way=way, many=many), server, many)

    claims = (
        Claim(f"{title}, threads", "threads", POOL, most=16),
        Claim(f"{title}, memory above the import", "memory", POOL, most=64),
        Claim(f"{title}, status checks per job", "checks", POOL, WAITER, most=1.0),
        Claim(f"{title}, mean lag", "lag", POOL, most=3.0),
        Claim(f"{title}, CPU", "cpu", POOL, most=60),
    )
    return Measure(f"{many}", title, (*WAYS, WAITER), run, {}, claims if largest else ())


def judged(figures: Figures, server: Service, many: int) -> Figures:
    """Combine what a peer says about its jobs with what the server says about them."""
    jobs, saved = server.jobs(), figures.pop("saved")
    once = all(job["fetches"] == 1 for job in jobs.values())
    correct = figures["correct"] and once and jobs.keys() == saved.keys() and len(jobs) == many
    lags = [saved[job_id] - jobs[job_id]["due"] for job_id in jobs.keys() & saved.keys()]
    detected = [job["fetched"] - job["due"] for job in jobs.values() if job["fetched"]]
    return {
        **figures,
        **server.counts(),
        "correct": correct and min(lags) >= 0,
        "memory": figures["extra"] / MIB,
        "checks": sum(job["checks"] for job in jobs.values()) / many,
        "lag": statistics.mean(lags),
        "worst": max(lags),
        "detected": statistics.mean(detected),  # the lag until the result was requested
    }


def virtual(url: str, many: list[int], seconds: list[float], in_flight: int) -> Measure:
    """Return the measure of pools on a virtual clock: each server with each number of jobs is a peer."""
    shortest, longest = seconds
    peers = {f"{number:,} jobs, {server}": (server, number) for server in SERVERS for number in many}
    fewest, most = (f"{number:,} jobs, server" for number in (min(many), max(many)))

    def run(peer: str) -> Figures:
        server, number = peers[peer]
        given = {"server": server, "many": number, "in_flight": in_flight, "shortest": shortest, "longest": longest}
        figures = work("virtual", "decart", url=url, **given)
        per_job: Figures = {name: figures[name] / number for name in ("checks", "lag") if name in figures}
        return {**figures, **per_job, "memory": figures["extra"] / MIB}

    claims = (
        Claim("Virtual clock, CPU of both sides", "cpu", f"{max(many):,} jobs, emulator", most=60),
        Claim("Virtual clock, CPU", "cpu", most, most=60),
        Claim("Virtual clock, peak memory", "memory", most, fewest, most=1.25),
    )
    return Measure("virtual", "Virtual clock", tuple(peers), run, {}, claims)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["real", "virtual"], help="run only the jobs on this clock")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=[], help="the peers to run")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--jobs", type=int, nargs="+", default=[100, 300, 1000], help="numbers of jobs")
    parser.add_argument("--seconds", type=float, nargs=2, default=[5.0, 60.0], help="shortest and longest job")
    parser.add_argument("--virtual", type=int, nargs="+", default=[1000, 5000, 10000], help="jobs on the virtual clock")
    parser.add_argument("--in-flight", type=int, default=500, help="max_in_flight of the pool on the virtual clock")
    parser.add_argument("--quick", action="store_true", help="only check that everything works")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--json", type=Path, help="file to write the figures of every run to")
    parser.add_argument("--png", type=Path, help="file to plot the medians to")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


def figures_of(outcomes: list[Outcome]) -> list[tuple[str, ...]]:
    """Return a table of the medians: a row for each peer of each measure, and a column for each figure."""
    rows: list[tuple[str, ...]] = [("", *COLUMNS.values())]
    for outcome in outcomes:
        for peer, runs in outcome.runs.items():
            cells = (number(outcome.median(peer, figure), figure) if figure in runs[0] else "" for figure in COLUMNS)
            rows.append((f"{outcome.measure.title}, {peer}", *cells))
    return rows


def measured(given: argparse.Namespace) -> list[Outcome]:
    """Run the measures that the command line selects."""
    shortest, longest = given.seconds
    with service(shortest, longest=longest) as server:
        outcomes = [measure(each, given.rounds, set(given.peers), report) for each in chosen(given, server)]
    report("")
    return outcomes


def chosen(given: argparse.Namespace, server: Service) -> list[Measure]:
    """Return the measures that the command line selects."""
    on_real_clock = [real(server, many, given.seconds, many == max(given.jobs)) for many in given.jobs]
    on_virtual_clock = [virtual(server.url, given.virtual, given.seconds, given.in_flight)]
    return {"real": on_real_clock, "virtual": on_virtual_clock, None: on_real_clock + on_virtual_clock}[given.only]


def main() -> None:
    """Run the measures and print the tables; fail only if a peer failed or returned a wrong result."""
    given = arguments()
    outcomes = measured(given)
    show(outcomes, given)
    print("", *table(figures_of(outcomes), given.markdown), sep="\n")
    if given.png:
        from plot import draw_lines

        drawn = [outcome for outcome in outcomes if outcome.measure.name.isdecimal() and outcome.runs]
        draw_lines(drawn, given.png, f"Medians of {given.rounds} rounds, Python {platform.python_version()}")
    exit_if_wrong(outcomes)


if __name__ == "__main__":
    main()
