"""`decart.partfile`: parts of files, found again, locked, and moved to their target when they are complete."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from decart import InvalidInputError
from decart.partfile import PartFile, check_target

NOBODY = 65534


def part_of(tmp_path: Path) -> PartFile:
    return PartFile(tmp_path / "lake.mp4", "https://api.test j1").open()


def left(tmp_path: Path) -> int:
    """Return how many bytes the next download would find."""
    part = part_of(tmp_path)
    part.close()
    return part.size


def test_a_part_is_found_again_with_what_is_known_of_the_whole(tmp_path: Path) -> None:
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


def test_a_part_that_is_in_use_is_left_alone_by_the_next_which_is_not_kept(tmp_path: Path) -> None:
    first, second = part_of(tmp_path), part_of(tmp_path)
    for part, data in ((first, b"1"), (second, b"22")):
        part.begin('"v1"', 9)
        part.write(data)
    second.close()
    first.close()
    assert left(tmp_path) == 1


def test_a_part_that_is_begun_anew_has_only_its_new_note(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.begin('"a long name for the content"', 1000)
    part.write(b"12345")
    part.begin('"v2"', 9)
    part.write(b"1234")
    part.close()
    again = part_of(tmp_path)
    assert (again.size, again.validator, again.total) == (4, '"v2"', 9)
    again.close()


def test_a_part_that_is_longer_than_its_whole_is_not_resumed(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.begin('"v1"', 3)
    part.write(b"12345")
    part.close()
    assert left(tmp_path) == 0


def test_a_part_that_is_closed_while_a_thread_makes_it_durable_is_held_until_that_is_done(
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
        assert other.size == 0  # and does not get what the first one has
        other.begin('"v1"', 5)
        other.close()
        let_go.set()
        assert finishing.result(30).read_bytes() == b"12345"
    assert [path.name for path in tmp_path.iterdir()] == ["lake.mp4"]


def test_what_a_late_thread_writes_after_the_end_goes_nowhere(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.begin('"v1"', 9)
    part.write(b"1")
    part.close()
    part.write(b"2")
    part.begin('"v2"', 9)
    with pytest.raises(ValueError, match="This part file is closed"):
        part.finish()
    assert left(tmp_path) == 1


def test_a_part_without_anything_in_it_or_without_a_name_for_its_content_is_not_kept(tmp_path: Path) -> None:
    for validator, data in (('"v1"', b""), (None, b"x")):
        part = part_of(tmp_path)
        part.begin(validator, None)
        part.write(data)
        part.close()
        assert list(tmp_path.iterdir()) == []


@contextmanager
def without_power() -> Iterator[None]:
    """Be somebody who may not write anywhere, if the tests are run by somebody who may."""
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
        with (
            without_power(),
            pytest.raises(
                InvalidInputError, match=rf"no file can be created in the folder {folder} \(Permission denied\)"
            ),
        ):
            check_target(f"{folder}/lake.mp4")
        os.chmod(folder, 0o755)


def test_a_path_may_be_given_as_str_or_as_a_path_and_may_exist(tmp_path: Path) -> None:
    (tmp_path / "lake.mp4").write_bytes(b"")
    assert check_target(str(tmp_path / "lake.mp4")) == check_target(tmp_path / "lake.mp4") == tmp_path / "lake.mp4"
    assert check_target("lake.mp4") == Path.cwd() / "lake.mp4"
