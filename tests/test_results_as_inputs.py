"""What one call returned is the file input of the next."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.fakes import FakeTransport, accepted, client_of, make_response
from support.images import PNG, image

from decart import (
    CompletedJob,
    DecartClient,
    FailedJob,
    FileReference,
    ImageResult,
    InvalidInputError,
    SavedImage,
    SavedJob,
    models,
)

NOW = datetime(2026, 11, 26, tzinfo=UTC)
STORED = {"id": "file_1", "size_bytes": 9, "created_at": NOW.isoformat(), "expires_at": None}
REFERENCE = FileReference(
    id="file_1", filename=None, mime_type="image/png", size_bytes=9, created_at=NOW, expires_at=None
)


def paint(client: DecartClient, data: Any) -> object:
    return client.process({"model": models.image("lucy-image-2"), "prompt": "oil", "data": data})


def edit(client: DecartClient, data: Any) -> object:
    return client.queue.submit({"model": models.video("lucy-2.5"), "data": data})


CALLS: list[Any] = [
    (paint, image),
    (edit, accepted),
    (lambda client, file: client.verify(file), lambda: make_response(200, {"detected": True})),
    (lambda client, file: client.files.upload(file), lambda: make_response(200, STORED)),
]


@pytest.mark.parametrize(("call", "response"), CALLS)
@pytest.mark.parametrize("kind", ["image", "saved image", "job", "saved job", "named"])
def test_a_result_is_the_file_that_it_has(kind: str, call: Any, response: Any, tmp_path: Path) -> None:
    path = tmp_path / "result.png"
    path.write_bytes(PNG)
    in_memory = ImageResult(data=PNG, content_type="image/png", model="lucy-image-2")
    result = {
        "image": in_memory,
        "saved image": SavedImage(path=path, content_type="image/png", model="lucy-image-2"),
        "job": CompletedJob(job_id="j1", data=PNG),
        "saved job": SavedJob(job_id="j1", path=path),
        "named": ("result.png", in_memory),
    }[kind]
    transport = FakeTransport(response())
    call(client_of(transport), result)
    body = transport.requests[0].body or b""
    assert b"\r\n\r\n" + PNG + b"\r\n" in body
    assert (b'filename="result.png"' in body) is ("saved" in kind or kind == "named")


@pytest.mark.parametrize("call", [call for call, _ in CALLS])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        (REFERENCE, r", not FileReference: stored files are for realtime sessions only; pass the file itself\.$"),
        (FailedJob(job_id="j1", error="No."), r", not FailedJob\.$"),
        (SavedJob(job_id="j1", path=Path("gone.mp4")), r"gone\.mp4: No such file"),
    ],
)
def test_what_holds_no_file_is_refused_before_anything_is_sent(value: Any, says: str, call: Any) -> None:
    with pytest.raises(InvalidInputError, match=says):
        call(client_of(FakeTransport()), value)
