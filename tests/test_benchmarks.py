"""The benchmarks run, and no peer can win with a wrong result. Speed is not tested."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PEERS = {
    "Upload": {"decart", "decart (open file)", "decart + aiohttp", "requests", "urllib3", "aiohttp", "http.client"},
    "Download": {"decart", "requests", "urllib3", "aiohttp", "http.client"},
    "Result": {"decart", "decart + aiohttp", "requests", "urllib3", "aiohttp", "http.client"},
    "Status": {"decart", "decart + aiohttp", "requests", "urllib3", "aiohttp", "http.client"},
    "3 jobs at once in threads": {"decart", "requests", "urllib3"},
    "3 jobs at once in tasks": {"decart + aiohttp", "aiohttp"},
    "Import": {"decart", "requests", "urllib3", "aiohttp", "http.client"},
    "First submit over https": {"decart", "requests", "urllib3", "aiohttp"},
    "First submit over http,": {"decart", "requests", "urllib3", "aiohttp"},
}


MANY_JOBS = {"decart pool", "decart pool + urllib3", "decart async pool", "requests in threads", "aiohttp in tasks"}


def run(*arguments: str, program: str = "run.py") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DECART_PUBLIC_SDK_PYTHON"}
    command = [sys.executable, str(BENCHMARKS / program), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_every_peer_returns_correct_results_and_the_table_is_printed(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    only = "upload,download,result,status,threads,tasks,import,first"  # install needs the network
    ended = run("--quick", "--only", only, "--markdown", "--json", str(figures))
    assert ended.returncode == 0, ended.stderr
    outcomes = json.loads(figures.read_text("utf-8"))
    for beginning, peers in PEERS.items():
        ((title, runs),) = ((title, runs) for title, runs in outcomes.items() if title.startswith(beginning))
        assert runs.keys() >= peers
        assert all(one["correct"] for those in runs.values() for one in those), title
        assert title.startswith("First submit") or f"\n| {title}" in ended.stdout  # it has no target
    assert "public SDK is not available: DECART_PUBLIC_SDK_PYTHON is not set" in ended.stdout


def test_a_wrong_name_is_refused() -> None:
    ended = run("--only", "speed")
    assert ended.returncode == 2
    assert "not among upload, download" in ended.stderr


# The server and the checks keep a fast but wrong peer from winning, so they are tested with wrong data.
WRONG = """
import sys
sys.path.insert(0, {folder!r})
import io, work, server

def video(size):
    return b"".join((server.stamp(at) + bytes(server.BLOCK))[:server.BLOCK] for at in range(size // server.BLOCK))

def verdict(body):
    form = server.Form(b"x")
    for start in range(0, len(body), 1000):
        form.feed(memoryview(body)[start:start + 1000])
    return form.verdict()

size = 10 * server.BLOCK
good = video(size)
head = b'--x\\r\\nContent-Disposition: form-data; name="data"; filename="data"\\r\\n\\r\\n'
end = b"\\r\\n--x--\\r\\n"
swapped = good[server.BLOCK:2 * server.BLOCK] + good[:server.BLOCK] + good[2 * server.BLOCK:]
assert verdict(head + good + end) == "complete"
assert verdict(head + swapped + end) == "wrong"
assert verdict(head + good[:1000] + good[2000:] + end) == "wrong"
assert verdict(head + good) == "cut"
assert server.is_video(work.blocks(good), size)
assert not server.is_video(work.blocks(swapped), size)
assert not server.is_video(work.blocks(good[:-1]), size)
assert not server.is_video(work.blocks(bytes(size)), size)
"""


def test_the_checks_detect_data_that_is_cut_moved_or_lost() -> None:
    program = WRONG.format(folder=str(BENCHMARKS))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_paths_of_a_status_check_and_of_a_complete_job_are_short() -> None:
    ended = run(program="walk.py")
    assert ended.returncode == 0, ended.stderr
    counted = [tuple(map(int, re.findall(r"\d+", line))) for line in ended.stdout.splitlines()]
    (status_calls, status_modules, _), (checks, job_calls, _, _) = counted
    assert status_calls <= 25
    assert status_modules <= 7
    assert checks == 2
    assert job_calls <= 150


def test_many_jobs_at_once_are_correct_for_every_peer_and_on_the_virtual_clock(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    ended = run("--quick", "--json", str(figures), program="many_jobs.py")
    assert ended.returncode == 0, ended.stderr
    outcomes = json.loads(figures.read_text("utf-8"))
    assert outcomes["3 jobs"].keys() == MANY_JOBS | {"single waiter"}
    assert len(outcomes["Virtual clock"]) == 4
    assert all(one["correct"] for runs in outcomes.values() for those in runs.values() for one in those)
    assert "\n3 jobs, decart pool  " in ended.stdout


JUDGED = """
import sys
sys.path.insert(0, {folder!r})
import many_jobs

class Server:
    def __init__(self, jobs):
        self.jobs = lambda: jobs
    counts = lambda self: {{}}

def correct(saved, jobs, many=2, as_files=True):
    return many_jobs.judged({{"saved": saved, "correct": as_files, "extra": 0}}, Server(jobs), many)["correct"]

good = {{name: {{"due": 5.0, "checks": 3, "fetches": 1, "fetched": 5.1}} for name in "ab"}}
assert correct({{"a": 6, "b": 7}}, good)
assert not correct({{"a": 6, "b": 7}}, good, as_files=False)
assert not correct({{"a": 6}}, good)
assert not correct({{"a": 6, "b": 7}}, good, many=3)
assert not correct({{"a": 6, "b": 4}}, good)
assert not correct({{"a": 6, "b": 7}}, good | {{"b": good["b"] | {{"fetches": 2}}}})
assert not correct({{"a": 6, "b": 7}}, good | {{"c": good["b"]}})
"""


def test_a_job_that_is_paid_twice_fetched_twice_too_early_or_never_is_not_correct() -> None:
    program = JUDGED.format(folder=str(BENCHMARKS))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_cost_of_a_journal_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "journal.py"), "--quick", "--folder", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    measured = [line.partition("  ")[0] for line in ended.stdout.splitlines()[1:-1]]
    assert measured == ["plain", "empty journal", "100 records", "nothing but one fsync", "a label that has a job"]
    assert list(tmp_path.iterdir()) == []


def test_the_cost_of_a_job_with_the_fixtures_is_measured() -> None:
    ended = run("--quick", program="fixtures.py")
    assert (ended.returncode, ended.stderr) == (0, "")
    measured = [line.partition("  ")[0] for line in ended.stdout.splitlines()[2:-1]]
    assert measured == ["the unit, requests alone", "the same job", "another job", "an emulator of its own"]
