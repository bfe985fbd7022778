"""What a video is saved to when the path is not just the name of a new file in a folder."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.fakes import LAKE, FakeTransport, client_of
from test_download import STEADY, VIDEO, Shelf, files, having

from decart import InvalidInputError, QueueJobResult, QueueResultError, RetryPolicy

DONE = QueueJobResult(job_id="j1", status="completed", data=VIDEO)
ONCE = RetryPolicy(attempts=1, jitter=0)


def download(path: Any) -> Path:
    return having(Shelf())[0].queue.download("j1", path)


def save(path: Any) -> Path:
    return DONE.save(path)


def asave(path: Any) -> Path:
    return asyncio.run(DONE.asave(path))


def copy(path: Any) -> Path:
    """Save a result that is in a file already."""
    place = Path(path).parent / "first.mp4"
    place.write_bytes(VIDEO)
    try:
        return QueueJobResult(job_id="j1", status="completed", path=place).save(path)
    finally:
        place.unlink()


WAYS = [download, save, asave, copy]
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


def interrupted(target: Path) -> None:
    """Leave a part of 300 bytes."""
    with pytest.raises(QueueResultError):
        having(Shelf(breaks=(300,)), retry=ONCE)[0].queue.download("j1", target)


# FIFOs, sockets and devices


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def fifo_behind_a_link(path: Path) -> None:
    os.mkfifo(f"{path}.fifo")
    path.symlink_to(f"{path}.fifo")


SPECIAL: list[tuple[Callable[[Path], object], str]] = [
    (os.mkfifo, "FIFO"),
    (listening, "socket"),
    (partial(os.symlink, os.devnull), "device"),
    (fifo_behind_a_link, "FIFO"),
]


@pytest.mark.parametrize(("make", "kind"), SPECIAL, ids=["FIFO", "socket", "device", "link to a FIFO"])
def test_a_special_file_is_refused_before_anything_is_sent_and_stays(
    make: Callable[[Path], object], kind: str, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    make(target)
    before = target.lstat()
    names = files(tmp_path)
    client = client_of(FakeTransport())  # which has no answer
    for refused in (
        lambda: client.queue.download("j1", target),
        lambda: client.queue.submit_and_poll(LAKE, save_to=target),
        lambda: client.queue.poll("j1", save_to=target),
    ):
        with pytest.raises(InvalidInputError, match=f"{target} is a {kind}, not a regular file"):
            refused()
    for way in (save, asave):
        with pytest.raises(OSError, match=f"{target} is a {kind}, not a regular file"):
            way(target)
    assert os.path.samestat(target.lstat(), before)
    assert files(tmp_path) == names


def test_a_fifo_that_takes_the_targets_place_meanwhile_stays_and_the_video_is_not_lost(tmp_path: Path) -> None:
    target = tmp_path / "out"

    def take_its_place() -> None:
        if not target.exists():
            os.mkfifo(target)

    with pytest.raises(OSError, match="is a FIFO"):
        having(Shelf(on_piece=take_its_place))[0].queue.download("j1", target)
    assert stat.S_ISFIFO(target.stat().st_mode)
    target.unlink()
    client, transport = having(Shelf())
    assert client.queue.download("j1", target).read_bytes() == VIDEO
    assert transport.sent == ["GET /v1/jobs/j1"]  # all of it was there
    assert files(tmp_path) == ["out"]


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("folder", ["/proc/self/fd", "/dev/fd"])
def test_an_open_file_of_a_process_is_refused(tmp_path: Path, folder: str, deleted: bool) -> None:
    """To replace it would take all else away that is written to it, such as to a log that is /dev/stdout."""
    if not os.path.isdir(folder):
        pytest.skip("there are no paths of open files here")
    with open(tmp_path / "log", "wb") as file:
        if deleted:
            os.unlink(file.name)
        (tmp_path / "link").symlink_to(f"{folder}/{file.fileno()}")
        for path in (f"{folder}/{file.fileno()}", tmp_path / "link"):
            with pytest.raises(InvalidInputError, match="is an open file of a process"):
                download(path)
    assert files(tmp_path) == ["link"] if deleted else ["link", "log"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr"])
def test_the_standard_streams_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="path: /dev/std"):
        download(name)


class Odd:
    """A path-like object whose path is no good."""

    def __init__(self, path: object) -> None:
        self._path = path

    def __fspath__(self) -> object:
        if isinstance(self._path, Exception):
            raise self._path
        return self._path


@pytest.mark.parametrize("path", ["\ud800.mp4", Odd(3), Odd(RuntimeError("no path")), Odd(b"lake.mp4"), ""])
def test_a_path_that_cannot_be_one_is_an_error_of_ours(path: object) -> None:
    with pytest.raises(InvalidInputError, match=r"^path: [^\n]+\.$"):
        download(path)


# symbolic links


@every_way
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("links", [1, 3])
def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(
    way: Callable[[Any], Path], exists: bool, links: int, tmp_path: Path
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    real = there / "real.mp4"
    if exists:
        real.write_bytes(b"the old one")
    target = real
    for number in range(links):
        leads_to = Path(os.path.relpath(target, here)) if number % 2 else target
        target = here / f"link{number}.mp4"
        target.symlink_to(leads_to)
    with real.open("rb") if exists else nullcontext() as old:
        assert way(target) == target
        assert old is None or old.read() == b"the old one"  # replaced, not written into
    assert target.is_symlink()
    assert not real.is_symlink()
    assert real.read_bytes() == VIDEO
    assert files(there) == ["real.mp4"]
    assert len(files(here)) == links


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_a_loop_of_links_is_refused_in_one_sentence(names: tuple[str, ...], tmp_path: Path) -> None:
    for name, next_name in zip(names, (*names[1:], names[0]), strict=True):
        (tmp_path / name).symlink_to(next_name)
    with pytest.raises(InvalidInputError, match="a cannot be written to: Too many levels of symbolic links"):
        client_of(FakeTransport()).queue.download("j1", tmp_path / "a")
    with pytest.raises(OSError, match="a cannot be written to: Too many levels of symbolic links"):
        save(tmp_path / "a")


def test_a_link_into_a_folder_that_is_missing_is_refused_with_both_names(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "missing" / "lake.mp4")
    with pytest.raises(InvalidInputError, match=r"link cannot be written: the folder .*missing, which .*link leads to"):
        client_of(FakeTransport()).queue.download("j1", tmp_path / "link")


# links that somebody else put in the place of our own files


@pytest.mark.parametrize("suffix", [".part", ".json"])
@pytest.mark.parametrize("kind", ["symbolic", "dangling", "hard"])
def test_nothing_is_written_through_a_link_in_the_place_of_a_file_of_ours(
    suffix: str, kind: str, tmp_path: Path
) -> None:
    folder, precious = tmp_path / "videos", tmp_path / "precious"
    folder.mkdir()
    interrupted(folder / "lake.mp4")
    (place,) = folder.glob(f".*{suffix}")
    place.unlink()
    if kind == "hard":
        precious.write_bytes(b"precious")
        place.hardlink_to(precious)
    else:
        place.symlink_to(precious)
        if kind == "symbolic":
            precious.write_bytes(b"precious")
    assert download(folder / "lake.mp4").read_bytes() == VIDEO
    if kind == "dangling":
        assert not precious.exists()
    else:
        assert precious.read_bytes() == b"precious"
        assert place.samefile(precious)


# permissions


@every_way
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664, 0o777])
def test_the_permissions_of_an_existing_file_are_kept(way: Callable[[Any], Path], mode: int, tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"the old one")
    target.chmod(mode)
    way(target)
    assert target.read_bytes() == VIDEO
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_part_is_as_private_as_the_file_that_it_replaces(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"secret")
    target.chmod(0o400)
    interrupted(target)
    (part,) = tmp_path.glob(".*.part")
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    shelf = Shelf()
    having(shelf)[0].queue.download("j1", target)
    assert shelf.asked == [("bytes=300-", '"v1"')]
    assert stat.S_IMODE(target.stat().st_mode) == 0o400


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may give files away")
@every_way
def test_the_owner_of_an_existing_file_is_kept(way: Callable[[Any], Path], tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"the old one")
    os.chown(target, 1234, 1235)
    way(target)
    assert (target.stat().st_uid, target.stat().st_gid) == (1234, 1235)


# a file that cannot be replaced


@contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(["mount", *arguments], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", arguments[-1]], check=True)


@every_way
@pytest.mark.parametrize("old", [b"", b"the old one", VIDEO * 2])
def test_a_bind_mounted_file_is_written_into(way: Callable[[Any], Path], old: bytes, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside.mp4", tmp_path / "container"
    folder.mkdir()
    outside.write_bytes(old)
    target = folder / "lake.mp4"
    target.touch()
    with mounted("--bind", str(outside), str(target)):
        way(target)
        assert target.read_bytes() == VIDEO
        assert files(folder) == ["lake.mp4"]
    assert outside.read_bytes() == VIDEO


def test_a_bind_mounted_file_on_a_full_disk_stays_as_it_was_and_the_video_is_kept(tmp_path: Path) -> None:
    video, small, folder = VIDEO * 300, tmp_path / "small", tmp_path / "container"
    folder.mkdir()
    small.mkdir()
    target = folder / "lake.mp4"
    target.touch()
    with mounted("-t", "tmpfs", "-o", "size=100k", "tmpfs", str(small)):
        (small / "lake.mp4").write_bytes(b"the old one")
        with mounted("--bind", str(small / "lake.mp4"), str(target)):
            with pytest.raises(OSError, match="No space left"):
                having(Shelf(video))[0].queue.download("j1", target)
            assert target.read_bytes() == b"the old one"
        target.unlink()
        client, transport = having(Shelf(video))
        assert client.queue.download("j1", target).read_bytes() == video
        assert transport.sent == ["GET /v1/jobs/j1"]
        assert files(folder) == ["lake.mp4"]


# what a path means


@pytest.mark.parametrize("how", ["download", "poll", "submit"])
def test_a_relative_path_starts_in_the_folder_of_the_moment_of_the_call(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    client, _ = having(Shelf(on_piece=lambda: os.chdir(there)), retry=STEADY)
    if how == "download":
        path: Path | None = client.queue.download("j1", "lake.mp4")
    else:
        path = client.queue.poll("j1", save_to="lake.mp4").path
    assert path is not None and path.read_bytes() == VIDEO
    assert (files(here), files(there)) == (["lake.mp4"], [])


def test_asave_means_the_folder_of_the_moment_of_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    moved = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        loop.run_in_executor(None, moved.wait, 30)  # so that there is no thread for it yet
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
def test_a_missing_folder_is_told_in_one_sentence_with_the_path_as_typed(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sentence = f"{typed} cannot be written: the folder {os.path.dirname(typed)} does not exist."
    with pytest.raises(InvalidInputError) as refused:
        client_of(FakeTransport()).queue.submit_and_poll(LAKE, save_to=typed)
    assert str(refused.value) == f"path: {sentence}"
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
