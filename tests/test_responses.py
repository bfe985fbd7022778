"""`decart.responses`: failed responses, in words that a user can act on."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from support.fakes import KEY

from decart import (
    APIError,
    AuthenticationError,
    ModelRetiredError,
    NotFoundError,
    PaymentRequiredError,
    RateLimitError,
    ServerError,
    Timeout,
    ValidationError,
)
from decart.config import settings
from decart.protocol import ERROR_LIMIT
from decart.redaction import TEXT_LIMIT
from decart.responses import (
    BODY_LIMIT,
    BufferedResponse,
    api_error,
    load_json,
    reason,
    unreadable,
)

SET = settings(KEY, "https://api.test", Timeout(), None)


def error_of(status: int, body: object = b"", **headers: str) -> APIError:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api_error(BufferedResponse(status=status, headers=names, body=raw), SET)


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (302, APIError, "The server sent a redirect, or a cached response, without an address"),
        (400, ValidationError, "correct it and submit again"),
        (401, AuthenticationError, "The API key from the argument api_key was refused; check it"),
        (402, PaymentRequiredError, "no credits left"),
        (403, AuthenticationError, "The API key from the argument api_key lacks the permission"),
        (404, NotFoundError, "check the job id, the model name and the base URL"),
        (405, APIError, "does not accept this request"),
        (408, APIError, "waited too long"),
        (410, ModelRetiredError, "choose another one"),
        (413, ValidationError, "too large"),
        (415, ValidationError, "kind of file"),
        (418, APIError, "refused the request"),
        (422, ValidationError, "refused the input"),
        (429, RateLimitError, "Too many requests"),
        (500, ServerError, "not your fault"),
        (501, ServerError, "not your fault"),
        (503, ServerError, "not your fault"),
        (599, ServerError, "not your fault"),
    ],
)
def test_each_status_has_its_error_and_says_what_to_do(status: int, kind: type[APIError], advice: str) -> None:
    error = error_of(status, {"detail": "because"}, x_request_id="r-1")
    assert type(error) is kind
    assert advice in error.message
    assert error.message.endswith(f"(HTTP {status}: because)")
    assert (error.status_code, error.request_id) == (status, "r-1")
    assert error.data == {"status_code": status, "detail": "because"}
    assert pickle.loads(pickle.dumps(error)) == error


def test_a_refused_key_is_named_by_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_API_KEY", KEY)
    error = api_error(BufferedResponse(status=401, headers={}), settings(None, None, Timeout(), None))
    assert error.message == (
        "The API key from the environment variable DECART_API_KEY was refused; check it or create a new one. (HTTP 401)"
    )


def test_the_caller_may_know_better_what_an_error_means() -> None:
    response = BufferedResponse(status=404, headers={}, body=b"gone")
    error = api_error(response, SET, ModelRetiredError, "The model was retired.")
    assert type(error) is ModelRetiredError
    assert error.message == "The model was retired. (HTTP 404: gone)"


def test_an_empty_error_response_is_described_by_its_status_alone() -> None:
    error = error_of(404)
    assert error.message.endswith("(HTTP 404)")
    assert (error.code, error.body, error.request_id, error.retry_after) == (None, "", None, None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"detail": " Invalid file type "}, "Invalid file type"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "too big", "type": "x"}]}, "seed: too big"),
        ({"detail": [{"loc": ["body", "trajectory", 3, "x"], "msg": "bad"}]}, "trajectory.3.x: bad"),
        ({"detail": [{"loc": "seed", "msg": "bad"}, {"loc": [], "msg": "worse"}, "plain"]}, "bad; worse; plain"),
        ({"detail": {"loc": ["body", {"odd": 1}, "seed"], "msg": "bad"}}, "seed: bad"),
        ({"detail": [[["nested"]], "kept"]}, "kept"),
        ({"detail": [{}, None, 3, "kept"]}, "kept"),
        ({"detail": "gone", "model": "lucy-2"}, "gone"),
        ({"detail": "second", "error": "first"}, "first"),
        ({"error": {"code": 5}, "message": "next"}, "next"),
        ({"error": {"message": 7, "detail": "inner"}}, "inner"),
        ({"error": True, "message": 3, "detail": None, "error_message": "last"}, "last"),
        ({}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_servers_own_words_are_found_wherever_they_are(body: object, said: str) -> None:
    assert reason(body) == said


def test_a_long_list_of_reasons_is_cut() -> None:
    assert reason({"detail": ["x"] * 99}) == "; ".join(["x"] * 20)


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (b"upstream connect error", {"content_type": "text/plain"}, "upstream connect error"),
        (b"<html><title>\n502 Bad\n</title>", {}, "an HTML page, '502 Bad'"),
        (b"  <p>no title</p>", {}, "an HTML page"),
        (b"hello", {"content_type": "text/html"}, "an HTML page"),
        (b'{"cut": "in', {}, ""),
        (b"[1,", {}, ""),
        (b'{"unknown": "shape"}', {}, ""),
        (b"\xff\x00\x1b[31m caf\xc3\xa9", {}, "\ufffd [31m café"),
    ],
)
def test_an_error_body_that_is_not_our_json_is_described_in_a_few_words(
    body: bytes, headers: dict[str, str], said: str
) -> None:
    assert error_of(502, body, **headers).data["detail"] == said


def test_the_code_of_the_server_is_kept_when_it_is_a_text() -> None:
    assert error_of(402, {"code": "insufficient_credits"}).code == "insufficient_credits"
    assert error_of(402, {"code": 17}).code is None


def test_an_error_text_as_long_as_is_ever_read_is_cut() -> None:
    error = error_of(500, b"x" * ERROR_LIMIT)
    assert len(error.message) < TEXT_LIMIT + 200
    assert len(error.body) == BODY_LIMIT
    assert len(pickle.dumps(error)) < 10_000


@pytest.mark.parametrize("where", ["detail", "code", "unknown"])
def test_the_key_is_redacted_from_whatever_the_server_echoes(where: str) -> None:
    error = error_of(401, {where: f"bad key {KEY}!"}, x_request_id=f"r-{KEY}")
    for shown in (str(error), repr(error), repr(error.args), error.body, error.request_id, error.code):
        assert KEY not in str(shown)
    assert "bad key ***!" in error.body


def test_the_key_is_redacted_from_the_content_type_of_an_unreadable_response() -> None:
    error = unreadable("why", BufferedResponse(status=200, headers={"content-type": KEY * 9}, body=b""), SET)
    assert KEY not in error.message
    assert "(no content type)" in unreadable("why", BufferedResponse(status=200, headers={}, body=b""), SET).message
    assert error.data["status_code"] == 200
    assert KEY not in error.data["reason"]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://evil.test/steal?x=1", "https://evil.test:443"),
        ("//evil.test:8443/x", "https://evil.test:8443"),
        ("http://api.test/v1", "http://api.test:80"),
        ("https://user:pw@evil.test/", "https://evil.test:443"),
        (f"https://{KEY}.test/", "https://***.test:443"),
        ("http://[::1", "an unreadable address"),
        ("http://evil.test:port/", "an unreadable address"),
        ("http://evil.test:99999/", "an unreadable address"),
    ],
)
def test_a_redirect_is_an_error_that_names_the_origin_it_leads_to(location: str, target: str) -> None:
    error = error_of(307, b"", location=location)
    assert type(error) is APIError
    assert error.message.startswith(f"The server redirects to {target}, and nothing was sent there. ")
    assert "pass it as base_url instead of https://api.test. (HTTP 307)" in error.message


@pytest.mark.parametrize("location", ["/login", "https://api.test/v1/", "\ud800"])
def test_a_redirect_within_the_origin_does_not_advise_to_use_the_same_origin(location: str) -> None:
    message = error_of(301, b"", location=location).message
    assert message.startswith("The server redirects within https://api.test:443, and redirects are never followed; ")
    assert message.endswith("check the base_url, https://api.test. (HTTP 301)")


@pytest.mark.parametrize("code", [300, 301, 304])
def test_a_redirect_without_an_address_says_so(code: int) -> None:
    assert error_of(code).message == (
        "The server sent a redirect, or a cached response, without an address, and redirects are never followed; "
        f"check the base_url, https://api.test. (HTTP {code})"
    )


NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": " 120 "}, 120.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "Wed, 21 Oct 2026 12:00:30 GMT", "date": NOON}, 30.0),
        ({"retry_after": "Wed, 21 Oct 2026 11:00:00 GMT", "date": NOON}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "yesterday"}, 0.0),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "٣"}, None),
        ({"retry_after": "9" * 5000}, None),
        ({"retry_after": "1e9"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_by_the_servers_clock(
    headers: dict[str, Any], seconds: float | None
) -> None:
    assert error_of(429, **headers).retry_after == seconds


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_a_body_that_is_not_json_is_none(body: bytes) -> None:
    assert load_json(body) is None


def test_the_repr_of_a_response_does_not_show_its_body() -> None:
    assert "secret" not in repr(BufferedResponse(status=200, headers={}, body=b"secret"))
