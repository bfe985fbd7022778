"""How the path of a target is interpreted, and the sentence that refuses one."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.disks import mounted
from support.fakes import LAKE, FakeTransport, client_of
from support.saving import DONE, asave, download, save
from support.served_video import STEADY, VIDEO, ServedVideo, client_for, files

from decart import InvalidInputError
from decart.targets import check_target

NOBODY = 65534


class Odd:
    """A path-like object whose path is invalid."""

    def __init__(self, path: object) -> None:
        self._path = path

    def __fspath__(self) -> object:
        if isinstance(self._path, Exception):
            raise self._path
        return self._path


@pytest.mark.parametrize("path", ["\ud800.mp4", Odd(3), Odd(RuntimeError("no path")), Odd(b"lake.mp4"), ""])
def test_an_invalid_path_is_refused(path: object) -> None:
    with pytest.raises(
        InvalidInputError, match=r"^path must be the name of a file \(str or pathlib.Path\), not [^\n]+\.$"
    ):
        download(path)


@pytest.mark.parametrize("how", ["download", "poll", "submit"])
def test_a_relative_path_starts_in_the_current_folder_at_the_time_of_the_call(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    client, _ = client_for(ServedVideo(on_piece=lambda: os.chdir(there)), retry=STEADY)
    if how == "download":
        path: Path | None = client.queue.download("j1", "lake.mp4")
    else:
        path = client.queue.poll("j1", save_to="lake.mp4").path
    assert path is not None and path.read_bytes() == VIDEO
    assert (files(here), files(there)) == (["lake.mp4"], [])


def test_asave_uses_the_current_folder_at_the_time_of_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    moved = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        loop.run_in_executor(None, moved.wait, 30)  # so that no thread is free yet
        saving = asyncio.ensure_future(DONE.asave("lake.mp4"))
        await asyncio.sleep(0)  # it has begun
        os.chdir(tmp_path)
        moved.set()
        await saving

    asyncio.run(main())
    assert (tmp_path / "here" / "lake.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("way", [download, save, asave])
def test_in_a_folder_that_was_deleted_only_a_relative_path_is_refused(
    way: Callable[[Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    assert way(tmp_path / "lake.mp4").read_bytes() == VIDEO
    with pytest.raises((FileNotFoundError, InvalidInputError), match="No such file|does not exist"):
        way("lake.mp4")


@pytest.mark.parametrize("way", [download, save, asave])
def test_a_tilde_is_the_home_folder(
    way: Callable[[Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert way("~/lake.mp4") == tmp_path / "lake.mp4"
    assert way(Path("~") / "pond.mp4") == tmp_path / "pond.mp4"
    assert files(tmp_path) == ["lake.mp4", "pond.mp4"]


@pytest.mark.parametrize("typed", ["no/such/lake.mp4", "~nobody-here/lake.mp4", "../missing/lake.mp4"])
def test_a_missing_folder_is_named_with_the_path_as_typed(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = f"{typed} cannot be written: the folder {os.path.dirname(typed)} does not exist."
    with pytest.raises(InvalidInputError) as refused:
        client_of(FakeTransport()).queue.submit_and_poll(LAKE, save_to=typed)
    assert str(refused.value) == f"save_to: {sentence}"
    for way in (save, asave):
        with pytest.raises(FileNotFoundError) as missing:
            way(typed)
        assert str(missing.value) == sentence
    assert files(tmp_path) == []


@pytest.mark.parametrize("typed", ["out/", "out", ".", ".."])
def test_the_name_of_a_folder_is_refused(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if typed == "out":
        os.mkdir("out")
    with pytest.raises(InvalidInputError, match="is a folder; name a file in it"):
        client_of(FakeTransport()).queue.download("j1", typed)
    with pytest.raises(IsADirectoryError):
        save(typed)


def test_a_name_that_is_too_long_for_the_disk_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="File name too long"):
        client_of(FakeTransport()).queue.submit_and_poll(LAKE, save_to=tmp_path / ("a" * 256))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Become a user who may write nowhere, if the tests are run by root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_that_cannot_be_written_to_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        with unprivileged(), pytest.raises(InvalidInputError) as caught:
            check_target(f"{folder}/lake.mp4")
        os.chmod(folder, 0o755)
    assert str(caught.value) == f"path: {folder}/lake.mp4 cannot be written: the folder {folder} is not writable."


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc here")
@pytest.mark.parametrize("way", [download, save])
def test_a_folder_in_which_no_file_can_be_created_is_an_error_that_names_the_target(way: Callable[[Any], Path]) -> None:
    with pytest.raises((OSError, InvalidInputError), match="/proc/self/lake.mp4") as caught:
        way("/proc/self/lake.mp4")
    assert ".json" not in str(caught.value)


def test_a_refusal_names_the_argument() -> None:
    for name, path, words in (("path", 3, " must be the name of a file"), ("save_to", "/", ": / is a folder")):
        with pytest.raises(InvalidInputError, match=f"^{name}{words}"):
            check_target(path, name)
    with pytest.raises(InvalidInputError, match=r"^path: \. is a folder"):
        client_of(FakeTransport()).queue.download("j1", ".")
    for save_to in (3, "."):
        with pytest.raises(InvalidInputError, match="^save_to"):
            client_of(FakeTransport()).queue.poll("j1", save_to=save_to)  # type: ignore[arg-type]


def test_a_full_disk_is_an_error_with_the_path_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with mounted("-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tmp_path)):
        (tmp_path / "pond.mp4").write_bytes(bytes(4096))
        with pytest.raises(OSError, match=r"No space left on device: '~/lake\.mp4'$"):
            save("~/lake.mp4")
        assert files(tmp_path) == ["pond.mp4"]


def test_a_download_onto_a_full_disk_says_how_to_fetch_the_video_elsewhere(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tmp_path)):
        (tmp_path / "pond.mp4").write_bytes(bytes(4096))
        with pytest.raises(OSError, match=r"No space left on device: '.*/lake\.mp4'") as caught:
            client_for(ServedVideo())[0].queue.poll("j1", save_to=tmp_path / "lake.mp4")
        assert caught.value.__notes__ == ["Job j1 is done. Fetch its video with client.queue.download('j1', path)."]
        assert files(tmp_path) == ["pond.mp4"]


@pytest.mark.parametrize("way", ["save", "asave"])
def test_a_video_whose_file_is_gone_cannot_be_saved_elsewhere_and_the_error_says_how_to_fetch_it_again(
    way: str, tmp_path: Path
) -> None:
    result = client_for(ServedVideo())[0].queue.poll("j1", save_to=tmp_path / "lake.mp4")
    (tmp_path / "lake.mp4").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        if way == "save":
            result.save(tmp_path / "copy.mp4")
        else:
            asyncio.run(result.asave(tmp_path / "copy.mp4"))
    assert str(caught.value) == (
        f"The video of job j1 is no longer at {tmp_path}/lake.mp4; "
        "fetch it again with client.queue.download('j1', path)."
    )
    assert files(tmp_path) == []


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "lake.mp4").write_bytes(b"the old one")
    assert check_target(str(tmp_path / "lake.mp4")) == check_target(tmp_path / "lake.mp4") == tmp_path / "lake.mp4"
    check_target(tmp_path / "pond.mp4")
    assert files(tmp_path) == ["lake.mp4"]
    assert (tmp_path / "lake.mp4").read_bytes() == b"the old one"
