"""The list of ``decart batch``: how it is read, and what is refused before anything is spent."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.batches import Batches, batches, lake


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    (tmp_path / "lake.mp4").write_bytes(b"12345")
    with batches(tmp_path, capsys, monkeypatch) as made:
        yield made


EDIT = {"model": "lucy-2.5", "data": "lake.mp4"}

WRONG: list[tuple[object, str]] = [
    ({"model": "lucy-pro-t2v"}, "prompt is missing: lucy-pro-t2v requires it."),
    ({"prompt": "A lake"}, "model is missing."),
    (lake(model=7), "model must be a name, not 7."),
    (lake(model="lucy-2.7"), "There is no video model named 'lucy-2.7'. Did you mean"),
    (lake(model="lucy-image-2"), "There is no video model named 'lucy-image-2'."),
    (lake(promt="A lake"), "'promt' is not an option of lucy-pro-t2v; did you mean 'prompt'?"),
    (lake(on_status_change="x"), "on_status_change cannot be part of a list."),
    (lake(seed=-1), "seed must be a whole number from 0 to 4294967295, not -1."),
    (lake(task="text-to-image"), "task must be one of text-to-video, "),
    (EDIT | {"data": "no.mp4"}, "data: the file cannot be read ("),
    (EDIT | {"data": "."}, "data: "),
    (EDIT | {"data": 7}, "data must be the path of a file, not 7."),
    ("{", "it is not JSON: "),
    ("[" * 100_000, "it is not JSON: "),
    ("[1]", 'it must be like {"model": ..., "prompt": ...}, not [1].'),
    (lake(label=""), "label must be 1 to 200 printable characters"),
    (lake(output="../lake.mp4"), "output: ../lake.mp4 is not inside of the output folder."),
    (lake(output="/lake.mp4"), "output: /lake.mp4 is not inside of the output folder."),
    (lake(output="lakes/"), "output must be the name of a file, not 'lakes/'."),
    (lake(output="./results.jsonl"), "output: results.jsonl is a file of the batch itself."),
]


def test_every_line_that_is_wrong_is_named(at: Batches) -> None:
    at.write(*(line for line, _ in WRONG))
    done = at.batch("--json")
    assert (done.code, at.submits, (at.folder / "videos").exists()) == (2, 0, False)
    first, *errors = done.stderr.splitlines()
    assert first == f"decart: error: {len(WRONG)} of the lines cannot be used, and nothing was sent:"
    for number, (error, (_, expected)) in enumerate(zip(errors, WRONG, strict=True), 1):
        assert error.startswith(f"jobs.jsonl:{number}: {expected}")
    assert done.documents[0]["exit_code"] == 2


def test_two_lines_cannot_have_one_output_or_label_and_only_20_errors_are_shown(at: Batches) -> None:
    twice = [lake(label="a"), lake(label="a"), lake(output="0001.mp4"), lake(output="x.mp4"), lake(output="y/../x.mp4")]
    at.write(*twice, *["x"] * 30)
    lines = at.batch().stderr.splitlines()
    assert lines[1:4] == [
        "jobs.jsonl:2: label: 'a' is that of line 1, too.",
        "jobs.jsonl:3: output: 0001.mp4 is that of line 1, too.",
        "jobs.jsonl:5: output: x.mp4 is that of line 4, too.",
    ]
    assert (len(lines), lines[0][:26], lines[-1]) == (22, "decart: error: 33 of the l", "... and 13 more.")


def test_lines_that_are_not_utf_8_are_refused_and_a_byte_order_mark_is_not(at: Batches) -> None:
    good = json.dumps(lake(1)).encode()
    (at.folder / "jobs.jsonl").write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\xff\n\n  \n" + good)
    assert at.batch().stderr.splitlines()[1:] == ["jobs.jsonl:2: it is not UTF-8."]
    (at.folder / "jobs.csv").write_bytes(b'\xef\xbb\xbf"model",prompt\nlucy-pro-t2v,A lake\nlucy-pro-t2v,\xff\n')
    assert at.batch(file="jobs.csv").stderr.splitlines()[1:] == ["jobs.csv:3: it is not UTF-8."]


def test_csv_is_read_as_json_lines_are(at: Batches) -> None:
    points = [{"frame": 0, "x": 0, "y": 0.5}, {"frame": 9, "x": 1, "y": 0.5}]
    rows = [
        "model,prompt,data,seed,enhance_prompt,self_anchor,trajectory,label,output,task",
        "lucy-2.5,,lake.mp4,7,true,NO,,,,",
        ",,,,,,,,,",
        "",
        '"lucy-pro-t2v","A ""lake""\nin winter",,,,,,winter,w.mp4,',
        f'lucy-motion,,lake.mp4,,,,"{json.dumps(points)}",,,'.replace('{"', '{""')
        .replace('":', '"":')
        .replace(', "', ', ""'),
        "lucy-next,Waves,,,,,,,,text-to-video",
        "lucy-pro-t2v,Short",
    ]
    at.write(*rows, name="jobs.csv")
    at.write(
        {"model": "lucy-2.5", "data": "lake.mp4", "seed": 7, "enhance_prompt": True, "self_anchor": False},
        {"model": "lucy-pro-t2v", "prompt": 'A "lake"\nin winter', "label": "winter", "output": "w.mp4"},
        {"model": "lucy-motion", "data": "lake.mp4", "trajectory": points, "prompt": None},
        {"model": "lucy-next", "prompt": "Waves", "task": "text-to-video"},
        {"model": "lucy-pro-t2v", "prompt": "Short"},
    )
    labels = []
    for name in ("jobs.csv", "jobs.jsonl"):
        at.emulator.faults.add("status:422,on=submit,times=5")
        done = at.run("batch", name, "--out", name.replace(".", "_"), "--json")
        assert (done.code, len(done.documents)) == (5, 5)
        labels.append({each["line"]: each["label"] for each in done.documents})
    assert sorted(labels[0]) == [2, 5, 7, 8, 9]
    assert [labels[0][line] for line in sorted(labels[0])] == [labels[1][line] for line in sorted(labels[1])]
    assert labels[0][5] == "winter"


def test_rows_of_csv_that_are_wrong_are_named(at: Batches) -> None:
    at.write(
        "model,seed,self_anchor,trajectory,data",
        f"lucy-2.5,{'9' * 5000},,,lake.mp4",
        "lucy-2.5,,maybe,,lake.mp4",
        name="a.csv",
    )
    with (at.folder / "a.csv").open("a") as file:
        file.write('lucy-motion,,,[,lake.mp4\na,b,c,d,e,f\n"lucy\n2.5",,,,\n"x"y\nlucy-2.5,,,,\n')
    assert [line.partition(" not ")[0] for line in at.batch(file="a.csv").stderr.splitlines()[1:]] == [
        "a.csv:2: seed must be a whole number from 0 to 4294967295,",
        "a.csv:3: self_anchor must be True or False,",
        "a.csv:4: trajectory is",
        "a.csv:5: it has 6 cells, and the header has 5.",
        "a.csv:6: There is no video model named 'lucy\\n2.5'. `decart models` lists them all.",
        "a.csv:8: it is",
    ]
    at.write("model,prompt,model", "lucy-pro-t2v,A lake,", name="b.csv")
    assert "b.csv:1: the header has 'model' twice." in at.batch(file="b.csv").stderr


def test_files_are_relative_to_the_list(at: Batches) -> None:
    (at.folder / "lists/media").mkdir(parents=True)
    (at.folder / "lists/media/sea.mp4").write_bytes(b"123")
    at.write({"model": "lucy-2.5", "data": "media/sea.mp4"}, name="lists/jobs.jsonl")
    done = at.batch("--dry-run", "--json", file="lists/jobs.jsonl")
    assert (done.documents[0]["files"], done.documents[0]["bytes"]) == (1, 3)


def test_a_list_is_read_from_standard_input(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = json.dumps(EDIT | {"data": "no.mp4"}).encode() + b"\nx\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    done = at.batch(file="-")
    assert done.code == 2
    assert done.stderr.splitlines()[1:] == [
        f"stdin:1: data: the file cannot be read ({at.folder / 'no.mp4'}: No such file or directory).",
        "stdin:2: it is not JSON: Expecting value: line 1 column 1 (char 0).",
    ]


def test_a_list_that_cannot_be_read_and_one_that_is_empty(at: Batches) -> None:
    done = at.batch(file="no.jsonl")
    assert (done.code, "no.jsonl cannot be read: No such file" in done.stderr) == (2, True)
    at.write()
    assert at.batch().code == 0


def test_thousands_of_lines_are_checked_at_once(at: Batches) -> None:
    at.write(*map(lake, range(2_000)))
    started = time.process_time()
    done = at.batch("--dry-run", "--json")
    assert (done.code, done.documents[0]["jobs"]) == (0, 2_000)
    assert time.process_time() - started < 10  # it takes 0.2 s
