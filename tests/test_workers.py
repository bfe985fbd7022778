"""One client for a whole web app: under gunicorn, across forks, under gevent, and over half an hour of traffic.

Everything runs in separate processes (`workers`), against a service whose responses name the request, and which
records which processes use its connections. ``TRAFFIC`` says how many jobs the traffic has.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

import attrs
import pytest
from support.documents import ROOT, programs
from workers.answers import Gave, content_of, due, id_of, name
from workers.running import PATIENCE, Running, drive, gunicorn, run, service
from workers.traffic import LEAK, STEADY

from decart.transports.base import KEPT_CONNECTIONS as POOL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="no fork and no gunicorn here"),
]

JOBS = int(os.environ.get("TRAFFIC", "1800"))  # one per second
CALLS = 200  # by each of the cases, and by the program that forks


@pytest.fixture
def at() -> Iterator[Running]:
    """A service."""
    with service() as running:
        yield running


def check(calls: Sequence[Gave], at: Running) -> None:
    """Check that each call got its own response, and each connection was used by one process, one call at a time."""
    assert [call for call in calls if call["gave"] != due(call)] == []
    seen = at.seen()
    assert [connection for connection in seen if len(connection["processes"]) != 1 or connection["crowded"]] == []
    assert {str(call["process"]) for call in calls} <= {*processes(at)}


def processes(at: Running) -> list[str]:
    """Return the process of each connection."""
    return [process for connection in at.seen() for process in connection["processes"]]


# ---------------------------------------------------------------- gunicorn


@attrs.frozen
class Case:
    """A way to run the app: gunicorn's options, how many workers these make, and how the calls go out."""

    options: str
    workers: int = 1
    transport: str = "requests"
    tls: bool = False


CASES = {
    "threads": Case("--threads 8"),
    "workers made before the fork": Case("--preload --workers 3 --threads 4", workers=3),
    "the same over urllib3 and TLS": Case("--preload --workers 3 --threads 4", 3, "urllib3", tls=True),
    "gevent, over TLS": Case("--worker-class gevent --workers 2", workers=2, tls=True),
}


@pytest.mark.heavy
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_client_of_a_module_gives_each_request_its_own_response(case: Case, request: pytest.FixtureRequest) -> None:
    with service(request.getfixturevalue("certificate") if case.tls else None) as at:
        at.environment["TRANSPORT"] = case.transport
        with gunicorn(at, *case.options.split()) as app:
            calls = drive(app, CALLS, case.workers)
        check(calls, at)
        assert len(calls) >= CALLS
        assert (str(app.process.pid) in processes(at)) == ("--preload" in case.options)  # used before the fork


def test_a_sync_worker_is_killed_in_the_middle_of_a_long_request(at: Running) -> None:
    with gunicorn(at, "--timeout", "1") as app, pytest.raises(OSError):
        app.calls("late")
    assert any("WORKER TIMEOUT" in line for line in app.log)


@pytest.mark.parametrize("options", ["--threads 2", "--worker-class gevent"])
def test_a_worker_with_threads_or_greenlets_is_not(options: str, at: Running) -> None:
    with gunicorn(at, "--timeout", "2", *options.split()) as app:
        check(app.calls("late"), at)


# ---------------------------------------------------------------- forks


@pytest.fixture(scope="module")
def forked() -> Iterator[tuple[Running, list[Gave]]]:
    """A service, and the calls of a program that forks while its threads call; its children close the client."""
    with service() as at:
        yield at, run(at, "forks")


def test_a_fork_in_the_middle_of_calls_disturbs_neither_the_parent_nor_the_children(
    forked: tuple[Running, list[Gave]],
) -> None:
    at, calls = forked
    check(calls, at)
    assert len(calls) >= CALLS


def test_children_that_close_the_client_leave_the_parents_connections_open(forked: tuple[Running, list[Gave]]) -> None:
    at, calls = forked
    assert processes(at).count(str(calls[0]["process"])) == 6  # as many as it has threads; none was opened again


def test_a_stream_continues_in_the_parent_when_the_child_releases_it(at: Running) -> None:
    assert run(at, "children", "stream") == ["well", "whole"]


def test_a_child_that_closes_the_client_does_not_end_a_submit_that_its_parent_awaits(at: Running) -> None:
    assert run(at, "children", "awaited") == ["well", "accepted"]


def test_a_child_awaits_over_aiohttp_while_a_loop_of_its_parent_is_running(at: Running) -> None:
    assert run(at, "children", "loop", "use") == ["well", "completed"]
    assert len(processes(at)) == 2


def test_a_child_closes_an_aiohttp_client_while_a_loop_of_its_parent_is_running(at: Running) -> None:
    assert run(at, "children", "loop", "close") == ["well", "completed"]


def test_a_download_that_was_cut_is_resumed_although_a_forked_child_is_still_alive(at: Running) -> None:
    assert run(at, "children", "download") == ["well", "complete", "resumed"]


# ---------------------------------------------------------------- gevent


