"""`decart._disk`: parts of files, found again, locked, and given their name when they are whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from decart import InvalidInputError
from decart._disk import Part, _lock, check_target

NOBODY = 65534


def part_of(tmp_path: Path) -> Part:
    return Part(tmp_path / "lake.mp4", "https://api.test j1")


def left(tmp_path: Path) -> int:
    """Return how many bytes the next download would find."""
    part = part_of(tmp_path)
    part.close()
    return part.have


def test_a_part_is_found_again_with_what_is_known_of_the_whole(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    assert (part.have, part.validator, part.total) == (0, None, None)
    part.begin('"v1"', 9)
    part.write(b"1234")
    part.close()
    again = part_of(tmp_path)
    assert (again.have, again.validator, again.total) == (4, '"v1"', 9)
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


def test_a_part_that_was_given_its_name_while_it_was_waited_for_is_not_written_to(tmp_path: Path) -> None:
    class Renamed(type(Path())):  # type: ignore[misc]
        def stat(self, **kwargs: object) -> os.stat_result:
            return os.stat(tmp_path)

    assert _lock(Renamed(tmp_path / "part")) is None
    file = _lock(tmp_path / "part")
    assert file is not None
    file.close()


def test_a_link_in_the_parts_place_is_not_followed(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.begin('"v1"', 9)
    part.write(b"x")
    part.close()
    (place,) = tmp_path.glob(".*.part")
    (tmp_path / "precious").write_bytes(b"precious")
    place.unlink()
    place.symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        part_of(tmp_path)
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_what_a_late_thread_writes_after_the_end_goes_nowhere(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.begin('"v1"', 9)
    part.write(b"1")
    part.close()
    part.write(b"2")
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
        with without_power(), pytest.raises(InvalidInputError, match=f"nothing can be written to the folder {folder}"):
            check_target(f"{folder}/lake.mp4")
        os.chmod(folder, 0o755)


def test_a_path_may_be_given_as_str_or_as_a_path_and_may_exist(tmp_path: Path) -> None:
    (tmp_path / "lake.mp4").write_bytes(b"")
    assert check_target(str(tmp_path / "lake.mp4")) == check_target(tmp_path / "lake.mp4") == tmp_path / "lake.mp4"
    assert check_target("lake.mp4") == Path("lake.mp4")
