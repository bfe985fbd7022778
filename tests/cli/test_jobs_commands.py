"""``decart jobs``: the jobs of a journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.batches import Batches, batches, lake

from decart import DecartClient, JobOptions, PollPolicy, models


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch) as made:
        monkeypatch.delenv("DECART_JOURNAL", raising=False)
        yield made


@pytest.fixture
def known(at: Batches) -> Batches:
    """A journal of three jobs, one of which has failed."""
    at.emulator.faults.add("job-fails,reason=Too dark,after=1")
    at.write(*(lake(number, label=f"order-{number}") for number in range(3)))
    (at.folder / "videos").mkdir()
    with DecartClient(journal=at.folder / "jobs.db", poll=PollPolicy(interval=0.01)) as client:
        for number in range(3):
            options: JobOptions = {"model": models.video("lucy-pro-t2v"), "prompt": f"Lake {number}"}
            file = at.folder / f"videos/000{number + 1}.mp4"
            client.queue.submit_and_poll(options, label=f"order-{number}", save_to=file)
    return at


def test_the_generation_of_a_label_is_part_of_the_table(known: Batches) -> None:
    known.batch(*JOURNAL, "--retry-failed")
    assert (
        known.run("jobs", "list", *JOURNAL, "--limit", "1").stdout.splitlines()[1].startswith("order-1 (2)  delivered")
    )


JOURNAL = ("--journal", "jobs.db")


def test_jobs_are_listed_as_a_table_the_newest_last_and_without_a_key(
    known: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DECART_API_KEY")
    done = known.run("jobs", "list", *JOURNAL)
    assert (done.code, done.stderr) == (0, "")
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["label", "state", "model", "age", "saved_to"]
    assert [row.split()[:3] for row in rows] == [
        ["order-0", "delivered", "lucy-pro-t2v"],
        ["order-1", "failed", "lucy-pro-t2v"],
        ["order-2", "delivered", "lucy-pro-t2v"],
    ]
    assert rows[0].endswith(f" s  {known.folder / 'videos/0001.mp4'}")


def test_a_table_has_complete_labels_and_the_ids_that_other_commands_need(at: Batches) -> None:
    label = "order " + 194 * "7"
    submitted(at, label)
    header, row = at.run("jobs", "list", *JOURNAL, "--ids").stdout.splitlines()
    job_id = at.emulator.requests.submits[0].job_id
    assert (header.split(), row.startswith(f"{label}  accepted  "), row.split()[-1]) == (
        ["label", "state", "model", "age", "job_id"],
        True,
        job_id,
    )
    assert at.run("status", row.split()[-1]).code == 0


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (["--state", "failed"], ["order-1"]),
        (["--state", "failed", "--state", "delivered"], ["order-0", "order-1", "order-2"]),
        (["--model", "lucy-2.5"], []),
        (["--label-prefix", "order-2"], ["order-2"]),
        (["--limit", "2"], ["order-1", "order-2"]),
        (["--since", "1h"], ["order-0", "order-1", "order-2"]),
        (["--since", "2100-01-01"], []),
        (["--since", "2100-01-01T12:00:00Z"], []),
    ],
    ids=" ".join,
)
def test_a_list_can_be_limited_and_be_a_json_array(known: Batches, options: list[str], labels: list[str]) -> None:
    done = known.run("jobs", "list", *JOURNAL, "--json", *options)
    (records,) = done.documents
    assert (done.code, [each["label"] for each in records]) == (0, labels)
    for record in records:
        assert record["job_id"] and datetime.fromisoformat(record["created"]) > datetime.now(UTC) - timedelta(hours=1)


def test_all_that_is_known_of_a_label_is_shown(known: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_JOURNAL", "jobs.db")
    monkeypatch.delenv("DECART_API_KEY")
    (record,) = known.run("jobs", "show", "order-1", "--json").documents
    assert (record["state"], record["error"], record["generation"]) == ("failed", "Too dark", 1)
    assert "error: Too dark" in known.run("jobs", "show", "order-1").stdout.splitlines()
    done = known.run("jobs", "show", "order-9")
    assert (done.code, "has no job with the label 'order-9'" in done.stderr) == (2, True)


def test_a_journal_is_needed_and_none_is_created(at: Batches) -> None:
    for command in (["list"], ["show", "x"], ["prune", "--before", "1d"], ["resume", "--out", "v"]):
        done = at.run("jobs", *command)
        assert (done.code, "--journal FILE" in done.stderr) == (2, True)
        done = at.run("jobs", *command, "--journal", "no.db")
        assert (done.code, done.stderr) == (2, "decart: error: There is no journal no.db.\n")
    assert list(at.folder.iterdir()) == []


@pytest.mark.parametrize("when", ["yesterday", "5y", "99999999999d", "2026-13-01"])
def test_a_time_that_is_none_is_refused(at: Batches, when: str) -> None:
    done = at.run("jobs", "prune", "--before", when)
    assert (done.code, f"{when!r} is not a date or time" in done.stderr) == (2, True)


def test_what_has_ended_can_be_pruned(known: Batches) -> None:
    assert known.run("jobs", "prune", *JOURNAL, "--before", "1w").stdout == "0 deleted\n"
    done = known.run("jobs", "prune", *JOURNAL, "--before", "2100-01-01", "--json")
    assert (done.code, done.documents) == (0, [{"deleted": 3}])
    assert known.run("jobs", "list", *JOURNAL).stdout == "label  state  model  age  saved_to\n"


def submitted(at: Batches, *labels: str) -> None:
    """Submit jobs that nobody waits for."""
    with DecartClient(journal=at.folder / "jobs.db") as client:
        for label in labels:
            client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": label}, label=label)


def test_unfinished_jobs_are_resumed(at: Batches) -> None:
    submitted(at, "order-1", "order-2")
    done = at.run("jobs", "resume", *JOURNAL, "--out", "videos")
    assert (done.code, at.submits) == (0, 2)
    assert done.stdout.splitlines() == [
        f"order-{number}: completed: {at.folder}/videos/order-{number}.mp4" for number in (1, 2)
    ]
    assert at.videos() == {f"order-{number}.mp4": f"video of order-{number}" for number in (1, 2)}
    done = at.run("jobs", "resume", *JOURNAL, "--out", "videos")
    assert (done.code, done.stdout) == (0, "No job is unfinished.\n")
    refused = at.run("jobs", "resume", *JOURNAL, "--out", "videos", "--name", "{index}.mp4")
    assert (refused.code, "--name must be" in refused.stderr) == (2, True)


def test_the_exit_code_of_a_resume_says_what_went_wrong(at: Batches) -> None:
    def resume(*options: str) -> tuple[int, list[str]]:
        done = at.run("jobs", "resume", *JOURNAL, "--out", "videos", "--json", *options)
        return done.code, [each["status"] for each in done.documents[0]]

    at.emulator.faults.add("job-never-ends")
    submitted(at, "order-1")
    assert resume("--timeout", "0") == (3, ["timed_out"])
    at.emulator.faults.add("job-fails")
    submitted(at, "order-2")
    assert resume("--timeout", "0.2") == (5, ["timed_out", "failed"])
    at.emulator.faults.add("status:401,on=status")
    assert resume() == (4, ["error"])
    (at.folder / "videos/order-3.mp4").mkdir()
    submitted(at, "order-3")
    assert resume("--timeout", "0.2") == (5, ["timed_out", "error"])


def test_a_label_whose_outcome_is_unknown_is_settled(at: Batches) -> None:
    at.emulator.faults.add("drop-after,times=2")
    at.write(lake(1, label="order-1"), lake(2, label="order-2"))
    assert at.batch("--journal", "jobs.db").code == 6
    first, _ = at.emulator.requests.submits
    assert first.job_id is not None
    label = f"order-{first.fields['prompt'][-1]}"
    other = {"order-1": "order-2", "order-2": "order-1"}[label]
    done = at.run("jobs", "settle", label, *JOURNAL, "--job-id", first.job_id)
    assert (done.code, done.stdout) == (0, f"{label}: accepted as job {first.job_id}\n")
    done = at.run("jobs", "settle", other, *JOURNAL, "--not-accepted", "--json")
    assert (done.code, done.documents[0]["state"]) == (0, "refused")
    done = at.run("jobs", "settle", label, *JOURNAL, "--not-accepted")
    assert (done.code, "which the service knows" in done.stderr) == (2, True)
    assert at.run("jobs", "settle", label, *JOURNAL).code == 2
    assert at.batch("--journal", "jobs.db").code == 0
    assert at.submits == 3
