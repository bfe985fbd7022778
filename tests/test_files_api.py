"""``client.files``: upload, get and delete; when each is repeated, and what its errors say."""

from __future__ import annotations

import asyncio
import enum
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.fakes import KEY, SILENCE, FakeTransport, client_of, make_response

from decart import (
    AsyncDecartClient,
    AuthenticationError,
    CallError,
    ClientClosedError,
    ConnectError,
    DecartSDKError,
    EventHook,
    FileReference,
    InvalidInputError,
    NotFoundError,
    Progress,
    ResponseError,
    RetryPolicy,
    ServerError,
    TransportError,
    ValidationError,
)
from decart.events import BytesMoved, Operation

FILE = {
    "id": "file_1",
    "filename": "image.png",
    "mime_type": "image/png",
    "size_bytes": 7,
    "created_at": "2026-11-26T12:00:00Z",
    "expires_at": "2026-11-27T12:00:00+00:00",
}
REFERENCE = FileReference(
    id="file_1",
    filename="image.png",
    mime_type="image/png",
    size_bytes=7,
    created_at=datetime(2026, 11, 26, 12, tzinfo=UTC),
    expires_at=datetime(2026, 11, 27, 12, tzinfo=UTC),
)


def stored(**changes: object) -> Any:
    return make_response(200, {**FILE, **changes})


def deleted() -> Any:
    return make_response(204, b"")


def missing() -> Any:
    return make_response(404, {"detail": "File not found"})


# ---------------------------------------------------------------- upload


def test_an_upload_sends_the_file_as_a_form_and_returns_its_reference(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"picture")
    transport = FakeTransport(stored())
    assert client_of(transport).files.upload(tmp_path / "image.png") == REFERENCE
    [request] = transport.requests
    assert (request.method, request.path, request.headers["X-API-KEY"]) == ("POST", "/v1/files", KEY)
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    body = request.body or b""
    assert b'name="file"; filename="image.png"\r\nContent-Type: image/png\r\n\r\npicture\r\n' in body
    assert b"ttl_seconds" not in body


class Kept(enum.StrEnum):
    FOREVER = "persistent"


@pytest.mark.parametrize(
    ("ttl", "sent"),
    [
        (60, b"60"), (2_592_000, b"2592000"), (3600.0, b"3600"), (timedelta(hours=2), b"7200"),
        ("persistent", b"persistent"), (Kept.FOREVER, b"persistent"),
    ],
)  # fmt: skip
def test_the_time_that_a_file_is_kept_is_sent_in_seconds_or_as_persistent(ttl: Any, sent: bytes) -> None:
    transport = FakeTransport(stored(expires_at=None))
    assert client_of(transport).files.upload(b"picture", ttl=ttl).expires_at is None
    assert b'name="ttl_seconds"\r\n\r\n' + sent + b"\r\n" in (transport.requests[0].body or b"")


@pytest.mark.parametrize("ttl", [0, 59, 2_592_001, 60.5, True, "forever", "60", timedelta(days=31), b"", float("nan")])
def test_a_time_out_of_range_is_refused_before_anything_is_sent(ttl: Any) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match="ttl must be"):
        client_of(transport).files.upload(b"picture", ttl=ttl)
    assert transport.requests == []


@pytest.mark.parametrize("file", ["image.png", b"", Path("missing.png"), None, io.StringIO("text")])
def test_what_is_no_file_is_refused_as_in_a_submit(file: Any) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match="^file: "):
        client_of(transport).files.upload(file)
    assert transport.requests == []


