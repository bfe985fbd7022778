"""The Flask example in a separate process, its settings, and the programs of docs/in-flask.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.documents import programs, run
from support.flask_app import (
    MIB,
    MP4,
    PAGE,
    SECONDS,
    UPLOAD,
    RunningEmulator,
    Visitor,
    flask_example,
    flask_run,
    serving_wsgi,
)

from decart import InvalidAPIKeyError
from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import RenderJob


def peak(process: int) -> int:
    """Return the most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def sparse(order: RenderJob, target: Path) -> None:
    """Write a file of as many MiB as the prompt says."""
    with target.open("wb") as file:
        file.truncate(int(order.prompt) * MIB)


def pass_through(visitor: Visitor, mib: int) -> None:
    """Upload so many MiB, and download as many."""
    page = visitor.submit(str(mib), ("in.mp4", MP4 + bytes(mib * MIB)))
    assert visitor.status(page)["status"] == "completed"
    with visitor.get(f"{page}/video", stream=True) as response:
        assert sum(map(len, response.iter_content(MIB))) == mib * MIB


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_large_files_pass_through_without_being_held_in_memory(tmp_path: Path) -> None:
    with (
        Emulator(pending=0, processing=0, renderer=sparse, background=False) as emulator,
        EmulatorServer(emulator) as server,
        flask_run(server.url, tmp_path) as (process, url),
    ):
        visitor = Visitor(url)
        pass_through(visitor, 2)
        before = peak(process)
        pass_through(visitor, 190)
        assert peak(process) - before < 16 * MIB


def test_the_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SECRET_KEY": "s", "DATABASE": str(tmp_path / "new folder" / "jobs.sqlite3")}
    service = {"DECART_API_KEY": "dct_key", "DECART_BASE_URL": "http://127.0.0.1:1"}
    for name, value in {**given, **service, "MAX_CONTENT_LENGTH": "5", "SESSION_COOKIE_SECURE": "1"}.items():
        monkeypatch.setenv(name, value)
    app = flask_example.create_app()
    config, client = app.config, app.extensions["decart"]
    assert {name: config[name] for name in given} == given
    assert repr(client) == "DecartClient(base_url='http://127.0.0.1:1')"
    assert (config["MAX_CONTENT_LENGTH"], config["SESSION_COOKIE_SECURE"]) == (5, True)
    assert flask_example.create_app({"SECRET_KEY": "mine"}).config["SECRET_KEY"] == "mine"
    assert Path(given["DATABASE"]).exists()


def test_without_a_secret_key_the_app_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(RuntimeError, match="SECRET_KEY is missing: set it in the environment"):
        flask_example.create_app()


def test_without_an_api_key_the_app_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidAPIKeyError, match="The API key is missing"):
        flask_example.create_app({"SECRET_KEY": "s", "DATABASE": str(tmp_path / "jobs.sqlite3")})


def test_the_programs_of_the_page_make_an_app_that_works(
    emulator: RunningEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DECART_API_KEY", "dct_local")
    monkeypatch.setenv("DECART_BASE_URL", emulator.url)
    names: dict[str, Any] = {"__name__": "app"}
    blocks = programs(PAGE)
    for block in blocks:
        run(block, names, PAGE)
    assert len(blocks) == 4
    with serving_wsgi(names["app"]) as url, names["client"]:
        visitor = Visitor(url)
        form = {**visitor.form(), "prompt": "a lake"}
        for _ in range(2):  # the second one is the same form again
            submitted = visitor.session.post(f"{url}/jobs", form, files={"video": UPLOAD}, timeout=SECONDS)
        page = f"/jobs/{form['key']}"
        assert (submitted.url, "pending" in submitted.text) == (url + page, True)
        emulator.finish()
        shown = visitor.get(page).text
        assert "completed" in shown
        (source, link) = re.findall(r'(?:src|href)="([^"]+)"', shown)
        part = visitor.get(source, headers={"Range": "bytes=6-7"})
        assert (part.status_code, part.content) == (206, b"of")
        assert visitor.get(link).headers["Content-Disposition"] == "attachment; filename=video.mp4"
        assert [visitor.get(f"/jobs/another{view}").status_code for view in ("", "/video")] == [404, 404]
    assert [order.prompt for order in emulator.studio.orders] == ["a lake"]
