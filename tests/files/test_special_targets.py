"""Targets other than a new file in a folder: devices, symlinks, mount points, special permissions."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.disks import mounted
from support.fakes import LAKE, FakeTransport, client_of
from support.programs import UNMEASURED
from support.saving import asave, download, every_way, save
from support.served_video import VIDEO, ServedVideo, client_for, files

from decart import InvalidInputError, QueueResultError, RetryPolicy

ONCE = RetryPolicy(attempts=1, jitter=0)


def interrupted(target: Path) -> None:
    """Leave a part of 300 bytes."""
    with pytest.raises(QueueResultError):
        client_for(ServedVideo(breaks=(300,)), retry=ONCE)[0].queue.download("j1", target)


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
def test_a_special_file_is_refused_before_anything_is_sent_and_left_alone(
    make: Callable[[Path], object], kind: str, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    make(target)
    before = target.lstat()
    names = files(tmp_path)
    client = client_of(FakeTransport())  # which has no response
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


def test_the_advice_for_a_fifo_is_code_that_runs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    with pytest.raises(InvalidInputError) as caught:
        download(tmp_path / "out")
    code = str(caught.value).partition("write to it yourself: ")[2]
    with ThreadPoolExecutor(1) as threads:
        received = threads.submit((tmp_path / "out").read_bytes)
        exec(code, {"client": client_for(ServedVideo())[0], "job_id": "j1"})
        assert received.result(30) == VIDEO


def test_a_fifo_that_replaces_the_target_meanwhile_stays_and_the_video_is_not_lost(tmp_path: Path) -> None:
    target = tmp_path / "out"

    def take_its_place() -> None:
        if not target.exists():
            os.mkfifo(target)

    with pytest.raises(OSError, match="is a FIFO"):
        client_for(ServedVideo(on_piece=take_its_place))[0].queue.download("j1", target)
    assert stat.S_ISFIFO(target.stat().st_mode)
    target.unlink()
    client, transport = client_for(ServedVideo())
    assert client.queue.download("j1", target).read_bytes() == VIDEO
    assert transport.sent == ["GET /v1/jobs/j1"]  # it was complete
    assert files(tmp_path) == ["out"]


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("folder", ["/proc/self/fd", "/dev/fd"])
def test_an_open_file_of_a_process_is_refused(tmp_path: Path, folder: str, deleted: bool) -> None:
    """Replacing /dev/stdout would lose everything else that is written to it, such as a log."""
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
    with pytest.raises(InvalidInputError, match="a cannot be written: Too many levels of symbolic links"):
        client_of(FakeTransport()).queue.download("j1", tmp_path / "a")
    with pytest.raises(OSError, match="a cannot be written: Too many levels of symbolic links"):
        save(tmp_path / "a")


def test_a_link_into_a_folder_that_is_missing_is_refused_with_both_names(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "missing" / "lake.mp4")
    with pytest.raises(InvalidInputError, match=r"link cannot be written: the folder .*missing, which .*link leads to"):
        client_of(FakeTransport()).queue.download("j1", tmp_path / "link")


# links that another user put in place of the hidden files


@pytest.mark.parametrize("suffix", [".part", ".json"])
@pytest.mark.parametrize("kind", ["symbolic", "dangling", "hard"])
def test_nothing_is_written_through_a_link_in_place_of_a_hidden_file(suffix: str, kind: str, tmp_path: Path) -> None:
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
    served = ServedVideo()
    client_for(served)[0].queue.download("j1", target)
    assert served.asked == [("bytes=300-", '"v1"')]
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


def test_a_bind_mounted_file_is_written_by_one_download_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, target = tmp_path / "outside.mp4", tmp_path / "container" / "lake.mp4"
    target.parent.mkdir()
    target.touch()
    outside.touch()
    locks: list[tuple[int, bool]] = []
    real_flock = fcntl.flock

    def flock(file: Any, operation: int) -> None:
        if os.path.samestat(os.fstat(file.fileno()), outside.stat()):
            locks.append((operation, outside.read_bytes() == VIDEO))
        real_flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with mounted("--bind", str(outside), str(target)):
        download(target)
    assert locks == [(fcntl.LOCK_EX, False), (fcntl.LOCK_UN, True)]


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
                client_for(ServedVideo(video))[0].queue.download("j1", target)
            assert target.read_bytes() == b"the old one"
        target.unlink()
        client, transport = client_for(ServedVideo(video))
        assert client.queue.download("j1", target).read_bytes() == video
        assert transport.sent == ["GET /v1/jobs/j1"]
        assert files(folder) == ["lake.mp4"]


SHORT_OF_SPACE = """
import os, resource, signal, sys
sys.path.insert(0, sys.argv[2])
from support.served_video import ServedVideo, client_for
real_fsync = os.fsync
def fsync(descriptor):  # of the part, before it is copied: from now on, no file can be written beyond 500 bytes
    real_fsync(descriptor)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
os.fsync = fsync
signal.signal(signal.SIGXFSZ, getattr(signal, sys.argv[3]))
try:
    client_for(ServedVideo())[0].queue.download("j1", sys.argv[1])
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("action", ["SIG_IGN", "SIG_DFL"], ids=["an error", "a kill"])
def test_a_copy_that_stops_in_the_middle_is_completed_by_the_next_download(action: str, tmp_path: Path) -> None:
    outside, target = tmp_path / "outside.mp4", tmp_path / "container" / "lake.mp4"
    target.parent.mkdir()
    target.touch()
    outside.write_bytes(bytes(2 * len(VIDEO)))  # it need not grow, so the check for free space passes
    tests = os.path.dirname(os.path.dirname(__file__))
    with mounted("--bind", str(outside), str(target)):
        command = [sys.executable, "-B", "-c", SHORT_OF_SPACE, str(target), tests, action]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=UNMEASURED)
        if action == "SIG_IGN":
            assert done.stdout == f"[Errno 27] File too large: '{target}'\n", done.stderr
        else:
            assert done.returncode == -signal.SIGXFSZ, done.stderr
        assert target.read_bytes()[:500] == VIDEO[:500] != target.read_bytes()[500:1000]
        client, transport = client_for(ServedVideo())
        assert client.queue.download("j1", target).read_bytes() == VIDEO
        assert transport.sent == ["GET /v1/jobs/j1"]  # nothing is fetched again
        assert files(target.parent) == ["lake.mp4"]
