"""Disks that fail, fill up or have no ``fsync``: an error or a complete file, and no unreliable part."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from support.disks import fsync_fails
from support.saving import download, save
from support.served_video import VIDEO, ServedVideo, client_for, files

REAL_FSYNC = os.fsync

both = pytest.mark.parametrize("way", [download, save], ids=["download", "save"])


@both
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_fsync_keeps_the_data(
    way: Callable[[Path], Path], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync_fails(monkeypatch, number)
    assert way(tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]


@both
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_flushed_is_not_an_error(
    way: Callable[[Path], Path], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync_fails(monkeypatch, number, folders=True)
    assert way(tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]


@both
def test_the_file_is_flushed_before_it_is_renamed_and_the_folder_after_it(
    way: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append(f"{'folder' if folder else 'file'}, {'renamed' if (tmp_path / 'lake.mp4').exists() else 'hidden'}")
        REAL_FSYNC(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    way(tmp_path / "lake.mp4")
    assert steps == ["file, hidden", "folder, renamed"]


@both
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_after_a_disk_error_the_target_is_unchanged_and_the_part_is_not_trusted(
    way: Callable[[Path], Path], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"the old one")
    with monkeypatch.context() as failing:
        fsync_fails(failing, number)
        with pytest.raises(OSError) as caught:
            way(target)
    assert caught.value.errno == number
    assert target.read_bytes() == b"the old one"
    assert files(tmp_path) == ["lake.mp4"]
    served = ServedVideo()
    assert client_for(served)[0].queue.download("j1", target).read_bytes() == VIDEO
    assert served.asked == [(None, None)]


def test_a_disk_error_ends_an_awaited_download_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync_fails(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        asyncio.run(client_for(ServedVideo())[0].aio.queue.download("j1", tmp_path / "lake.mp4"))
    assert files(tmp_path) == []


def test_a_file_that_is_too_large_for_the_disk_leaves_nothing(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import resource, signal, sys
        sys.path.insert(0, sys.argv[2])
        from support.served_video import VIDEO, ServedVideo, client_for
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
        try:
            client_for(ServedVideo())[0].queue.download("j1", sys.argv[1])
        except OSError as error:
            print(error.strerror)
    """)
    tests = os.path.dirname(os.path.dirname(__file__))
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-B", "-c", program, str(tmp_path / "lake.mp4"), tests]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=unmeasured)
    assert done.stdout == "File too large\n", done.stderr
    assert files(tmp_path) == []


@both
def test_a_target_that_cannot_be_replaced_is_an_error_and_unchanged(
    way: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "lake.mp4"
    target.write_bytes(b"the old one")

    def fail(source: object, destination: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as failing:
        failing.setattr(os, "replace", fail)
        with pytest.raises(PermissionError):
            way(target)
    assert target.read_bytes() == b"the old one"
    client, transport = client_for(ServedVideo())
    assert client.queue.download("j1", target).read_bytes() == VIDEO
    if way is download:  # the part was complete
        assert transport.sent == ["GET /v1/jobs/j1"]
    assert files(tmp_path) == ["lake.mp4"]
