"""A journal with jobs of another API key, or of another service: they are named, and neither touched nor paid twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.batches import KEY, Batches, batches, lake

from decart import DecartClient, models

OTHER = "dct_other"
JOURNAL = ("--journal", "videos.db")
UNFINISHED = "Unfinished jobs that cannot be resumed with the current key and base URL: "
NOT_AGAIN = "decart: warning: Jobs of the list that are not submitted again: "


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch, api_keys=[KEY, OTHER]) as made:
        monkeypatch.delenv("DECART_JOURNAL", raising=False)
        yield made


def submitted(at: Batches, *numbers: int) -> None:
    """Submit jobs of a list that nobody waits for."""
    with DecartClient(journal=at.folder / "videos.db") as client:
        for number in numbers:
            options = {"model": models.video("lucy-pro-t2v"), "prompt": f"Lake {number}"}
            client.queue.submit(options, label=f"l{number}")


def write(at: Batches, *numbers: int) -> None:
    at.write(*(lake(number, label=f"l{number}") for number in numbers))


def test_a_batch_names_the_jobs_of_another_key_and_pays_for_none_again(
    at: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(at, 1, 2)
    write(at, 1, 2, 3)
    monkeypatch.setenv("DECART_API_KEY", OTHER)
    done = at.batch("--max-in-flight", "1")
    assert (done.code, at.submits) == (5, 3)
    assert done.stderr.startswith(f"{NOT_AGAIN}2 submitted with another API key. The others run with the current key ")
    assert "run the same command with that key. " in done.stderr
    assert "and pay again, use another --out and --journal." in done.stderr
    first = at.results()[0]
    assert (first["status"], first["job_id"]) == ("error", at.emulator.requests.submits[0].job_id)
    assert first["error"] == (
        f"It was submitted with another API key, as job {first['job_id']}, and is not submitted again: use that key to "
        "fetch its video."
    )
    monkeypatch.setenv("DECART_API_KEY", KEY)
    done = at.batch()
    assert (done.code, at.submits) == (0, 3)
    assert "2 done, 1 from an earlier run; " in done.stderr
    assert at.videos() == {f"000{number}.mp4": f"video of Lake {number}" for number in (1, 2, 3)}


def test_videos_of_another_key_that_are_here_are_kept_and_follow_their_lines(
    at: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(at, 1, 2)
    at.batch()
    results = at.results()
    monkeypatch.setenv("DECART_API_KEY", OTHER)
    assert at.batch().code == 0
    assert at.results() == results
    write(at, 2, 1)
    assert at.batch().code == 0
    assert [each["label"] for each in at.results()] == ["l2", "l1"]
    assert at.videos()["0001.mp4"] == "video of Lake 2"
    assert at.submits == 2


def test_another_key_pays_for_the_same_list_in_another_folder(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    write(at, 1)
    at.batch()
    monkeypatch.setenv("DECART_API_KEY", OTHER)
    assert at.run("batch", "jobs.jsonl", "--out", "others").code == 0
    assert at.submits == 2


def test_a_job_whose_outcome_is_unknown_needs_its_key(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    at.emulator.faults.add("drop-after")
    write(at, 1)
    assert at.batch().code == 6
    monkeypatch.setenv("DECART_API_KEY", OTHER)
    assert (at.batch().code, at.submits) == (5, 1)
    assert at.results()[0]["error"].startswith("It was submitted with another API key, and is not submitted again: ")


def test_a_job_that_was_refused_with_another_key_is_submitted(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    at.emulator.faults.add("status:422,on=submit")
    write(at, 1)
    assert at.batch().code == 5
    monkeypatch.setenv("DECART_API_KEY", OTHER)
    done = at.batch()
    assert (done.code, "another API key" in done.stderr) == (0, False)


def test_a_batch_does_not_mind_jobs_of_another_key_that_are_not_in_its_list(
    at: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(at, 1)
    write(at, 2)
    monkeypatch.setenv("DECART_API_KEY", OTHER)
    done = at.batch()
    assert (done.code, "another API key" in done.stderr) == (0, False)


def test_a_batch_at_another_service_names_that_of_its_jobs(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(at, 1)
    write(at, 1)
    monkeypatch.setenv("DECART_BASE_URL", "http://127.0.0.1:9")
    done = at.batch()
    assert (done.code, at.submits) == (5, 1)
    assert f"{NOT_AGAIN}1 submitted to {at.server.url}. " in done.stderr
    assert f"run the same command with --base-url {at.server.url}. " in done.stderr
    assert at.results()[0]["error"].endswith(f": use --base-url {at.server.url} to fetch its video.")


@pytest.mark.parametrize("command", [["list"], ["resume", "--out", "x"], ["sweep", "--out", "x"]], ids=lambda it: it[0])
def test_unfinished_jobs_of_another_key_or_service_are_counted_in_one_line(
    at: Batches, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(at, 1, 2)
    monkeypatch.setenv("DECART_API_KEY", OTHER)
    assert at.run("jobs", *command, *JOURNAL).stderr == f"{UNFINISHED}2 submitted with another API key.\n"
    done = at.run("jobs", *command, *JOURNAL, "--base-url", "http://127.0.0.1:9")
    assert (done.code, done.stderr) == (0, f"{UNFINISHED}2 submitted to {at.server.url}.\n")
    assert at.run("jobs", *command, *JOURNAL, "-q").stderr == ""
    assert len(at.emulator.requests.polls()) == 0
    monkeypatch.setenv("DECART_API_KEY", KEY)
    assert UNFINISHED not in at.run("jobs", *command, *JOURNAL).stderr


def test_a_resume_of_nothing_but_jobs_of_another_key_does_not_say_that_all_have_ended(
    at: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(at, 1)
    monkeypatch.setenv("DECART_API_KEY", OTHER)
    assert at.run("jobs", "resume", *JOURNAL, "--out", "x").stdout == "No other job is unfinished.\n"


def test_a_list_needs_no_key(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted(at, 1)
    monkeypatch.delenv("DECART_API_KEY")
    done = at.run("jobs", "list", *JOURNAL)
    assert (done.code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--api-key-file", "other.txt"), "with another API key. Nothing was sent; use that key, or another label"),
        (("--base-url", "http://127.0.0.1:9"), "to another service. Nothing was sent; use its --base-url, or another"),
    ],
    ids=["key", "service"],
)
def test_a_label_of_another_key_or_service_is_said_to_be_that(
    at: Batches, options: tuple[str, ...], words: str
) -> None:
    submitted(at, 1)
    (at.folder / "other.txt").write_text(OTHER)
    done = at.run("submit", "-m", "lucy-pro-t2v", "-p", "Lake 1", "--label", "l1", *JOURNAL, *options)
    assert (done.code, at.submits) == (2, 1)
    assert f"The label 'l1' was submitted {words}" in done.stderr
