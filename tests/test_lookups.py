"""``client.models.resolve`` and ``client.verify``: what is asked, and what the service's responses mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.fakes import KEY, MP4, FakeTransport, client_of, make_response

from decart import (
    CallError,
    ConnectError,
    DecartClient,
    EventHook,
    InvalidInputError,
    ModelNotFoundError,
    NotFoundError,
    Progress,
    Provenance,
    ResponseError,
    RetryPolicy,
    models,
)
from decart.events import Operation

ONCE = RetryPolicy(attempts=1)


def resolved(body: object, names: Any, status: int = 200, **client: Any) -> Any:
    return client_of(FakeTransport(make_response(status, body)), retry=ONCE, **client).models.resolve(names)


# ---------------------------------------------------------------- model names


def test_a_name_is_resolved_to_the_one_that_it_stands_for() -> None:
    transport = FakeTransport(make_response(200, {"model_id": "lucy-2.5", "model_ids": None}))
    assert client_of(transport).models.resolve("lucy-latest") == "lucy-2.5"
    (sent,) = transport.requests
    assert (sent.method, sent.path, json.loads(sent.body or b"")) == (
        *("POST", "/v1/models/resolve", {"model": "lucy-latest"}),
    )


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_names_are_resolved_by_one_request(kind: Any) -> None:
    ids = {"lucy-latest": "lucy-2.5", "lucy-clip": "lucy-clip", "more": "than asked"}
    transport = FakeTransport(make_response(200, {"model_ids": ids}))
    names = kind(["lucy-latest", "lucy-clip"])
    assert client_of(transport).models.resolve(names) == {"lucy-latest": "lucy-2.5", "lucy-clip": "lucy-clip"}
    assert json.loads(transport.requests[0].body or b"") == {"models": ["lucy-latest", "lucy-clip"]}


def test_a_model_of_the_catalogue_stands_for_its_name() -> None:
    model = models.video("lucy-latest")
    assert resolved({"model_id": "lucy-2.5"}, model) == "lucy-2.5"
    assert resolved({"model_ids": {"lucy-latest": "lucy-2.5", "x": "y"}}, [model, "x"]) == {
        "lucy-latest": "lucy-2.5",
        "x": "y",
    }


def test_no_key_is_sent_because_none_is_needed() -> None:
    transport = FakeTransport(make_response(200, {"model_id": "lucy-2.5"}))
    client_of(transport).models.resolve("lucy-latest")
    assert KEY not in repr(transport.requests[0].headers)
    assert transport.requests[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("names", "detail", "model"),
    [
        ("lucy-9", "Unknown model", "lucy-9"),
        (["lucy-2", "lucy-2-v9"], "Unknown model: lucy-2-v9", "lucy-2-v9"),
        (["lucy-2", "lucy-9"], "Unknown model", ""),
    ],
)
def test_an_unknown_name_is_a_model_that_was_not_found(names: Any, detail: str, model: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        resolved({"detail": detail}, names, 404)
    assert caught.value.model == model
    assert isinstance(caught.value.cause, NotFoundError)
    assert (model or detail) in caught.value.message


@pytest.mark.parametrize(
    ("body", "client"),
    [
        (b"<html><title>No such model", {}),
        ({"detail": "Not Found"}, {}),
        ({"message": "no Route matched with those values"}, {}),
        ({}, {}),
        ({"detail": "Unknown model"}, {"base_url": "https://api.test/api"}),
    ],
)
@pytest.mark.parametrize("names", ["lucy-latest", ["lucy-latest", "lucy-clip"]])
def test_a_404_of_something_else_says_nothing_about_the_model(names: Any, body: Any, client: Any) -> None:
    with pytest.raises(CallError, match="not resolved: .*The service has no such route; check the base URL") as caught:
        resolved(body, names, 404, **client)
    assert caught.value.status_code == 404


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_key_for_it_is_not_the_service(status: int) -> None:
    with pytest.raises(CallError, match="the service needs none for this, and none was sent; check the base URL"):
        resolved({"detail": "Missing API key"}, "lucy-latest", status)


@pytest.mark.parametrize("names", [KEY, [KEY], ["lucy-latest", f"lucy-{KEY}"]])
def test_the_api_key_in_place_of_a_name_is_neither_sent_nor_shown(names: Any) -> None:
    with pytest.raises(InvalidInputError, match="names must be model names, not the API key") as caught:
        client_of(FakeTransport()).models.resolve(names)
    assert KEY not in caught.value.message


def test_a_name_that_is_asked_for_twice_is_resolved_once() -> None:
    assert resolved({"model_ids": {"lucy-latest": "lucy-2.5"}}, ["lucy-latest"] * 2) == {"lucy-latest": "lucy-2.5"}


@pytest.mark.parametrize(
    "names", ["", " ", [], [""], [5], [None], None, b"lucy", {"lucy": 1}, {"lucy"}, iter(["lucy"]), 5]
)
def test_what_is_no_name_is_refused_before_anything_is_sent(names: Any) -> None:
    with pytest.raises(InvalidInputError, match="names must be a model name .* or a non-empty list"):
        client_of(FakeTransport()).models.resolve(names)


@pytest.mark.parametrize(
    "body",
    [
        b"OK",
        [],
        {},
        {"model_id": None},
        {"model_id": 5},
        {"model_id": "a\nb"},
        {"model_id": ""},
        {"model_id": KEY},
        {"model_ids": {"lucy-latest": "lucy-2.5"}},
    ],
)
def test_a_response_that_does_not_name_the_model_is_an_error(body: Any) -> None:
    with pytest.raises(CallError, match="it does not name the model 'lucy-latest'") as caught:
        resolved(body, "lucy-latest")
    assert isinstance(caught.value.cause, ResponseError)


@pytest.mark.parametrize("body", [{"model_ids": None}, {"model_ids": {"lucy-clip": "lucy-clip"}}, {"model_id": "x"}])
def test_a_response_without_one_of_several_names_is_an_error(body: Any) -> None:
    with pytest.raises(CallError, match="it does not name the model 'lucy-(clip|latest)'"):
        resolved(body, ["lucy-clip", "lucy-latest"])


def test_a_lookup_is_free_and_repeated_like_a_status_check() -> None:
    transport = FakeTransport(
        ConnectError("No net."), make_response(502), make_response(200, b"?"), make_response(200, {"model_id": "m"})
    )
    assert client_of(transport).models.resolve("lucy-latest") == "m"
    assert len(transport.posts) == 4


# ---------------------------------------------------------------- provenance


def verdict(body: object, status: int = 200) -> Provenance:
    return client_of(FakeTransport(make_response(status, body)), retry=ONCE).verify(b"a file")


def test_a_file_is_sent_and_the_verdict_comes_back(tmp_path: Path) -> None:
    (tmp_path / "lake.mp4").write_bytes(MP4)
    transport = FakeTransport(make_response(200, {"detected": True, "confidence": 0.75, "watermark": "v2"}))
    seen: list[Progress] = []
    verdict = client_of(transport).verify(tmp_path / "lake.mp4", progress=seen.append)
    assert (verdict.detected, verdict.confidence, verdict.data["watermark"]) == (True, 0.75, "v2")
    (sent,) = transport.requests
    assert (sent.method, sent.path, sent.headers["X-API-KEY"]) == ("POST", "/v1/verify", KEY)
    assert b'name="file"; filename="lake.mp4"\r\nContent-Type: video/mp4\r\n\r\n' + MP4 in (sent.body or b"")
    assert seen[-1].done == seen[-1].total == len(sent.body or b"")


@pytest.mark.parametrize(
    ("body", "detected", "confidence"),
    [
        ({"detected": False, "confidence": 0}, False, 0),
        ({"detected": "yes", "confidence": True}, None, None),
        ({"detected": None, "confidence": "high"}, None, None),
        ({"detected": 1, "confidence": 95}, None, 95),
        ({"verdict": "made by lucy"}, None, None),
    ],
)
def test_what_the_service_does_not_say_is_none(body: Any, detected: bool | None, confidence: float | None) -> None:
    assert verdict(body) == Provenance(detected=detected, confidence=confidence, data=body)


def test_a_confidence_that_is_no_number_of_json_is_none() -> None:
    for number in (b"NaN", b"Infinity", b"1e999"):
        assert verdict(b'{"confidence": ' + number + b"}").confidence is None


def test_the_key_is_in_no_verdict() -> None:
    assert verdict({"asked_by": KEY, KEY: [f"by {KEY}"]}).data == {"asked_by": "***", "***": ["by ***"]}


@pytest.mark.parametrize("key", ["5", "true", "12345", 'n1"'])
def test_a_short_key_does_not_damage_a_verdict(key: str) -> None:
    body = {"detected": True, "confidence": 0.5, "took": 12345, "note": "\n1"}
    client = DecartClient(key, transport=FakeTransport(make_response(200, body)))
    assert client.verify(b"a file").data == body


def test_a_verdict_that_is_nested_too_deeply_is_an_error() -> None:
    with pytest.raises(CallError, match="it is not a JSON object"):
        verdict(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


@pytest.mark.parametrize("body", [b"", b"OK", [True]])
def test_a_verdict_that_is_no_object_is_an_error(body: Any) -> None:
    with pytest.raises(CallError, match="The file was not verified: .*it is not a JSON object"):
        verdict(body)


def test_a_service_without_the_check_is_said_to_be_one() -> None:
    transport = FakeTransport(make_response(501, {"detail": "no upstream"}))
    with pytest.raises(CallError, match="does not check files for a watermark.*no upstream") as caught:
        client_of(transport).verify(b"a file")
    assert (caught.value.status_code, len(transport.posts)) == (501, 1)


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_the_route_is_said_to_be_one(status: int) -> None:
    with pytest.raises(CallError, match="The service has no such route; check the base URL"):
        verdict({"detail": "Not Found"}, status)


@pytest.mark.parametrize("status", [401, 413, 500])
def test_a_file_that_was_not_checked_is_an_error(status: int) -> None:
    with pytest.raises(CallError, match="The file was not verified: ") as caught:
        verdict({"detail": "No."}, status)
    assert caught.value.status_code == status


@pytest.mark.parametrize("file", [b"", "lake.mp4", Path("no such file"), None])
def test_what_is_no_file_is_refused_before_anything_is_sent(file: Any) -> None:
    with pytest.raises(InvalidInputError, match="file: "):
        client_of(FakeTransport()).verify(file)


# ---------------------------------------------------------------- both


def test_a_hook_sees_each_operation() -> None:
    seen: list[Operation] = []

    class Hook(EventHook):
        def operation(self, operation: Operation) -> Any:
            seen.append(operation)
            return super().operation(operation)

    transport = FakeTransport(make_response(200, {"model_id": "m"}), make_response(200, {}))
    client = client_of(transport, event_hooks=[Hook()])
    client.models.resolve("lucy-latest")
    client.verify(b"a file")
    assert seen == [Operation(name="resolve"), Operation(name="verify")]


def test_the_catalogue_is_still_the_module() -> None:
    assert client_of(FakeTransport()).models is not models
