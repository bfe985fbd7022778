"""Messages speak of commands and options, whatever in the library they come from."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import served
from support.fakes import FakeTransport

from decart import DecartClient
from decart.cli.main import main
from decart.cli.wording import in_commands
from decart.emulator import Emulator
from decart.errors import DecartSDKError
from decart.journal import MemoryJournal
from decart.journal.entries import write
from decart.journal.samples import record
from decart.outcomes import wait_cancelled
from decart.pool.options import left_early
from decart.pool.spending import Spending

LAKE = ["-m", "lucy-pro-t2v", "-p", "A lake"]
QUOTED = "it's 17"
RUN = ["run", *LAKE, "-o", "a.mp4"]
EDIT = ["submit", "-m", "lucy-2.5", "-p", "Winter"]
RESTYLE = ["submit", "-m", "lucy-restyle-2", "-i", "lake.mp4"]
MOTION = ["submit", "-m", "lucy-motion", "-i", "lake.mp4", "--trajectory"]
PYTHON = re.compile(
    r"client\.|DecartClient|=\.\.\.|models\.|\w\(|pathlib|\bstr\b|\bint\b|bytes,|[a-z_]+=\w|None\b|True\b|await"
    r"|\b(?:api_key|base_url|save_to|reference_image|enhance_prompt|job_id|allow_http|max_spend)\b"
)
"""What only a Python program can make use of."""


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Emulator, dict[str, str]]]:
    with served() as service:
        yield service


@pytest.fixture
def emulator(
    service: tuple[Emulator, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Emulator]:
    monkeypatch.chdir(tmp_path)
    Path("lake.mp4").write_bytes(b"12345")
    Path("empty").touch()
    Path("binary").write_bytes(b"\xff")
    Path("two").write_text("dct_a\ndct_b\n", "utf-8")
    emulator, environment = service
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield emulator
    emulator.faults.clear()


@pytest.mark.parametrize(
    ("arguments", "fault", "message"),
    [
        ([*RUN, "--api-key-file", "binary"], None, "--api-key-file: binary cannot be read: it is not text."),
        # models
        ([*RUN, "-m", "foo"], None, "There is no video model named 'foo'. `decart models` lists them all."),
        ([*RUN, "-m", "lucy-pro-t2i"], None, "It makes images: use `decart image`."),
        (["image", *LAKE, "-o", "a.png"], None, "It makes videos: use `decart run`."),
        (["submit", "-m", "lucy-9", "--task", "text-to-video"], None, "--prompt is missing: lucy-9 requires it."),
        # inputs
        ([*RUN, "-p", " "], None, "--prompt must not be empty."),
        ([*RUN, "-p", "\udcff"], None, "--prompt contains a lone surrogate, which UTF-8 cannot encode."),
        ([*RUN, "--seed", "-1"], None, "--seed must be a whole number from 0 to 4294967295, not -1."),
        ([*RUN, "-i", "lake.mp4"], None, "it accepts --seed, --resolution, --prompt, --orientation."),
        ([*EDIT, "-i", "lake.mp4", "--resolution", "480p"], None, "--resolution must be '720p' for lucy-2.5"),
        (EDIT, None, "--input is missing: lucy-2.5 requires it."),
        ([*EDIT, "-i", "none.mp4"], None, "--input: the file cannot be read (none.mp4: No such file or directory)."),
        ([*EDIT, "-i", "empty"], None, "--input: the file is empty (empty)."),
        ([*EDIT, "-i", "."], None, "--input: the path is empty or '.'"),
        ([*EDIT, "-i", "lake.mp4", "--reference-image", "no.png"], None, "--reference-image: the file cannot be read"),
        (RESTYLE, None, "Pass exactly one of --prompt and --reference-image."),
        ([*RESTYLE, "--reference-image", "lake.mp4", "--enhance-prompt"], None, "--enhance-prompt requires a "),
        ([*MOTION, "[1]"], None, "--trajectory: each point must be"),
        ([*MOTION, "7"], None, "--trajectory must be a list of points"),
        ([*MOTION, "["], None, "--trajectory is not JSON: Expecting value"),
        ([*MOTION, "[" * 100_000], None, "--trajectory is not JSON: maximum recursion depth"),
        # files
        ([*RUN, "-o", "none/a.mp4"], None, "--output: none/a.mp4 cannot be written: the folder none does not exist."),
        ([*RUN, "-o", "."], None, "--output: . is a folder; name a file in it."),
        ([*RUN, "-o", ""], None, "--output must be the name of a file, not ''."),
        ([*RUN, "-o", "/dev/null"], None, "use -o - and redirect standard output to it."),
        # the service and the key
        ([*RUN, "--api-key-file", "empty"], None, "The API key is missing: the file of --api-key-file is blank."),
        ([*RUN, "--api-key-file", "two"], None, "The API key from the file of --api-key-file must consist of visible"),
        ([*RUN, "--api-key-file", "none"], None, "--api-key-file: none cannot be read: No such file or directory."),
        ([*RUN, "--api-key-file", "two/x"], None, "--api-key-file: two/x cannot be read: Not a directory."),
        (RUN, "status:401", "The API key from the environment variable DECART_API_KEY was refused;"),
        ([*RUN, "--base-url", "lake"], None, "The base URL must look like https://api.decart.ai"),
        ([*RUN, "--base-url", "http://x.example"], None, "write https://, or use --allow-http if the network"),
        ([*RUN, "--base-url", "http://127.0.0.1:9"], None, "Could not connect to 127.0.0.1:9"),
        ([*RUN, "--emulator", "--base-url", "http://x"], None, "leave --base-url and --api-key-file out."),
        (RUN, "redirect", "use it as --base-url instead of http://127.0.0.1"),
        (RUN, "status:402", "The account has no credits left;"),
        (RUN, "html:502,on=submit", "Check your account before you submit it again."),
        (RUN, "bad-json,on=submit", "Check your account before you submit it again."),
        (RUN, "drop-after", "Check your account before you submit it again."),
        (["image", "-m", "lucy-pro-t2i", "-p", "A", "-o", "a"], "drop-after,on=generate", "Check your account before"),
        # a job
        ([*RUN, "--timeout", "0"], None, "The job may still finish, and is billed.\nResume with: decart wait "),
        (RUN, "job-fails:no lake", "no lake"),
        (RUN, "empty-result", "Resume with: decart wait "),
        (RUN, "status:400,on=status", "Resume with: decart wait "),
        (["status", "j1"], None, "The service found no such job or model;"),
        (["status", "a b"], None, ""),
        (["status", "j1", "--base-url", "http://127.0.0.1:9"], None, "Resume with: decart wait j1 --base-url"),
        # a journal
        ([*RUN, "--label", "x"], None, "A label needs a journal: use --journal FILE, or set DECART_JOURNAL."),
        ([*RUN, "--again"], None, "A label needs a journal:"),
        ([*RUN, "--journal", "jobs.db", "--again"], None, "--again needs the --label of the job"),
        ([*RUN, "--journal", "jobs.db", "--label", " "], None, "--label must be 1 to 200 printable characters"),
        ([*RUN, "--journal", ":memory:"], None, ""),
        ([*RUN, "--journal", "lake.mp4"], None, ""),
        ([*RUN, "--journal", "none/jobs.db"], None, ""),
    ],
)  # fmt: skip
def test_no_message_speaks_python(
    arguments: list[str], fault: str | None, message: str, emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator.faults.add(*filter(None, [fault]))
    assert main([*arguments, "--json", "-q"]) != 0
    printed = capsys.readouterr()
    assert not (found := PYTHON.search(printed.err)), f"{found}: {printed.err}"
    assert json.loads(printed.out)["error"]["message"] in " ".join(printed.err.splitlines())
    assert printed.err.startswith("decart: error: ")
    assert message in printed.err


def test_a_label_is_explained_in_commands(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    label = ["--journal", "jobs.db", "--label", QUOTED]
    emulator.faults.add("drop-after")
    assert main([*RUN, *label]) == 6
    assert main([*RUN, *label]) == 6
    _, first, again = re.split(r"(?=decart: error: The job with the label)", capsys.readouterr().err)
    label = shlex.quote(QUOTED)
    for text in (first, again):
        assert f"run `decart jobs settle {label} --job-id ID --journal jobs.db` if the job is there, or " in text
        assert f"or `decart jobs settle {label} --not-accepted --journal jobs.db` if it is not." in text
        assert not PYTHON.search(text)


def test_a_label_that_belongs_to_another_job_is_a_mistake_of_the_caller(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    label = ["--journal", "jobs.db", "--label", "x"]
    assert main(["submit", *LAKE, *label]) == 0
    assert main(["submit", *LAKE, *label, "--again"]) == 2
    assert main(["submit", *LAKE, *label, "--seed", "1"]) == 2
    text = capsys.readouterr().err
    assert re.search(r"--again: job (\w+) .* Wait for it with `decart wait \1` first", text)
    assert "The label 'x' belongs to another request: seed differs." in text
    assert not PYTHON.search(text)


def without_a_journal() -> None:
    with DecartClient("dct_x", transport=FakeTransport()) as client:
        client.jobs.get("x")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (without_a_journal, "This needs a journal: use --journal FILE, or set DECART_JOURNAL."),
        (lambda: Spending(None, 10.0), "--max-spend needs prices: use --price MODEL=AMOUNT."),
        (lambda: write(MemoryJournal(), record(QUOTED)), f"`decart jobs show {shlex.quote(QUOTED)}` shows it."),
    ],
)
def test_what_the_other_commands_meet_is_translated_too(call: Callable[[], object], said: str) -> None:
    with pytest.raises(DecartSDKError) as raised:
        call()
    assert said in in_commands(raised.value.message)
    assert not PYTHON.search(in_commands(raised.value.message))


def test_the_note_of_a_pool_that_was_left_early_names_commands() -> None:
    assert in_commands(left_early(["j1"], 0, journal=True)).endswith(
        "To wait for one: `decart wait ID`, or run the same command again, or `decart jobs resume --out FOLDER`."
    )
    assert in_commands(wait_cancelled("j1").message).endswith("The job continues, and is billed.")