def test_fifty_greenlets_wait_for_their_jobs_at_the_same_time(at: Running) -> None:
    assert run(at, "greenlets", "waits", "50") == ["completed"] * 50


def test_as_many_exchanges_of_greenlets_are_under_way_as_there_are_connections(at: Running) -> None:
    assert run(at, "greenlets", "exchanges", str(POOL)) == ["completed"] * POOL


def test_more_greenlets_than_are_kept_have_a_connection_each(at: Running) -> None:
    check(run(at, "greenlets", "crowd", "100"), at)
    assert len(processes(at)) == 100


def test_an_upload_that_is_taken_slowly_leaves_the_other_greenlets_alone(at: Running) -> None:
    assert run(at, "greenlets", "upload") == ["sent", "asked"]


def test_a_greenlet_ends_the_wait_of_another(at: Running) -> None:
    assert run(at, "greenlets", "cancel") == ["cancelled", "ended"]


# ---------------------------------------------------------------- half an hour of traffic

Growth = dict[str, float]


@pytest.fixture(scope="module")
def traffic() -> Iterator[tuple[Growth, Growth]]:
    """The resources that each job leaves behind, and the same when each job leaks on purpose."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("the memory is measured on Linux, with glibc")
    with service() as at:
        clean, leaking = run(at, "traffic", str(JOBS), patience=10 * PATIENCE, **STEADY)
        yield clean, leaking


def leaks(growth: Growth) -> list[str]:
    """Return the resources that grew with the jobs; the limits are above normal variation and below a small leak."""
    bounds = {"rss": LEAK / 2, "blocks": 0.5, "files": 0.02, "threads": 0.02}
    return [what for what, bound in bounds.items() if growth[what] > bound]


@pytest.mark.heavy
def test_half_an_hour_of_traffic_leaves_no_memory_files_or_threads_behind(traffic: tuple[Growth, Growth]) -> None:
    assert leaks(traffic[0]) == []


@pytest.mark.heavy
def test_the_measure_sees_a_leak_of_two_kibibytes_with_each_job(traffic: tuple[Growth, Growth]) -> None:
    assert leaks(traffic[1]) == ["rss", "blocks"]


# ---------------------------------------------------------------- the page

PAGE = "docs/threads-and-forks.md"
TEXT = (ROOT / PAGE).read_text("utf-8")
FILES = {program.partition("\n")[0].removeprefix("# "): program for program in programs(PAGE)}
COMMANDS = re.findall(r"^gunicorn app:app (.*)$", TEXT, re.MULTILINE)


def written(folder: Path, *files: str) -> Path:
    """Write programs of the page into a folder."""
    for file in files:
        (folder / file).write_text(FILES[file], "utf-8")
    return folder


def visit(at: Running, folder: Path, *options: str) -> None:
    """Submit a job on the page's app, ask where it is, and fetch its video."""
    prompt = name("job")
    with gunicorn(at, *options, app="app:app", folder=folder) as app:
        job_id = id_of(prompt)
        assert app.ask("/videos", urlencode({"prompt": prompt}).encode()) == f'{{"job_id":"{job_id}"}}\n'.encode()
        assert app.ask(f"/videos/{job_id}") == b'{"status":"completed"}\n'
        assert app.ask(f"/videos/{job_id}/content") == content_of(job_id)


def printed(at: Running, folder: Path, *command: str) -> list[str]:
    """Run a program in a folder, and return the words that it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        env=at.environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize("options", COMMANDS)
def test_the_app_of_the_page_runs_under_each_command_of_the_page(options: str, at: Running, tmp_path: Path) -> None:
    visit(at, written(tmp_path, "app.py"), *options.split())


def test_the_settings_of_the_page_have_gevent_load_the_app_before_the_fork(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    with service(certificate) as at:
        visit(at, written(tmp_path, "app.py", "gunicorn.conf.py"))


START = (
    "import multiprocessing, runpy; multiprocessing.set_start_method({!r}); runpy.run_path('work.py', None, '__main__')"
)


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_the_pool_of_the_page_works_however_its_children_are_started(method: str, at: Running, tmp_path: Path) -> None:
    jobs = [name("job") for _ in range(5)]
    folder = written(tmp_path, "work.py")
    assert printed(at, folder, "-c", START.format(method), *jobs) == ["completed"] * 6


def test_the_loops_of_the_page_share_a_client_at_the_same_time(at: Running, tmp_path: Path) -> None:
    jobs = [name("together-8") for _ in range(8)]
    assert printed(at, written(tmp_path, "loops.py"), "loops.py", *jobs) == ["completed"] * 8


def test_each_program_and_number_of_the_page_is_tested() -> None:
    assert {*FILES} == {"app.py", "work.py", "loops.py", "gunicorn.conf.py"}
    assert TEXT.partition("```sh\n")[2].partition("```")[0].count("\n") == len(COMMANDS) == TEXT.count("```sh") * 3
    assert f"Up to {POOL} are kept idle, for 4 seconds" in " ".join(TEXT.split())