@pytest.mark.parametrize(
    "refusal",
    [ConnectError("No connection."), make_response(429), make_response(503, retry_after="1")],
    ids=lambda refusal: type(refusal).__name__,
)
def test_an_upload_that_was_surely_not_accepted_is_repeated(refusal: Any) -> None:
    transport = FakeTransport(refusal, stored())
    assert client_of(transport).files.upload(io.BytesIO(b"picture")) == REFERENCE
    first, second = (request.body for request in transport.posts)
    assert first == second


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (TransportError("It broke off."), "TransportError"),
        (SILENCE, "TransportTimeout"),
        (make_response(500), "ServerError"),
        (make_response(200, b"{"), "ResponseError"),
    ],
)
def test_an_upload_that_may_have_been_accepted_is_not_repeated_and_the_error_says_so(failure: Any, cause: str) -> None:
    transport = FakeTransport(failure)
    with pytest.raises(CallError, match="may have been stored, .* would store it a second time") as caught:
        client_of(transport).files.upload(b"picture")
    assert type(caught.value.cause).__name__ == cause
    assert len(transport.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (413, ValidationError), (422, ValidationError)]
)
def test_an_upload_that_is_refused_is_an_error_with_its_cause(status: int, kind: type[DecartSDKError]) -> None:
    transport = FakeTransport(make_response(status, {"detail": "No."}))
    with pytest.raises(CallError, match=r"^The file was not uploaded: .*No\.") as caught:
        client_of(transport).files.upload(b"picture")
    assert (caught.value.status_code, type(caught.value.cause)) == (status, kind)


def test_no_upload_begins_once_the_client_is_closed() -> None:
    transport = FakeTransport(make_response(429))
    client = client_of(transport)
    transport.at(0.1, client.close)
    for _ in range(2):
        with pytest.raises(ClientClosedError):
            client.files.upload(b"picture")
    assert len(transport.posts) == 1


class Hook(EventHook):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def operation(self, operation: Operation) -> Any:
        self.heard.append(operation)
        return super().operation(operation)

    def bytes_moved(self, event: BytesMoved) -> None:
        self.heard.append((event.direction, event.done == event.total))


def test_progress_goes_to_the_callback_and_the_hooks() -> None:
    seen: list[Progress] = []
    hook = Hook()
    client_of(FakeTransport(stored()), event_hooks=[hook]).files.upload(b"picture", progress=seen.append)
    assert (seen[0].direction, seen[0].done, seen[-1].done) == ("upload", 0, seen[-1].total)
    assert hook.heard == [Operation(name="file"), ("upload", False), ("upload", True)]


# ---------------------------------------------------------------- get and delete


def test_get_and_delete_take_an_id_or_a_reference() -> None:
    transport = FakeTransport(stored(), deleted(), stored(), deleted())
    client, hook = client_of(transport), Hook()
    for file in ("file_1", REFERENCE):
        assert client.files.get(file) == REFERENCE
        client.with_options(event_hooks=[hook]).files.delete(file)
    assert transport.sent == ["GET /v1/files/file_1", "DELETE /v1/files/file_1"] * 2
    assert hook.heard == [Operation(name="file")] * 2


def test_an_id_is_quoted_in_the_address() -> None:
    transport = FakeTransport(stored(id="../jobs/é ?"))
    client_of(transport).files.get("../jobs/é ?")
    assert transport.sent == ["GET /v1/files/..%2Fjobs%2F%C3%A9%20%3F"]


@pytest.mark.parametrize("file", ["", " ", ".", "..", "a\nb", "x" * 1001, None, 5, b"file_1", KEY, f"file_{KEY}"])
def test_what_cannot_be_an_id_is_refused_before_anything_is_sent(file: Any) -> None:
    client = client_of(FakeTransport())
    for method in (client.files.get, client.files.delete):
        with pytest.raises(InvalidInputError, match="file must be the id that upload returned") as caught:
            method(file)
        assert KEY not in caught.value.message or file != KEY


def test_get_and_delete_are_retried() -> None:
    transport = FakeTransport(make_response(500), stored(), TransportError("It broke off."), deleted())
    client = client_of(transport)
    client.files.get("file_1")
    client.files.delete("file_1")
    assert len(transport.requests) == 4


@pytest.mark.parametrize(("method", "doing"), [("get", "read"), ("delete", "deleted")])
def test_a_file_that_does_not_exist_is_an_error_that_names_it(method: str, doing: str) -> None:
    transport = FakeTransport(make_response(404, {"detail": "File not found"}))
    with pytest.raises(CallError) as caught:
        getattr(client_of(transport).files, method)("file_7")
    error = caught.value
    assert error.message == (
        f"File file_7 could not be {doing}: The service has no such file: it has expired or was deleted, or "
        "belongs to another account. (HTTP 404: File not found)"
    )
    assert isinstance(error.cause, NotFoundError)


