"""Videos in Django's storages: `decart.integrations.django.storage`. The bucket has a file of its own."""

from __future__ import annotations

import re
import stat
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from support.django_visits import MIB

from decart import InvalidInputError
from decart.integrations.django.storage import store_in
from decart.journal.samples import record

NAME = "videos/order-1.mp4"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video that was just downloaded."""
    path = tmp_path / "j1.mp4"
    path.write_bytes(b"the video")
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def content(storage: Storage, name: str = NAME) -> bytes:
    with storage.open(name) as file:
        return bytes(file.read())


class Interrupted(FileSystemStorage):
    """A storage in which something happens when it has just written a file."""

    def __init__(self, folder: Path, meanwhile: Callable[[str], object]) -> None:
        super().__init__(folder)
        self.meanwhile = meanwhile

    def _save(self, name: str, content: File[Any]) -> str:
        saved = super()._save(name, content)
        self.meanwhile(saved)
        return saved


# where it goes


def test_a_video_goes_to_the_default_storage_under_its_label(media: Path, video: Path) -> None:
    assert store_in()(record(), video) == NAME
    assert files(media) == {NAME: b"the video"}


def test_a_name_may_be_a_template_or_a_function_of_the_record(media: Path, video: Path) -> None:
    one = record(job_id="j1", generation=2)
    assert store_in(name="{model}/{job_id}-{generation}.mp4")(one, video) == f"{one.model}/j1-2.mp4"
    assert store_in(name=lambda record: f"by-hand/{record.job_id}.mp4")(one, video) == "by-hand/j1.mp4"
    assert set(files(media)) == {f"{one.model}/j1-2.mp4", "by-hand/j1.mp4"}


@pytest.mark.parametrize("name", ["videos/all.mp4", "{owner}.mp4", "{label", 7])
def test_a_name_that_would_not_tell_videos_apart_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="^name must be a path with {label} or {job_id}"):
        store_in(name=name)


def test_odd_labels_have_names_of_their_own_in_the_same_folder(media: Path, video: Path) -> None:
    labels = ["a b", "a_b", "a/b", "../a", "ä?", ".a", "a" * 255, "a.mp4", "100%"]
    names = [store_in()(record(label), video) for label in labels]
    assert len(set(names)) == len(labels)
    assert files(media) == dict.fromkeys(names, b"the video")
    assert {str(path.parent) for path in map(Path, names)} == {"videos"}


def test_a_name_outside_of_the_storage_is_refused(media: Path, video: Path) -> None:
    with pytest.raises(SuspiciousFileOperation):
        store_in(name=lambda record: "../order-1.mp4")(record(), video)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no modes")
def test_a_file_has_the_mode_that_the_storage_gives_it(tmp_path: Path, video: Path) -> None:
    storage = FileSystemStorage(tmp_path / "media", file_permissions_mode=0o640, directory_permissions_mode=0o750)
    store_in(storage)(record(), video)
    file = tmp_path / "media" / NAME
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o640, 0o750]


# again, and at once, on a disk


@pytest.mark.parametrize("old", [b"the video", b"half", b"an older video"])
def test_a_file_of_that_name_is_replaced(old: bytes, media: Path, video: Path) -> None:
    (media / "videos").mkdir(parents=True)
    (media / NAME).write_bytes(old)
    assert store_in()(record(), video) == NAME
    assert files(media) == {NAME: b"the video"}


def test_nobody_sees_half_a_video(tmp_path: Path, video: Path) -> None:
    seen: list[bytes] = []
    storage = Interrupted(tmp_path / "media", lambda name: seen.append(content(storage)))
    FileSystemStorage(tmp_path / "media").save(NAME, ContentFile(b"the old one"))
    store_in(storage)(record(), video)
    assert seen == [b"the old one"]
    assert content(storage) == b"the video"


def test_a_storage_that_fails_keeps_the_old_file_and_no_part(tmp_path: Path, video: Path) -> None:
    def fail(name: str) -> None:
        raise OSError("No space left on device")

    storage = Interrupted(tmp_path / "media", fail)
    FileSystemStorage(tmp_path / "media").save(NAME, ContentFile(b"the old one"))
    with pytest.raises(OSError, match="No space left"):
        store_in(storage)(record(), video)
    assert files(tmp_path / "media") == {NAME: b"the old one"}


def test_what_a_killed_call_left_is_deleted_and_that_of_another_label_is_not(tmp_path: Path, video: Path) -> None:
    class Killed(BaseException):
        pass

    class Kills(Interrupted):
        def delete(self, name: str) -> None:
            """Nothing runs after a kill."""

    def kill(name: str) -> None:
        raise Killed

    for label in ("order-1", "order-1.mp4.x", "order-10"):
        with pytest.raises(Killed):
            store_in(Kills(tmp_path / "media", kill))(record(label), video)
    old = set(files(tmp_path / "media"))
    store_in(FileSystemStorage(tmp_path / "media"))(record(), video)
    new = set(files(tmp_path / "media"))
    assert (len(old), len(old - new), new - old) == (3, 1, {NAME})
    assert all(re.match(r"videos/\.order-1\.mp4\.\w+\.part$", name) for name in old - new)


def test_of_two_calls_at_once_the_later_one_stores_the_only_copy(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "media"
    other = store_in(FileSystemStorage(folder))
    with pytest.raises(FileNotFoundError):
        store_in(Interrupted(folder, lambda name: other(record(), video)))(record(), video)
    assert files(folder) == {NAME: b"the video"}


# elsewhere


def test_a_storage_that_does_not_overwrite_has_one_copy_after_a_second_call(video: Path) -> None:
    storage = InMemoryStorage()
    assert [store_in(storage)(record(), video) for _ in range(2)] == [NAME, NAME]
    assert (storage.listdir("videos")[1], content(storage)) == (["order-1.mp4"], b"the video")


def test_a_video_of_another_size_is_replaced_in_a_storage_that_does_not_overwrite(video: Path) -> None:
    storage = InMemoryStorage()
    storage.save(NAME, ContentFile(b"another video"))
    assert store_in(storage)(record(), video) == NAME
    assert (storage.listdir("videos")[1], content(storage)) == (["order-1.mp4"], b"the video")


def test_a_video_of_an_earlier_job_of_the_label_is_replaced_even_if_it_has_the_same_size(video: Path) -> None:
    storage = InMemoryStorage()
    store_in(storage)(record(), video)
    video.write_bytes(b"the other")
    later = storage.get_modified_time(NAME).timestamp() + 1
    for _ in range(2):
        assert store_in(storage)(attrs.evolve(record(), generation=2, created_at=later), video) == NAME
        assert (storage.listdir("videos")[1], content(storage)) == (["order-1.mp4"], b"the other")


@pytest.mark.parametrize("unknown", ["size", "get_modified_time"])
def test_a_file_of_which_the_storage_does_not_know_enough_is_replaced(unknown: str, video: Path) -> None:
    no_method = {unknown: getattr(Storage, unknown)}
    storage: Storage = type("Simple", (InMemoryStorage,), no_method)()
    storage.save(NAME, ContentFile(b"the other"))
    assert store_in(storage)(record(), video) == NAME
    assert (storage.listdir("videos")[1], content(storage)) == (["order-1.mp4"], b"the video")


class Raced(InMemoryStorage):
    """A storage in which another worker saves a file just before this one does."""

    def __init__(self, faster: bytes) -> None:
        super().__init__()
        self.faster = faster

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        super().save(name, ContentFile(self.faster))
        return super().save(name, content, max_length)


def test_of_two_workers_at_once_the_slower_one_deletes_its_copy(video: Path) -> None:
    storage = Raced(b"the video")
    assert store_in(storage)(record(), video) == NAME
    assert (storage.listdir("videos")[1], content(storage)) == (["order-1.mp4"], b"the video")


def test_a_copy_is_kept_if_what_has_its_name_is_not_the_same(video: Path) -> None:
    storage = Raced(b"half")
    saved = store_in(storage)(record(), video)
    assert saved != NAME and content(storage, saved) == b"the video"


def test_a_storage_that_names_files_itself_is_obeyed(video: Path) -> None:
    class Named(InMemoryStorage):
        def _save(self, name: str, content: File[Any]) -> str:
            return super()._save(f"kept/{name}", content)

    storage = Named()
    assert store_in(storage)(record(), video) == f"kept/{NAME}"
    assert content(storage, f"kept/{NAME}") == b"the video"


class Counting(Storage):
    """A storage that counts bytes instead of keeping them."""

    def __init__(self) -> None:
        self.size_of_all = 0

    def _save(self, name: str, content: File[Any]) -> str:
        self.size_of_all = sum(map(len, content.chunks()))
        return name

    def exists(self, name: str) -> bool:
        return False


@pytest.mark.parametrize("local", [True, False])
def test_a_large_video_is_not_held_in_memory(local: bool, tmp_path: Path, video: Path) -> None:
    with video.open("r+b") as file:
        file.truncate(64 * MIB)
    storage: Storage = FileSystemStorage(tmp_path / "media") if local else Counting()
    tracemalloc.start()
    try:
        store_in(storage)(record(), video)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
    assert (storage.size(NAME) if local else vars(storage)["size_of_all"]) == 64 * MIB
