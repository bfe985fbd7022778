"""``decart batch`` in a folder that has the results of earlier runs: nothing is paid for twice, or lost."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.batches import Batches, batches, lake
from support.media import write_video

from decart.cli.resultsfile import ResultsFile


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch) as made:
        yield made


def test_a_journal_that_does_not_know_the_results_is_refused(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    at.write(lake(1), lake(2))
    at.batch()
    at.write(lake(7), name="others.jsonl")
    at.run("batch", "others.jsonl", "--out", "others", "--journal", "others.db")
    monkeypatch.setenv("DECART_JOURNAL", "others.db")
    results = at.results()
    done = at.batch()
    assert (done.code, at.submits, at.results()) == (2, 3, results)
    assert "the journal others.db does not know its jobs" in done.stderr and "--journal" in done.stderr
    at.write(lake(3))
    assert (at.batch().code, at.submits) == (0, 4)  # other jobs have nothing to do with it


def test_a_damaged_journal_leaves_the_results_as_they_are(at: Batches) -> None:
    at.write(lake(1))
    at.batch()
    results = at.results()
    (at.folder / "videos.db").write_bytes(b"something else")
    done = at.batch()
    assert (done.code, at.submits, at.results()) == (1, 1, results)
    assert "it is not an SQLite database" in done.stderr
    (at.folder / "videos.db").write_bytes(b"")
    assert (at.batch().code, at.submits, at.results()) == (2, 1, results)


def test_an_emulator_does_not_replace_videos_that_were_paid_for(at: Batches) -> None:
    write_video(at.folder / "short.mp4", ticks=(0,))  # which takes no time to edit
    at.write(lake(1, model="lucy-2.5", data="short.mp4"))
    at.batch()
    done = at.batch("--emulator")
    assert (done.code, "would replace their videos" in done.stderr) == (2, True)
    assert at.videos() == {"0001.mp4": "video of Lake 1"}
    trial = ("batch", "jobs.jsonl", "--out", "trial", "--timeout", "0")  # that there are results is enough
    for _ in range(2):
        assert at.run(*trial, "--emulator").code == 3
    assert at.run(*trial).code == 2
    assert at.run(*trial, "--emulator", "--journal", "videos.db").code == 3


def test_jobs_of_runs_without_a_price_count_for_the_limit(at: Batches) -> None:
    at.write(lake(1), lake(2))
    at.batch()
    at.write(*map(lake, range(1, 6)))
    done = at.batch("--price", "lucy-pro-t2v=1", "--max-spend", "4")
    assert (done.code, at.submits) == (1, 4)
    assert "Earlier runs have spent 2 of 4." in done.stderr


LINE = {"line": 1, "label": "x", "job_id": None, "status": "completed", "path": None, "error": None, "seconds": None}


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        *(
            json.dumps(LINE | changes)
            for changes in ({}, {"label": ["x"]}, {"path": 7}, {"job_id": {}}, {"line": {}, "label": None})
        ),
    ],
    ids=["depth", "path-missing", "label", "path", "job_id", "line"],
)
def test_lines_of_the_results_that_no_batch_has_written_are_left_out(at: Batches, line: str) -> None:
    at.write(lake(1))
    at.batch()
    results = at.results()
    with (at.folder / "videos/results.jsonl").open("a") as file:
        file.write(f"{line}\n")
    assert (at.batch().code, at.submits, at.results()) == (0, 1, results)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_disk_that_is_full_is_named_and_no_line_is_written_in_part_without_an_error(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "results.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ResultsFile(path) as results, pytest.raises(OSError) as caught:
        results.add(LINE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 10, limits[1]))
        try:
            results.add(LINE | {"label": "y"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(path)
    with ResultsFile(path) as results:
        assert results.add(LINE)


def test_the_base_url_of_the_environment_does_not_matter_beside_the_option(
    at: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.write(lake(1))
    at.batch()
    monkeypatch.setenv("DECART_BASE_URL", "nonsense")
    done = at.batch("--base-url", at.server.url)
    assert (done.code, at.submits) == (0, 1)
    assert "1 from an earlier run" in done.stderr


def test_what_to_do_about_an_unknown_outcome_is_said_in_commands(at: Batches) -> None:
    at.emulator.faults.add("drop-after")
    at.write(lake(1, label="order 1"))
    assert at.run("batch", "jobs.jsonl", "--out", "my videos").code == 6
    done = at.run("batch", "jobs.jsonl", "--out", "my videos", "--json")
    assert "run `decart jobs settle 'order 1' --job-id ID`" in done.documents[0]["error"]
    assert f"--journal '{at.folder / 'my videos.db'}'`" in done.stderr


def test_the_error_of_a_wait_is_said_in_commands(at: Batches) -> None:
    at.emulator.faults.add("job-never-ends")
    at.write(lake(1))
    done = at.batch("--timeout", "0")
    assert (done.code, "client." in done.stdout) == (3, False)


def lakes(*numbers: int) -> list[dict[str, Any]]:
    return [lake(number, label=f"l{number}") for number in numbers]


def test_a_video_is_not_replaced_by_that_of_another_job_when_lines_move(at: Batches) -> None:
    expired = "status:410,on=content,times=forever"  # the service no longer has it
    at.write(*lakes(1, 2, 3))
    at.batch()
    at.emulator.faults.add(expired)
    at.write(*lakes(3, 2))
    assert at.batch().code == 5
    moved = {"0001.mp4": "video of Lake 3", "0002.mp4": "video of Lake 2", "earlier/l1.mp4": "video of Lake 1"}
    assert at.videos() == moved
    at.emulator.faults.clear()
    assert (at.batch().code, at.videos()) == (0, moved)
    at.emulator.faults.add(expired)
    at.write(*lakes(1, 2, 3))
    at.batch()
    assert at.videos() == {f"000{number}.mp4": f"video of Lake {number}" for number in (1, 2, 3)}
    at.emulator.faults.clear()
    assert (at.batch().code, at.submits) == (0, 3)


def test_a_job_that_is_in_the_list_again_is_not_taken_to_have_the_video_of_another(at: Batches) -> None:
    at.write(*lakes(1, 2))
    at.batch()
    at.write(*lakes(2))
    at.batch()
    (at.folder / "videos/earlier/l1.mp4").unlink()
    at.write(*lakes(1, 2))
    assert at.batch().code == 0
    assert at.videos()["0001.mp4"] == "video of Lake 1"
    assert at.videos()["0002.mp4"] == "video of Lake 2"
