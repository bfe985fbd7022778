"""Rendering in a separate process: however it ends, the job fails with a reason."""

from __future__ import annotations

import ast
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.media import job

from decart.emulator.render import IsolatedRenderer, RenderError

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")


@pytest.mark.parametrize(
    ("name", "limits", "reason"),
    [
        ("crash", {}, r"the renderer crashed \(SIG\w+\); a file may be broken"),
        ("hang", {"seconds": 1}, "rendering takes longer than 1 seconds"),
        pytest.param("fill", {}, "rendering takes too much memory", marks=on_linux),
        ("refuse", {}, "no \u00e4rger: a lake"),
    ],
)
def test_a_failed_render_has_a_reason_and_leaves_no_file(
    tmp_path: Path, name: str, limits: dict[str, float], reason: str
) -> None:
    target = tmp_path / "made.mp4"
    with pytest.raises(RenderError, match=f"^{reason}$"):
        IsolatedRenderer(function=f"support.renderers:{name}", **limits)(job("text-to-video", prompt="a lake"), target)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_job_in_progress_fails_when_the_renderer_is_closed(tmp_path: Path) -> None:
    renderer = IsolatedRenderer(function="support.renderers:hang")
    with ThreadPoolExecutor(1) as executor:
        work = executor.submit(renderer, job("text-to-video"), tmp_path / "made.mp4")
        while not (tmp_path / "made.mp4").exists() and not work.done():
            pass
        renderer.close()
        with pytest.raises(RenderError, match="the renderer crashed"):
            work.result()


def test_a_bug_is_reported_as_a_bug(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="^KeyError: 'a bug'$"):
        IsolatedRenderer(function="support.renderers:raise_bug")(job("text-to-video"), tmp_path / "made.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_process_receives_the_job_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p\u00efcture").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    request = job("motion", prompt="\u00e4 \ud800", inputs={"data": Path("p\u00efcture")}, trajectory=[(0, 0.5, 1.0)])
    IsolatedRenderer(function="support.renderers:write_job")(request, Path("made"))
    arrived = ast.literal_eval((tmp_path / "made").read_text("utf-8"))
    assert arrived == [request.prompt, str(tmp_path / "p\u00efcture"), [(0, 0.5, 1.0)]]


@on_linux
def test_the_process_inherits_no_environment_and_its_arguments_name_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECART_API_KEY", "dct_secret")
    IsolatedRenderer(function="support.renderers:expose")(job("text-to-video"), tmp_path / "exposed")
    exposed = json.loads((tmp_path / "exposed").read_text("utf-8"))
    assert sorted(exposed["environment"]) == ["PYTHONPATH"]
    interpreter, *arguments = exposed["arguments"]
    assert interpreter == sys.executable
    assert [argument for argument in arguments if "/" in argument or "dct_" in argument] == []
