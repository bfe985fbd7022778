"""`decart.partfile`: parts that are resumed, locked, and moved to their target once they are complete."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.disks import fsync_fails, mounted
from support.served_video import VIDEO, ServedVideo, client_for, files

from decart.partfile import PartFile


def part_of(tmp_path: Path) -> PartFile:
    return PartFile(tmp_path / "lake.mp4", "https://api.test j1").open()


def remaining(tmp_path: Path) -> int:
    """Return how many bytes the next download would resume."""
    part = part_of(tmp_path)
    part.close()
    return part.size


def test_a_part_is_resumed_with_its_validator_and_total(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    assert (part.size, part.validator, part.total) == (0, None, None)
    part.begin('"v1"', 9)
    part.write(b"1234")
    part.close()
    again = part_of(tmp_path)
    assert (again.size, again.validator, again.total) == (4, '"v1"', 9)
    again.write(b"56789")
    assert again.finish().read_bytes() == b"123456789"
    assert [path.name for path in tmp_path.iterdir()] == ["lake.mp4"]
    again.close()  # does nothing


def test_while_a_part_is_in_use_another_download_has_a_private_one_that_is_not_kept(tmp_path: Path) -> None:
    first, second = part_of(tmp_path), part_of(tmp_path)
    for part, data in ((first, b"1"), (second, b"22")):
        part.begin('"v1"', 9)
        part.write(data)
    second.close()
    assert len(files(tmp_path)) == 2  # those of the first
    first.close()
    assert remaining(tmp_path) == 1


def test_a_part_that_starts_over_has_only_its_new_note(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.begin('"a long name for the content"', 1000)
    part.write(b"12345")
    part.begin('"v2"', 9)
    part.write(b"1234")
    part.close()
    again = part_of(tmp_path)
    assert (again.size, again.validator, again.total) == (4, '"v2"', 9)
    again.close()


def test_a_part_that_is_longer_than_its_total_is_not_resumed(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.begin('"v1"', 3)
    part.write(b"12345")
    part.close()
    assert remaining(tmp_path) == 0


def test_a_part_that_is_closed_while_a_thread_flushes_it_stays_locked_until_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, let_go = threading.Event(), threading.Event()
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        entered.set()
        assert let_go.wait(30)
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    part = part_of(tmp_path)
    part.begin('"v1"', 5)
    part.write(b"12345")
    with ThreadPoolExecutor(1) as threads:
        finishing = threads.submit(part.finish)
        assert entered.wait(30)
        part.close()  # does not wait
        other = part_of(tmp_path)
        assert other.size == 0  # the first one still has the part
        other.begin('"v1"', 5)
        other.close()
        let_go.set()
        assert finishing.result(30).read_bytes() == b"12345"
    assert [path.name for path in tmp_path.iterdir()] == ["lake.mp4"]


def test_writes_after_close_have_no_effect(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.begin('"v1"', 9)
    part.write(b"1")
    part.close()
    part.write(b"2")
    part.begin('"v2"', 9)
    with pytest.raises(ValueError, match="This part file is closed"):
        part.finish()
    assert remaining(tmp_path) == 1


def test_a_part_that_is_empty_or_has_no_validator_is_not_kept(tmp_path: Path) -> None:
    for validator, data in (('"v1"', b""), (None, b"x")):
        part = part_of(tmp_path)
        part.begin(validator, None)
        part.write(data)
        part.close()
        assert list(tmp_path.iterdir()) == []


def interrupted(call: Any, moment: int) -> KeyboardInterrupt | None:
    """Interrupt a call as it enters or leaves the ``moment``-th function or context manager; return the interrupt."""
    left, tracing = moment, sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        code = frame.f_code
        if code.co_filename.endswith("partfile.py") or code.co_name == "__enter__":
            left -= event in ("call", "return")
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt as interrupt:
        return interrupt
    finally:
        sys.settrace(tracing)
    return None


def test_an_interrupt_at_any_moment_of_a_write_leaves_the_part_to_the_next_download(tmp_path: Path) -> None:
    moment, interrupt = 0, KeyboardInterrupt()
    while interrupt is not None:
        part = PartFile(tmp_path / "lake.mp4", "https://api.test j1", sync_interval=1).open()
        part.begin('"v1"', 99)
        part.write(b"123")
        interrupt = interrupted(lambda: part.write(b"45"), moment)  # noqa: B023 - it is called at once
        part.close()
        assert remaining(tmp_path) in (3, 5)  # while the interrupt, and with it the frames that it left, is alive
        moment += 1
    assert moment > 8


def test_what_killed_saves_have_left_is_removed_before_anything_is_written(tmp_path: Path) -> None:
    """They may be what fills the disk."""
    for suffix in ("json", "part"):
        (tmp_path / f".lake.mp4.0123456789ab.{suffix}").touch()
    part = PartFile(tmp_path / "lake.mp4").open()
    assert len(files(tmp_path)) == 2
    assert not list(tmp_path.glob(".lake.mp4.0123456789ab.*"))
    part.close()


# power cuts


def lose_power(folder: Path, **claims: int) -> None:
    """Make the part look as if it had been written before a reboot."""
    (note,) = folder.glob(".*.json")
    note.write_text(json.dumps({**json.loads(note.read_text()), "boot": "an earlier one", **claims}))


def written(tmp_path: Path, *pieces: bytes, sync_interval: int = 4) -> None:
    part = PartFile(tmp_path / "lake.mp4", "https://api.test j1", sync_interval=sync_interval).open()
    if not part.size:
        part.begin('"v1"', 99)
    for piece in pieces:
        part.write(piece)
    part.close()


def test_after_a_kill_everything_is_trusted_and_after_a_power_cut_what_was_flushed(tmp_path: Path) -> None:
    written(tmp_path, b"123", b"45", b"678")
    assert remaining(tmp_path) == 8
    lose_power(tmp_path)
    assert remaining(tmp_path) == 5  # 3 bytes are less than an interval
    written(tmp_path, b"abc", b"defg")  # the next flush is due an interval after the last one
    assert remaining(tmp_path) == 12
    lose_power(tmp_path)
    part = part_of(tmp_path)
    assert (part.size, part.validator, part.total) == (12, '"v1"', 99)
    part.begin('"v2"', None)
    part.write(b"xyz")
    part.close()
    lose_power(tmp_path)
    assert remaining(tmp_path) == 0


def test_a_part_that_is_shorter_than_its_note_says_is_resumed_and_noted_again(tmp_path: Path) -> None:
    written(tmp_path, b"1234")
    lose_power(tmp_path, synced=10**60)
    written(tmp_path, b"5678")
    assert remaining(tmp_path) == 8


def test_a_small_part_is_not_flushed_before_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync_fails(monkeypatch, errno.EIO)
    written(tmp_path, b"1234", sync_interval=5)
    assert remaining(tmp_path) == 4


def test_nothing_counts_as_flushed_on_a_file_system_that_cannot_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync_fails(monkeypatch, errno.ENOTSUP)
    written(tmp_path, b"1234", b"5678")
    assert remaining(tmp_path) == 8
    lose_power(tmp_path)
    assert remaining(tmp_path) == 0


def test_the_note_of_the_old_content_is_gone_from_the_disk_before_new_content_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, b"12345678")
    part = part_of(tmp_path)
    flushed: list[tuple[int, int]] = []
    (hidden,) = tmp_path.glob(".*.part")

    def fsync(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_size, hidden.stat().st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    part.begin('"v2"', 99)
    part.close()
    assert flushed == [(0, 8)]


@pytest.mark.parametrize("note", ["", "{}", "[]", "3", '{"boot": 1}', '{"validator": "v", "total": "9", "synced": 9}'])
def test_a_part_without_a_valid_note_is_not_resumed(note: str, tmp_path: Path) -> None:
    written(tmp_path, b"12345678")
    next(tmp_path.glob(".*.json")).write_text(note)
    assert remaining(tmp_path) == 0


# disks that are full or fail


@pytest.mark.parametrize(
    ("number", "size"), [(errno.ENOSPC, 4), (errno.EDQUOT, 4), (errno.EIO, 0)], ids=["full", "quota", "broken"]
)
def test_if_a_flush_fails_what_was_flushed_before_is_kept_only_if_the_disk_was_full(
    number: int, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = PartFile(tmp_path / "lake.mp4", "https://api.test j1", display_name="~/lake.mp4", sync_interval=4).open()
    part.begin('"v1"', 99)
    part.write(b"1234")
    calls, real_fsync = iter([number]), os.fsync

    def fsync(descriptor: int) -> None:
        if error := next(calls, None):
            raise OSError(error, os.strerror(error))
        real_fsync(descriptor)

    with monkeypatch.context() as once:
        once.setattr(os, "fsync", fsync)
        with pytest.raises(OSError) as caught:
            part.write(b"5678")
    assert str(caught.value) == f"[Errno {number}] {os.strerror(number)}: '~/lake.mp4'"
    part.close()
    assert remaining(tmp_path) == size


def test_a_download_on_a_full_disk_is_resumed_when_there_is_space(tmp_path: Path) -> None:
    video = VIDEO * 300
    with mounted("-t", "tmpfs", "-o", "size=100k", "tmpfs", str(tmp_path)):
        target, served = tmp_path / "lake.mp4", ServedVideo(video)
        with pytest.raises(OSError, match=f"No space left on device: '{target}'"):
            client_for(served)[0].queue.download("j1", target)
        (size,) = (part.stat().st_size for part in tmp_path.glob(".*.part"))
        assert 80_000 < size < 100_000 and size % 100 == 0  # all complete writes
        subprocess.run(["mount", "-o", "remount,size=1m", str(tmp_path)], check=True)
        served = ServedVideo(video)
        assert client_for(served)[0].queue.download("j1", target).read_bytes() == video
        assert served.asked == [(f"bytes={size}-", '"v1"')]
        assert files(tmp_path) == ["lake.mp4"]


def test_errors_name_the_target_as_it_was_typed_and_never_a_hidden_file(tmp_path: Path) -> None:
    for path, folder in ((tmp_path / "gone" / "lake.mp4", "missing"), (Path("/proc/self/lake.mp4"), "read-only")):
        with pytest.raises(OSError) as caught:
            PartFile(path, "j1", display_name=f"~/{folder}/lake.mp4").open()
        assert caught.value.filename == f"~/{folder}/lake.mp4"
        with pytest.raises(OSError) as caught:
            PartFile(path, "j1").open()
        assert caught.value.filename == str(path)
