"""Scenarios: what happens to jobs in turn, from a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.documents import ROOT
from support.lake import LAKE
from support.raw import RawClient
from support.studio import Studio

from decart import DecartClient, InvalidInputError, PollPolicy
from decart.emulator import VirtualEmulator

EXACT = PollPolicy(interval=1, backoff=1, max_interval=1, jitter=0)
FORM = {"prompt": "A lake"}


def emulator(folder: Path, text: str, **settings: Any) -> VirtualEmulator:
    path = folder / "scenario.toml"
    path.write_text(text, "utf-8")
    return VirtualEmulator(renderer=Studio(), scenario=path, **settings)


def ends(client: DecartClient, number: int) -> list[tuple[str, str | None]]:
    """Run jobs one after the other, and return the outcome of each, with its reason."""
    results = [client.queue.submit_and_poll(LAKE) for _ in range(number)]
    return [(result.status, getattr(result, "error", None)) for result in results]


def test_each_job_takes_the_time_of_its_turn_and_later_ones_the_usual_time(tmp_path: Path) -> None:
    text = "[[job]]\npending = 10\nprocessing = 5\n[[job]]\nprocessing = 0.5\n"
    with emulator(tmp_path, text, pending=1, processing=3) as made:
        raw = RawClient.within(made)
        ids = [raw.form("/v1/jobs/lucy-pro-t2v", FORM).json["job_id"] for _ in range(3)]
        seen = []
        for seconds in (0.5, 1, 3, 8, 5):
            raw.clock.advance(seconds)
            seen.append([raw.get(f"/v1/jobs/{job_id}").json["status"] for job_id in ids])
    assert seen == [
        ["pending", "pending", "pending"],  # after 0.5 s
        ["pending", "completed", "processing"],  # 1.5 s
        ["pending", "completed", "completed"],  # 4.5 s
        ["processing", "completed", "completed"],  # 12.5 s
        ["completed", "completed", "completed"],  # 17.5 s
    ]


def test_a_job_fails_with_its_reason_and_a_repeated_scenario_starts_again(tmp_path: Path) -> None:
    text = 'repeat = true\n[[job]]\n[[job]]\nfails = "refused"\n'
    with emulator(tmp_path, text) as made, made.client() as client:
        assert ends(client, 4) == [("completed", None), ("failed", "refused")] * 2


def test_a_scenario_that_is_not_repeated_is_followed_by_ordinary_jobs(tmp_path: Path) -> None:
    with emulator(tmp_path, '[[job]]\nfails = "refused"\n') as made, made.client() as client:
        assert ends(client, 3) == [("failed", "refused"), ("completed", None), ("completed", None)]


def test_faults_of_a_submit_act_until_the_job_is_accepted(tmp_path: Path) -> None:
    text = '[[job]]\nfaults = ["status:503,on=submit,times=2,retry_after=7"]\n[[job]]\n'
    with emulator(tmp_path, text) as made, made.client() as client:
        client.queue.submit(LAKE)
        client.queue.submit(LAKE)
        assert [(entry.at, entry.status) for entry in made.requests.submits] == [
            (0, 503),
            (7, 503),
            (14, 200),
            (14, 200),
        ]


def test_faults_of_a_job_affect_only_requests_about_it(tmp_path: Path) -> None:
    text = '[[job]]\n[[job]]\nfaults = ["status:500,on=status", "drop-midway"]\n'
    with emulator(tmp_path, text) as made:
        raw = RawClient.within(made)
        one, two = (raw.form("/v1/jobs/lucy-pro-t2v", FORM).json["job_id"] for _ in range(2))
        statuses = [raw.get(f"/v1/jobs/{job_id}").status for job_id in (one, two, one, two, "nobody")]
        assert statuses == [200, 500, 200, 200, 404]
        raw.clock.advance(60)
        raw.get(f"/v1/jobs/{one}"), raw.get(f"/v1/jobs/{two}")
        assert raw.get(f"/v1/jobs/{one}/content").status == 200
        with made.client() as client:
            client.queue.result(two)
        assert [entry.faults for entry in made.requests.of(route="content")] == [(), ("drop-midway",), ()]


def test_faults_that_are_added_come_before_those_of_the_scenario(tmp_path: Path) -> None:
    with emulator(tmp_path, '[[job]]\nfaults = ["status:500,on=submit"]\nfails = "refused"\n') as made:
        made.faults.add("status:503,on=submit", "job-fails:added")
        raw = RawClient.within(made)
        responses = [raw.form("/v1/jobs/lucy-pro-t2v", FORM) for _ in range(3)]
        assert [response.status for response in responses] == [503, 500, 200]
        raw.clock.advance(60)
        assert raw.get(f"/v1/jobs/{responses[2].json['job_id']}").json["error"] == "added"


def test_a_fault_that_is_added_acts_together_with_one_of_the_scenario(tmp_path: Path) -> None:
    with emulator(tmp_path, '[[job]]\nfaults = ["drop-midway"]\n') as made, made.client() as client:
        made.faults.add("drip:0.1,bytes=1000")
        client.queue.submit_and_poll(LAKE)
        assert [entry.faults for entry in made.requests.of(route="content")] == [("drip", "drop-midway"), ("drip",)]


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    with emulator(tmp_path, "\ufeff[[job]]\nfails = 'x'\n") as made, made.client() as client:
        assert client.queue.submit_and_poll(LAKE).error == "x"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[job]\n", "it is not valid TOML ("),
        ("", "job must be a list of tables, at least one: [[job]]."),
        ("job = 3", "job must be a list of tables, at least one: [[job]]."),
        ("job = [3]", "job 1: it must be a table."),
        ("jobs = []", "there is no key 'jobs'; the keys are repeat, job."),
        ("repeat = 1\n[[job]]", "repeat must be true or false."),
        ("[[job]]\n[[job]]\npendin = 1", "job 2: there is no key 'pendin'; the keys are pending, processing, fails"),
        ("[[job]]\npending = -1", "job 1: pending must be a number of seconds, 0 or more, not '-1'."),
        ("[[job]]\nprocessing = true", "job 1: processing must be a number of seconds, 0 or more, not 'True'."),
        ("[[job]]\nprocessing = nan", "job 1: processing must be a number of seconds, 0 or more, not 'nan'."),
        ("[[job]]\nfaults = 'drop-midway'", 'job 1: faults must be a list, such as ["drop-midway"].'),
        ("[[job]]\nfaults = ['drop-midway', 'drop']", "job 1: faults, number 2: there is no fault named 'drop'; did"),
        ("[[job]]\nfaults = ['status,on=files']", "job 1: faults, number 1: a job has no requests on=files."),
        ("x = " + "[" * 5_000, "it is not valid TOML ("),
        (
            "[[job]]\nfaults = ['job-fails,after=1']",
            "job 1: faults, number 1: job-fails is the outcome of one job; leave times= and after= out.",
        ),
        ("[[job]]\nfails = 3", "job 1: fails must be some text, the reason, not '3'."),
        (
            "[[job]]\nfails = 'x'\nfaults = ['empty-result']",
            "job 1: a job has one outcome, not empty-result and the key fails.",
        ),
    ],
)
def test_a_mistake_is_refused_with_the_file_and_the_key(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        emulator(tmp_path, text)
    start = f"scenario {tmp_path / 'scenario.toml'}: "
    assert caught.value.message.startswith(start + why)
    assert caught.value.message.count(".toml") == 1


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nothing\.toml: it cannot be read \(No such file or directory\)"):
        VirtualEmulator(scenario=tmp_path / "nothing.toml")


def test_the_command_refuses_a_mistake_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[[job]]\nfails = 3\n")
    command = [sys.executable, "-m", "decart.emulator", "--port=0", "--scenario", "broken.toml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert "scenario broken.toml: job 1: fails must be some text" in line


def test_the_example_plays_as_its_comments_say() -> None:
    with VirtualEmulator(renderer=Studio(), scenario=ROOT / "examples" / "scenario.toml") as made:
        with made.client(poll=EXACT) as client:
            assert ends(client, 4) == [
                ("completed", None),
                ("completed", None),
                ("failed", "the prompt was refused"),
                ("completed", None),
            ]
        assert [entry.status for entry in made.requests.submits] == [200, 503, 200, 200, 200]
        assert [entry.faults for entry in made.requests.of(route="content")][1] == ("drop-midway",)