def test_a_base_url_with_a_path_is_doubted_first() -> None:
    transport = FakeTransport(make_response(404))
    with pytest.raises(CallError, match="The base URL .* which may be wrong"):
        client_of(transport, base_url="https://example.com/wrong").files.get("file_7")


@pytest.mark.parametrize(
    "failure",
    [TransportError("It broke off."), SILENCE, make_response(500)],
    ids=["reset", "silence", "500"],
)
def test_a_file_that_is_gone_when_a_deletion_is_repeated_counts_as_deleted(failure: Any) -> None:
    transport = FakeTransport(failure, make_response(429), missing())
    client_of(transport).files.delete("file_1")
    assert len(transport.requests) == 3


@pytest.mark.parametrize(
    "failure",
    [ConnectError("No connection."), make_response(429), make_response(503, retry_after="1")],
    ids=["no connection", "429", "503 with Retry-After"],
)
def test_a_file_that_was_gone_before_the_first_attempt_arrived_is_an_error(failure: Any) -> None:
    transport = FakeTransport(failure, make_response(404))
    with pytest.raises(CallError) as caught:
        client_of(transport).files.delete("file_1")
    assert isinstance(caught.value.cause, NotFoundError)


def test_a_deletion_that_is_refused_is_an_error() -> None:
    transport = FakeTransport(make_response(500))
    with pytest.raises(CallError, match="^File file_1 could not be deleted: ") as caught:
        client_of(transport, retry=RetryPolicy(attempts=1)).files.delete("file_1")
    assert isinstance(caught.value.cause, ServerError)


# ---------------------------------------------------------------- responses


def test_a_file_may_have_no_name_and_no_type() -> None:
    file = client_of(FakeTransport(stored(filename=None, mime_type=None))).files.get("file_1")
    assert (file.filename, file.mime_type) == (None, "application/octet-stream")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it is empty"),
        (b"[]", "it is not a JSON object"),
        ({**FILE, "id": None}, "it has no id"),
        ({**FILE, "id": "a\nb"}, "it has no id"),
        ({**FILE, "id": KEY}, "it has no id"),
        ({**FILE, "id": "file_2"}, "it is about another file"),
        ({**FILE, "created_at": None}, "its size or a date is missing or malformed"),
        ({**FILE, "expires_at": "tomorrow"}, "its size or a date is missing or malformed"),
    ],
)
def test_a_response_that_cannot_be_read_is_quoted_without_the_key(body: object, why: str) -> None:
    transport = FakeTransport(make_response(200, body))
    with pytest.raises(CallError, match=why) as caught:
        client_of(transport, retry=RetryPolicy(attempts=1)).files.get("file_1")
    cause = caught.value.cause
    assert isinstance(cause, ResponseError)
    assert "body" in cause.data
    assert KEY not in f"{caught.value} {cause} {cause.data}"


def test_the_id_of_a_stored_file_is_in_the_error_if_the_rest_cannot_be_read() -> None:
    transport = FakeTransport(stored(size_bytes=None))
    with pytest.raises(CallError) as caught:
        client_of(transport).files.upload(b"picture")
    assert "file_1" in caught.value.data["body"]


# ---------------------------------------------------------------- awaited


def test_files_can_be_awaited(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"picture")

    async def main() -> None:
        transport = FakeTransport(stored(), stored(), deleted())
        seen: list[Progress] = []
        async with AsyncDecartClient(KEY, transport=transport) as client:
            file = await client.files.upload(tmp_path / "image.png", ttl=60, progress=seen.append)
            assert await client.files.get(file) == file == REFERENCE
            await client.files.delete(file)
            for _ in range(2):  # callbacks are called by the loop
                await asyncio.sleep(0)
        assert seen[-1].done == seen[-1].total

    asyncio.run(main())
