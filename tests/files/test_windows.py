"""What differs on Windows, as far as another system can show it: names, missing calls, and a target that is open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.served_video import VIDEO, ServedVideo, client_for, files

from decart import QueueJobResult
from decart.targets import flaw_on_windows


@pytest.mark.parametrize(
    "name", ["nul", "NUL.mp4", "con", "Aux .mp4", "com1", "LPT9.tar.gz", "COM\u00b2", "conout$.mp4"]
)
def test_the_name_of_a_device_is_no_target_on_windows(name: str) -> None:
    assert flaw_on_windows(name).endswith("is the name of a device on Windows")


@pytest.mark.parametrize("name", ["12:30.mp4", "lake.mp4:stream", "what?.mp4", 'a"b.mp4', "a\\b.mp4", "a\tb.mp4"])
def test_a_name_with_a_character_that_windows_forbids_is_no_target_there(name: str) -> None:
    assert flaw_on_windows(name).startswith("Windows does not allow '")


@pytest.mark.parametrize("name", ["lake.", "lake.mp4 "])
def test_a_name_that_windows_would_shorten_is_no_target_there(name: str) -> None:
    assert flaw_on_windows(name) == "Windows does not allow a dot or space at the end of a file name"


@pytest.mark.parametrize("name", ["lake.mp4", "null.mp4", "com10.mp4", "my con.mp4", ".nul", "\u96ea.mp4", "a.b c.mp4"])
def test_any_other_name_is_a_target_on_windows_too(name: str) -> None:
    assert flaw_on_windows(name) == ""


def test_files_are_written_without_the_calls_and_flags_that_windows_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fchown", "fchmod", "posix_fallocate", "O_NOFOLLOW", "O_CLOEXEC"):
        monkeypatch.delattr(os, name, raising=False)
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"the old one")
    assert client_for(ServedVideo())[0].queue.download("j1", target).read_bytes() == VIDEO
    QueueJobResult(job_id="j1", status="completed", data=b"another").save(target)
    assert target.read_bytes() == b"another"
    assert files(tmp_path) == ["lake.mp4"]


def test_every_file_is_opened_in_binary_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real_open, binary = os.open, 1 << 30

    def open_on_windows(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if path != tmp_path:
            assert flags & binary, path
            opened.append(Path(path).suffix)
        return real_open(path, flags & ~binary, mode)

    monkeypatch.setattr(os, "O_BINARY", binary, raising=False)
    monkeypatch.setattr(os, "open", open_on_windows)
    client_for(ServedVideo())[0].queue.download("j1", tmp_path / "lake.mp4")
    assert {".json", ".part"} <= set(opened)


def test_a_target_that_is_open_elsewhere_keeps_its_content_and_the_download_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"playing")

    def replace(source: object, destination: object) -> None:
        raise PermissionError(13, "Access is denied")

    with monkeypatch.context() as windows:
        windows.setattr(os, "replace", replace)
        with pytest.raises(PermissionError, match=rf"Access is denied: '{target}'") as caught:
            client_for(ServedVideo())[0].queue.download("j1", target)
        with pytest.raises(PermissionError, match=rf"Access is denied: '{target}'"):
            QueueJobResult(job_id="j1", status="completed", data=b"another").save(target)
    assert caught.value.__notes__ == ["Job j1 is done. Fetch its video with client.queue.download('j1', path)."]
    assert target.read_bytes() == b"playing"
    again = ServedVideo()
    assert client_for(again)[0].queue.download("j1", target).read_bytes() == VIDEO
    assert (again.given, files(tmp_path)) == (0, ["lake.mp4"])
