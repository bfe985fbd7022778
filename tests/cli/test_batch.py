"""``decart batch``: what a run does, and what the next one does."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from threading import Event

import pytest
from support.batches import Batches, batches, lake, render
from support.media import write_video

from decart import JobRecord


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch) as made:
        yield made


def test_a_batch_saves_the_videos_and_writes_a_line_for_each(at: Batches) -> None:
    at.write(lake(1), "", lake(2, label="order-2", output="more/two.mp4"), lake(1))
    done = at.batch()
    assert done.code == 0
    assert "3 done; " in done.stderr
    assert f"jobs.jsonl:3: completed: {at.folder / 'videos/more/two.mp4'}" in done.stdout.splitlines()
    assert at.videos() == {
        "0001.mp4": "video of Lake 1",
        "0004.mp4": "video of Lake 1",
        "more/two.mp4": "video of Lake 2",
    }
    first, second, third = at.results()
    assert first.keys() == {"line", "label", "job_id", "status", "path", "error", "seconds"}
    assert (first["line"], first["status"], first["error"]) == (1, "completed", None)
    assert first["seconds"] >= 0
    assert (second["label"], second["path"]) == ("order-2", str(at.folder / "videos/more/two.mp4"))
    assert first["label"] != third["label"]
    assert {record.job_id for record in at.records()} == {each["job_id"] for each in at.results()}


def test_a_second_run_makes_no_request(at: Batches) -> None:
    at.write(lake(1), lake(2))
    at.batch()
    requests, results = len(at.emulator.requests), at.results()
    done = at.batch("--json")
    assert done.code == 0
    assert "0 done, 2 from an earlier run; 0 s" in done.stderr
    assert [each["status"] for each in done.documents] == ["completed", "completed"]
    assert (len(at.emulator.requests), at.results()) == (requests, results)


def test_lines_may_be_added_and_removed_and_videos_lost(at: Batches) -> None:
    at.write(lake(1), lake(2), lake(3))
    at.batch()
    (at.folder / "videos/0003.mp4").unlink()
    at.write(lake(4), lake(1), lake(3))
    assert at.batch().code == 0
    assert at.submits == 4
    assert [each["line"] for each in at.results()] == [1, 2, 3]
    assert [at.videos()[f"000{line}.mp4"] for line in (1, 2, 3)] == [f"video of Lake {lake}" for lake in (4, 1, 3)]


def test_results_that_a_crash_has_damaged_are_completed(at: Batches) -> None:
    at.write(lake(1), lake(2))
    at.batch()
    file = at.folder / "videos/results.jsonl"
    whole = sorted(file.read_bytes().splitlines())
    file.write_bytes(file.read_bytes()[:-20] + b"\n\0\0\n[]\n")
    assert at.batch().code == 0
    assert len(file.read_bytes().splitlines()) == len(at.results()) == 2
    assert set(whole) & set(file.read_bytes().splitlines())


def test_nothing_is_paid_for_again_when_the_folder_is_deleted_or_moved(at: Batches) -> None:
    at.write(lake(1))
    at.batch()
    (at.folder / "videos").rename(at.folder / "archive")
    assert at.batch().code == 0
    assert at.videos() == {"0001.mp4": "video of Lake 1"}
    refused = at.run("batch", "jobs.jsonl", "--out", "archive")
    assert refused.code == 2
    assert "its journal" in refused.stderr and "archive.db is missing" in refused.stderr
    assert at.run("batch", "jobs.jsonl", "--out", "archive", "--journal", "videos.db").code == 0
    assert at.submits == 1


def test_a_name_may_have_the_label_and_the_model(at: Batches) -> None:
    at.write(lake(1, label="order/1"), lake(2))
    assert at.batch("--name", "{model}/{label}.mp4").code == 0
    assert [name.split("/")[0] for name in at.videos()] == ["lucy-pro-t2v"] * 2
    for name in ("video.mp4", "{index", "../{index}.mp4", "/tmp/{index}.mp4"):
        done = at.batch("--name", name)
        assert (done.code, name in done.stderr) == (2, True)


def test_jobs_that_failed_stay_so_until_they_are_to_be_retried(at: Batches) -> None:
    at.emulator.faults.add("job-fails,reason=Too dark")
    at.write(lake(1), lake(2))
    done = at.batch()
    assert done.code == 5
    assert f"1 done, 1 failed (see {at.folder / 'videos/results.jsonl'}); " in done.stderr
    assert {each["error"] for each in at.results()} == {None, "Too dark"}
    again = at.batch()
    assert (again.code, at.submits) == (5, 2)
    assert "0 done, 1 failed" in again.stderr and "1 from an earlier run" in again.stderr
    assert at.batch("--retry-failed").code == 0
    assert (len(at.results()), len(at.videos()), at.submits) == (2, 2, 3)


def test_a_job_that_takes_too_long_is_waited_for_by_the_next_run(at: Batches) -> None:
    at.emulator.faults.add("unknown-status,times=3")
    at.write(lake(1))
    done = at.batch("--timeout", "0")
    assert done.code == 3
    assert "0 done, 1 timed out" in done.stderr
    assert at.results()[0]["status"] == "timed_out"
    assert at.batch().code == 0
    assert (at.submits, at.results()[0]["status"]) == (1, "completed")


def test_a_job_whose_outcome_is_unknown_is_settled_by_a_person(at: Batches) -> None:
    at.emulator.faults.add("drop-after")
    at.write(lake(1, label="order-1"))
    done = at.batch("--json")
    assert done.code == 6
    assert f"`decart jobs settle LABEL --journal {at.folder / 'videos.db'}`" in done.stderr
    assert [(each["status"], each["job_id"]) for each in done.documents] == [("unknown", None)]
    job_id = at.emulator.requests.submits[0].job_id
    assert job_id is not None
    assert at.run("jobs", "settle", "order-1", "--journal", "videos.db", "--job-id", job_id).code == 0
    assert at.batch().code == 0
    assert (at.submits, at.results()[0]["job_id"]) == (1, job_id)


def test_a_job_that_is_refused_is_submitted_by_the_next_run(at: Batches) -> None:
    at.emulator.faults.add("status:422,on=submit")
    at.write(lake(1), lake(2))
    done = at.batch()
    assert (done.code, sorted(each["status"] for each in at.results())) == (5, ["completed", "error"])
    assert "1 done, 1 with an error" in done.stderr
    assert at.batch().code == 0


@pytest.mark.parametrize(("fault", "code", "words"), [("status:401", 4, "DECART_API_KEY"), ("status:402", 1, "402")])
def test_a_refused_key_or_an_empty_account_ends_the_batch(at: Batches, fault: str, code: int, words: str) -> None:
    at.emulator.faults.add(f"{fault},times=forever")
    at.write(*map(lake, range(200)))
    done = at.batch("--max-in-flight", "2")
    assert done.code == code
    assert "The batch has ended early: " in done.stderr and words in done.stderr
    assert "not submitted; " in done.stderr
    assert len(at.emulator.requests.submits) < 20
    at.emulator.faults.clear()
    at.write(*map(lake, range(5)))
    assert at.batch().code == 0


def test_a_batch_spends_no_more_than_it_may_in_all_runs_together(at: Batches) -> None:
    at.write(*map(lake, range(8)))
    limits = ("--price", "lucy-pro-t2v=0.1", "--max-spend")
    done = at.batch(*limits, "0.3")
    assert (done.code, at.submits) == (1, 3)
    assert "3 done, 5 not submitted; " in done.stderr
    assert (
        "The batch has ended early: --max-spend is 0.3. Earlier runs have spent 0, this one 0.3, and another job would "
        "cost 0.1. 5 jobs are left: run the same command with a higher --max-spend to continue.\n" in done.stderr
    )
    assert len(at.results()) == 3
    done = at.batch(*limits, "0.5")
    assert (done.code, at.submits) == (1, 5)
    assert "Earlier runs have spent 0.3 of 0.5.\n" in done.stderr
    assert "--max-spend is 0.5. Earlier runs have spent 0.3, this one 0.2, and another job " in done.stderr
    done = at.batch(*limits, "0.2")
    assert (done.code, "Earlier runs have spent 0.5, this one 0, and another job" in done.stderr) == (1, True)
    done = at.batch(*limits, "0.7")
    assert (done.code, " cost 0.1. 1 job is left: run " in done.stderr) == (1, True)
    assert at.batch(*limits, "0.8").code == 0
    assert at.submits == 8


def test_max_spend_needs_prices(at: Batches) -> None:
    at.write(lake(1))
    done = at.batch("--max-spend", "1")
    assert (done.code, "--price lucy-pro-t2v=AMOUNT" in done.stderr) == (2, True)
    for price in ("lucy-pro-t2v", "lucy-pro-t2v=much", "lucy-pro-t2v=-1"):
        assert at.batch("--price", price).code == 2
    assert at.submits == 0


def test_a_dry_run_counts_and_sends_nothing(at: Batches) -> None:
    (at.folder / "lake.mp4").write_bytes(b"12345")
    at.write(lake(1), lake(2), {"model": "lucy-2.5", "prompt": "Winter", "data": "lake.mp4"})
    done = at.batch("--dry-run")
    assert (done.code, "Nothing was sent." in done.stderr) == (0, True)
    assert done.stdout.splitlines() == [
        f"jobs: 3, of which 0 are in the journal {at.folder / 'videos.db'}",
        "  lucy-pro-t2v: 2",
        "  lucy-2.5: 1",
        "files to upload: 1, 5 bytes",
        "cost: unknown, see --price",
    ]
    assert (list(at.folder.glob("videos*")), len(at.emulator.requests)) == ([], 0)
    at.write(lake(1), lake(2))
    at.batch()
    at.write(lake(1), lake(2), lake(3))
    done = at.batch("--dry-run", "--json", "--price", "lucy-pro-t2v=0.1")
    assert done.documents == [
        {
            "jobs": 3,
            "in_journal": 2,
            "journal": str(at.folder / "videos.db"),
            "models": {"lucy-pro-t2v": {"jobs": 3, "cost": 0.3}},
            "files": 0,
            "bytes": 0,
            "cost": 0.3,
        }
    ]
    assert "cost: 0.3" in at.batch("--dry-run", "--price", "lucy-pro-t2v=0.1").stdout


def test_a_file_that_vanishes_during_the_batch_fails_its_job_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def render_and_delete(job: object, target: Path) -> None:
        render(job, target)
        image.unlink(missing_ok=True)

    image = tmp_path / "lake.png"
    image.write_bytes(b"12345")
    last = {"model": "lucy-pro-i2v", "prompt": "Waves", "data": "lake.png"}
    with batches(tmp_path, capsys, monkeypatch, renderer=render_and_delete) as at:
        at.write(*map(lake, range(2)), last)
        assert at.batch("--max-in-flight", "1").code == 5
        assert [each["status"] for each in at.results()] == ["completed"] * 2 + ["error"]
        assert (at.results()[2]["line"], at.results()[2]["label"]) == (3, None)
        assert "lake.png: No such file" in at.results()[2]["error"]
        image.write_bytes(b"12345")
        assert at.batch().code == 0
        assert [each["status"] for each in at.results()] == ["completed"] * 3


def test_a_journal_that_cannot_be_written_ends_the_batch(at: Batches) -> None:
    at.write(lake())
    at.batch()
    with closing(connect(at.folder / "videos.db")) as journal:
        for (table,) in journal.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            journal.execute(f"CREATE TRIGGER t_{table} BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'no'); END")
    at.write(*map(lake, range(50)))
    done = at.batch("--max-in-flight", "2")
    assert (done.code, at.submits) == (1, 1)
    assert "The batch has ended early: The journal " in done.stderr


def test_a_journal_that_cannot_be_read_ends_the_batch_before_anything_is_sent(at: Batches) -> None:
    at.write(lake())
    (at.folder / "folder").mkdir()
    done = at.batch("--journal", "folder")
    assert (done.code, at.submits) == (1, 0)
    assert done.stderr.startswith("decart: error: The journal ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_batch_and_the_same_command_continues_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    def render_and_send(job: object, target: Path) -> None:
        render(job, target)
        if not records:
            os.kill(os.getpid(), number)
            records.append(job)

    records: list[object] = []
    with batches(tmp_path, capsys, monkeypatch, renderer=render_and_send, processing=1.0) as at:
        at.write(*map(lake, range(10)))
        done = at.batch("--max-in-flight", "3")
        assert done.code == code
        running: list[JobRecord] = [record for record in at.records() if record.state == "accepted"]
        continues = (
            "1 job that was submitted continues"
            if len(running) == 1
            else f"{len(running)} jobs that were submitted continue"
        )
        assert f"Interrupted after 0 done: nothing more is submitted, and {continues} at the service." in done.stderr
        assert "Run the same command again to continue." in done.stderr
        assert 1 <= at.submits == len(running) < 10
        assert at.batch().code == 0
        assert (at.submits, len(at.videos())) == (10, 10)


def test_an_interrupted_batch_waits_for_submits_that_are_under_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def render_and_send(job: object, target: Path) -> None:
        render(job, target)
        os.kill(os.getpid(), signal.SIGINT)

    faults = ["stall:0.5,on=submit", "drop-after"]
    with batches(tmp_path, capsys, monkeypatch, renderer=render_and_send, faults=faults) as at:
        at.write(lake(1))
        done = at.batch()
        assert done.code == 130
        assert "Interrupted after 0 done, 1 with an unknown outcome (see " in done.stderr
        assert "and 0 jobs that were submitted continue at the service." in done.stderr
        assert "`decart jobs settle LABEL " in done.stderr
        assert [each["status"] for each in at.results()] == ["unknown"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_are_ignored_stay_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def render_and_send(job: object, target: Path) -> None:
        render(job, target)
        os.kill(os.getpid(), number)

    before = signal.signal(number, signal.SIG_IGN)
    try:
        with batches(tmp_path, capsys, monkeypatch, renderer=render_and_send) as at:
            at.write(lake(1))
            assert at.batch().code == 0
            assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_ctrl_c_twice_at_once_still_waits_for_submits_that_are_under_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def render_and_send(job: object, target: Path) -> None:
        render(job, target)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            event.wait(0.05)

    event = Event()
    with batches(tmp_path, capsys, monkeypatch, renderer=render_and_send, faults=["stall:0.5,on=submit"]) as at:
        at.write(lake(1))
        done = at.batch()
        assert (done.code, [record.state for record in at.records()]) == (130, ["accepted"])
        assert "Ctrl-C again ends it, too." in done.stderr
        assert "1 job that was submitted continues" in done.stderr


class TerminalText(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_for_all_jobs_in_place_of_a_line_for_each(
    at: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.write(*map(lake, range(3)))
    terminal = TerminalText()
    monkeypatch.setattr(sys, "stderr", terminal)
    done = at.batch("--max-in-flight", "1")
    assert (done.code, done.stdout) == (0, "")
    assert "1 running, 2 waiting" in terminal.getvalue()
    assert terminal.getvalue().splitlines()[-1].startswith("3 done; ")
    at.write(lake(9))
    assert len(at.batch("--json").documents) == 1


def test_a_batch_can_be_tried_with_an_emulator_of_its_own(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DECART_API_KEY")
    write_video(at.folder / "short.mp4", ticks=(0,))  # which takes no time to edit
    at.write(lake(1, model="lucy-2.5", data="short.mp4"))
    done = at.batch("--emulator")
    assert (done.code, "1 done; " in done.stderr) == (0, True)
    assert (at.folder / "videos/0001.mp4").read_bytes()[4:8] == b"ftyp"
    assert (at.submits, (at.folder / "videos.db").exists()) == (0, False)
    assert "of which 0 are in the journal" in at.batch("--emulator", "--dry-run").stdout


def test_the_folder_must_be_one(at: Batches) -> None:
    at.write(lake(1))
    (at.folder / "videos").write_text("")
    assert at.batch().code == 2
    done = at.run("batch", "jobs.jsonl", "--out", "/")
    assert (done.code, "--journal" in done.stderr) == (2, True)
    assert at.submits == 0
