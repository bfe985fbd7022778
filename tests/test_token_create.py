"""``client.tokens.create``: what is sent, what comes back, and what is never shown."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import logging
import pickle
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from support.fakes import KEY, FakeTransport, client_of, make_response

from decart import (
    APIError,
    AsyncDecartClient,
    AuthenticationError,
    ClientClosedError,
    ConnectError,
    CreateTokenResponse,
    EventHook,
    InvalidInputError,
    NotFoundError,
    ResponseError,
    RetryPolicy,
    TokenCreateError,
    TransportError,
    TransportTimeout,
    ValidationError,
    models,
)
from decart.events import Operation, ResponseReceived, Retry

API_KEY, JWT = "ek_s3cr3t-of-the-browser", "eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl"
CREATED = {"apiKey": API_KEY, "token": JWT, "expiresAt": "2026-11-26T12:10:00Z", "permissions": None}


def created(**changes: object) -> Any:
    return make_response(200, {**CREATED, **changes})


def create(transport: FakeTransport, **arguments: Any) -> CreateTokenResponse:
    with client_of(transport) as client:
        return client.tokens.create(**arguments)


def body_of(transport: FakeTransport) -> Any:
    return json.loads(transport.posts[-1].body or b"null")


# ---------------------------------------------------------------- what is sent


def test_a_token_is_ordered_with_the_key_and_json() -> None:
    transport = FakeTransport(created())
    create(transport)
    [request] = transport.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1/client/tokens", b"{}")
    assert (request.headers["X-API-KEY"], request.headers["Content-Type"]) == (KEY, "application/json")


CIRCLE: dict[str, Any] = {}
CIRCLE["itself"] = CIRCLE
LIMITS = {"realtime": {"maxSessionDuration": 120}}


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"expires_in": 300}, {"expiresIn": 300}),
        ({"expires_in": timedelta(minutes=5)}, {"expiresIn": 300}),
        ({"expires_in": 60.0}, {"expiresIn": 60}),
        ({"allowed_models": ["lucy-latest"]}, {"allowedModels": ["lucy-latest"]}),
        ({"allowed_models": (models.video("lucy-2.5"),)}, {"allowedModels": ["lucy-2.5"]}),
        ({"allowed_origins": ["https://example.com"]}, {"allowedOrigins": ["https://example.com"]}),
        ({"allowed_origins": ["http://[::1]:8080"]}, {"allowedOrigins": ["http://[::1]:8080"]}),
        ({"constraints": LIMITS}, {"constraints": LIMITS}),
        ({"constraints": {}}, {"constraints": {}}),
        ({"constraints": {"realtime": {}}}, {"constraints": {"realtime": {}}}),
        ({"metadata": {"role": "viewer", "seats": [1, None]}}, {"metadata": {"role": "viewer", "seats": [1, None]}}),
    ],
)
def test_only_what_was_given_is_sent(arguments: dict[str, Any], sent: dict[str, Any]) -> None:
    transport = FakeTransport(created())
    create(transport, **arguments)
    assert body_of(transport) == sent


def test_everything_can_be_given_at_once() -> None:
    transport = FakeTransport(created())
    create(
        transport,
        expires_in=3600,
        allowed_models=["lucy-2.5"],
        allowed_origins=["https://example.com"],
        constraints={"realtime": {"maxSessionDuration": 10}},
        metadata={},
    )
    assert body_of(transport) == {
        "expiresIn": 3600,
        "allowedModels": ["lucy-2.5"],
        "allowedOrigins": ["https://example.com"],
        "constraints": {"realtime": {"maxSessionDuration": 10}},
        "metadata": {},
    }


@pytest.mark.parametrize(
    "arguments",
    [
        *[{"expires_in": value} for value in (0, 3601, -1, 1.5, float("nan"), float("inf"), True, "60")],
        {"expires_in": timedelta(hours=2)},
        *[{"allowed_models": value} for value in ("lucy", [""], [5], [None], ["m"] * 21, 7, b"m", [], {})],
        {"allowed_models": itertools.repeat("lucy-2.5")},
        *[{"allowed_origins": [value]} for value in ("example.com", "https://Example.com", "https://a.com/path", "*")],
        {"allowed_origins": ["https://" + "a" * 250 + ".com"]},
        {"allowed_origins": ["https://example.com"] * 21},
        {"allowed_origins": ["https://example.com\n"]},
        {"allowed_origins": ()},
        *[{"constraints": value} for value in ([], {"other": 1}, {"realtime": 5}, {"realtime": {"other": 1}})],
        *[{"constraints": {"realtime": {"maxSessionDuration": value}}} for value in (9, True, "60", 10.5)],
        *[{"metadata": value} for value in ([], "x", {"a": object()}, {"a": float("nan")}, {(1, 2): "a"}, CIRCLE)],
    ],
)
def test_a_value_out_of_bounds_is_refused_before_anything_is_sent(arguments: dict[str, Any]) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match=next(iter(arguments))):
        create(transport, **arguments)
    assert transport.requests == []


def test_an_iterable_that_fails_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="allowed_models cannot be read"):
        create(FakeTransport(), allowed_models=(1 / 0 for _ in "x"))


# ---------------------------------------------------------------- what comes back


def test_every_part_of_the_response_is_read() -> None:
    permissions = {"models": ["lucy-2.5"], "origins": None, "more": 1}
    token = create(FakeTransport(created(permissions=permissions, constraints=LIMITS)))
    assert (token.api_key, token.token) == (API_KEY, JWT)
    assert token.expires_at == datetime(2026, 11, 26, 12, 10, tzinfo=UTC)
    assert (token.permissions, token.constraints) == ({"models": ["lucy-2.5"]}, LIMITS)


def test_restrictions_to_origins_are_read() -> None:
    token = create(FakeTransport(created(permissions={"origins": ["https://example.com"]})))
    assert token.permissions == {"origins": ["https://example.com"]}


def test_a_response_without_a_signed_form_or_a_time_zone_is_read() -> None:
    token = create(FakeTransport(created(token=None, expiresAt="2026-11-26T12:10:00")))
    assert (token.token, token.permissions, token.constraints) == (None, None, None)
    assert token.expires_at == datetime(2026, 11, 26, 12, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it is empty"),
        (b'"' + API_KEY.encode() + b'"', "it is not a JSON object"),
        (b'{"apiKey": "' + API_KEY.encode(), "it is not a JSON object"),
        *[
            ({**CREATED, "apiKey": value}, "it has no apiKey")
            for value in (None, "", " ", "ek_a\n", "ek_a b", "ek_é", 5)
        ],
        *[({**CREATED, name: KEY}, "in place of a token, it has the API key") for name in ("apiKey", "token")],
        ({**CREATED, "expiresAt": API_KEY}, "it does not say when the token expires"),
        ({**CREATED, "expiresAt": None}, "it does not say when the token expires"),
    ],
)
def test_a_response_that_cannot_be_read_is_an_error_that_does_not_quote_it(body: object, why: str) -> None:
    transport = FakeTransport(*[make_response(200, body) for _ in range(4)])
    with pytest.raises(TokenCreateError, match=why) as caught:
        create(transport)
    assert isinstance(caught.value.cause, ResponseError)
    assert_secret(caught.value)


def test_what_the_response_echoes_is_shown_without_secrets() -> None:
    echo = {"models": [f"{API_KEY} or {KEY}"], "origins": ["https://example.com"]}
    token = create(FakeTransport(created(permissions=echo, constraints={"realtime": {JWT: [KEY, 5, None]}})))
    assert token.permissions == {"models": ["*** or ***"], "origins": ["https://example.com"]}
    assert token.constraints == {"realtime": {"***": ["***", 5, None]}}


def assert_secret(error: BaseException) -> None:
    """Check that nothing that hangs on an error contains the token: texts, attributes, and variables of frames."""
    shown = ""
    cause: BaseException | None = error
    while cause is not None:
        shown += f"{cause!r} {vars(cause)}"
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if "decart" in frame.f_globals["__name__"]:
                shown += str(frame.f_locals)
        assert cause.__context__ is cause.__cause__
        cause = cause.__cause__
    assert API_KEY not in shown
    assert JWT not in shown


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (401, AuthenticationError, "The API key from the argument api_key was refused"),
        (403, AuthenticationError, "A client token cannot create another one; use a permanent key"),
        (422, ValidationError, "expiresIn: too long"),
        (302, APIError, "redirect"),
        (404, NotFoundError, "The service has no such route; check the base URL."),
    ],
)
def test_a_refusal_is_a_token_create_error_with_its_cause(status: int, kind: type, says: str) -> None:
    said = {"detail": [{"loc": ["body", "expiresIn"], "msg": "too long"}]}
    transport = FakeTransport(make_response(status, said, location="https://example.com"))
    with pytest.raises(TokenCreateError, match="The client token was not created") as caught:
        create(transport)
    assert says in caught.value.message
    assert (caught.value.status_code, type(caught.value.cause)) == (status, kind)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_token_in_a_failure_is_not_shown(status: int, encoding: str) -> None:
    body = json.dumps({"message": f"lost {API_KEY}", **CREATED}).encode(encoding)
    transport = FakeTransport(*[make_response(status, body, location=f"/login?token={JWT}") for _ in range(4)])
    with pytest.raises(TokenCreateError, match=r"lost \*\*\*") as caught:
        create(transport)
    assert_secret(caught.value)


# ---------------------------------------------------------------- retries, hooks, secrets


@pytest.mark.parametrize(
    "failure",
    [
        ConnectError("No connection."),
        TransportError("The connection broke off."),
        TransportTimeout("Silence."),
        make_response(503),
        make_response(429, retry_after="3"),
        make_response(200, b"garbage"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_creating_a_token_is_retried_as_a_status_check_is(failure: Any) -> None:
    transport = FakeTransport(failure, created())
    assert create(transport).api_key == API_KEY
    assert len(transport.posts) == 2


def test_no_token_is_ordered_once_the_client_is_closed() -> None:
    transport = FakeTransport(make_response(503))
    client = client_of(transport)
    transport.at(0.1, client.close)
    with pytest.raises(ClientClosedError):
        client.tokens.create()
    assert len(transport.posts) == 1
    with pytest.raises(ClientClosedError):
        client.tokens.create()


class Hook(EventHook):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def operation(self, operation: Operation) -> Any:
        self.heard.append(operation)
        return super().operation(operation)

    def response_received(self, event: ResponseReceived) -> None:
        self.heard.append(event)

    def retry(self, event: Retry) -> None:
        self.heard.append(event)


def test_hooks_and_the_log_hear_of_an_operation_and_not_of_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hook = Hook()
    transport = FakeTransport(make_response(200, {"token": JWT}), created())
    client_of(transport, event_hooks=[hook]).tokens.create()
    assert [type(event).__name__ for event in hook.heard] == [
        "Operation", "ResponseReceived", "Retry", "ResponseReceived"
    ]  # fmt: skip
    assert hook.heard[0] == Operation(name="token")
    assert "attempt 1 of the request for a client token failed" in caplog.text
    for secret in (API_KEY, JWT):
        assert secret not in caplog.text + str(hook.heard)


def test_the_secrets_of_a_token_are_shown_nowhere_and_never_pickled() -> None:
    token = create(FakeTransport(created()))
    for text in (repr(token), str(token), f"{token}", repr(attrs.asdict(token)), repr(copy.deepcopy(token))):
        assert API_KEY not in text
        assert JWT not in text
    assert copy.copy(token) == copy.deepcopy(token) == token
    assert json.loads(json.dumps({"apiKey": token.api_key})) == {"apiKey": API_KEY}
    with pytest.raises(TypeError, match="A key or token is never pickled"):
        pickle.dumps(token)


def test_the_policy_of_the_client_applies() -> None:
    transport = FakeTransport(make_response(503))
    with pytest.raises(TokenCreateError) as caught:
        client_of(transport, retry=RetryPolicy(attempts=1)).tokens.create()
    assert caught.value.status_code == 503


def test_it_can_be_awaited() -> None:
    async def main() -> CreateTokenResponse:
        async with AsyncDecartClient(KEY, transport=FakeTransport(created())) as client:
            return await client.tokens.create(expires_in=60)

    assert asyncio.run(main()).api_key == API_KEY
