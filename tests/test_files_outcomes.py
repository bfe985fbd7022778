"""``client.files``: what a response must be to count, and what is known of a file after a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.fakes import KEY, FakeTransport, client_of, make_response
from support.images import cut

from decart import CallError, NotFoundError, RetryPolicy, TransportError

ONCE = RetryPolicy(attempts=1)
FILE = {
    "id": "file_1",
    "filename": None,
    "mime_type": "image/png",
    "size_bytes": 7,
    "created_at": "2026-11-26T12:00:00Z",
    "expires_at": None,
}
JSON = json.dumps(FILE).encode()
PAGE = b"<html><title>Welcome</title>"
LOST = TransportError("It broke off.")


def delete(*script: Any, **settings: Any) -> None:
    client_of(FakeTransport(*script), **settings).files.delete("file_1")


def error_of(*script: Any, **settings: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        delete(*script, **settings)
    return caught.value


# ---------------------------------------------------------------- deleted, or not


@pytest.mark.parametrize("body", [b"", b"{}", b'{"deleted": true}'])
def test_a_response_without_a_body_or_with_json_means_deleted(body: bytes) -> None:
    delete(make_response(200, body))


@pytest.mark.parametrize("body", [PAGE, b"OK", b"[]", b'{"cut'])
def test_the_page_of_a_proxy_does_not_mean_deleted(body: bytes) -> None:
    error = error_of(make_response(200, body), retry=ONCE)
    assert "File file_1 could not be deleted: " in error.message
    assert "it should be empty" in error.message


def test_after_such_a_page_the_deletion_is_repeated() -> None:
    delete(make_response(200, PAGE), make_response(204))


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_when_a_deletion_is_repeated_counts_as_deleted(status: int) -> None:
    delete(LOST, make_response(status, {"detail": "File not found"}))


@pytest.mark.parametrize("body", [PAGE, b""])
def test_a_404_of_a_proxy_does_not_mean_deleted(body: bytes) -> None:
    error = error_of(LOST, make_response(404, body))
    assert "The service has no such route; check the base URL" in error.message


def test_a_404_below_a_path_that_may_be_wrong_does_not_mean_deleted() -> None:
    wrong = "https://example.com/wrong"
    error = error_of(LOST, make_response(404, {"detail": "Not Found"}), base_url=wrong)
    assert "The base URL https://example.com/wrong has the path /wrong, which may be wrong" in error.message


def test_a_file_that_is_gone_for_good_is_a_file_that_is_not_found_and_no_retired_model() -> None:
    error = error_of(make_response(410, {"detail": "Gone"}))
    assert type(error.cause) is NotFoundError
    assert "it has expired or was deleted" in error.message


# ---------------------------------------------------------------- stored, or not


def upload_error(response: Any) -> CallError:
    transport = FakeTransport(response)
    with pytest.raises(CallError, match="may have been stored, so it was not sent again") as caught:
        client_of(transport).files.upload(b"picture")
    assert len(transport.posts) == 1
    return caught.value


def test_a_reference_that_arrived_before_the_connection_broke_is_used() -> None:
    response = cut(JSON, "application/json", length=len(JSON) + 1)
    assert client_of(FakeTransport(response)).files.upload(b"picture").id == "file_1"


def test_of_a_reference_that_was_cut_the_error_and_the_log_quote_what_arrived(caplog: pytest.LogCaptureFixture) -> None:
    error = upload_error(cut(f'{{"key": "{KEY}", "id": "file_1", "fil'.encode(), "application/json"))
    assert type(error.cause) is TransportError
    assert error.data["body"] == '{"key": "***", "id": "file_1", "fil'
    assert "file_1" in caplog.text and KEY not in caplog.text
    assert (error.cause.__context__, error.cause.__traceback__) == (None, None)


@pytest.mark.parametrize("status", [422, 429, 500, 503])
def test_a_failure_that_was_cut_leaves_the_outcome_unknown(status: int) -> None:
    assert type(upload_error(cut(b'{"detail": "No', "application/json", status)).cause) is TransportError


# ---------------------------------------------------------------- malformed


@pytest.mark.parametrize("size", [True, -1, 1.5, "7", None])
def test_a_size_that_cannot_be_one_is_an_error(size: object) -> None:
    transport = FakeTransport(make_response(200, {**FILE, "size_bytes": size}))
    with pytest.raises(CallError, match="its size or a date is missing or malformed"):
        client_of(transport, retry=ONCE).files.get("file_1")


def test_a_name_from_the_server_is_shown_without_the_key_and_on_one_line() -> None:
    transport = FakeTransport(make_response(200, {**FILE, "filename": f"a\n{KEY}.png", "mime_type": KEY}))
    file = client_of(transport).files.get("file_1")
    assert (file.filename, file.mime_type) == ("a ***.png", "***")
