"""Client tokens: their forms, rights and expiry."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from support.raw import BufferedResponse, RawClient
from support.studio import Studio

from decart import TokenVerifyError
from decart.emulator import VirtualEmulator

PLATFORM = "https://platform.decart.ai"
LAKE = {"prompt": "a lake"}


def mint(raw: RawClient, **order: object) -> dict[str, Any]:
    """Create a token."""
    response = raw.json("/v1/client/tokens", order)
    assert response.status == 200, response
    minted: dict[str, Any] = response.json
    return minted


def submit(raw: RawClient, key: str, model: str = "lucy-pro-t2v", **headers: str) -> BufferedResponse:
    return raw.form(f"/v1/jobs/{model}", LAKE, key=key, **headers)


def test_a_token_request_may_be_empty(raw: RawClient) -> None:
    minted = raw.request("POST", "/v1/client/tokens", b"").json
    assert (minted["permissions"], minted["constraints"]) == (None, None)
    assert minted["apiKey"].startswith("ek_")


@pytest.mark.parametrize("form", ["apiKey", "token"])
def test_both_forms_of_a_token_are_accepted_until_it_expires(raw: RawClient, form: str) -> None:
    key = mint(raw, expiresIn=300)[form]
    raw.clock.advance(299)
    assert submit(raw, key).status == 200
    raw.clock.advance(1)
    assert submit(raw, key).json == {"detail": "Invalid API key"}


def test_a_token_is_valid_for_a_minute_by_default(raw: RawClient) -> None:
    key = mint(raw)["apiKey"]
    raw.clock.advance(60)
    assert submit(raw, key).status == 401


def test_the_signature_is_that_of_the_published_key(raw: RawClient) -> None:
    token = mint(raw, allowedModels=["lucy-2.5"], constraints={"realtime": {"maxSessionDuration": 10}})["token"]
    keys = jwt.PyJWKSet.from_dict(raw.get("/api/auth/jwks", key=None).json)
    public = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token, public, ["EdDSA"], audience=PLATFORM, issuer=PLATFORM, options={"require": ["exp", "sub", "iss", "aud"]}
    )
    assert claims["models"] == ["lucy-2.5"]
    assert claims["constraints"] == {"realtime": {"maxSessionDuration": 10}}
    assert "dct_test" not in str(claims)


def test_a_token_may_use_the_models_that_it_names_by_any_of_their_names(raw: RawClient) -> None:
    minted = mint(raw, allowedModels=["lucy-pro-t2v", "lucy-image-2"])
    assert minted["permissions"] == {"models": ["lucy-pro-t2v", "lucy-image-2"]}
    key = minted["apiKey"]
    assert submit(raw, key).status == 200
    assert submit(raw, key, "lucy-pro-i2i").status == 422  # let in, and asked for its picture
    refused = submit(raw, key, "lucy-clip")
    assert (refused.status, refused.json["detail"]) == (403, "Model lucy-clip is not allowed for this token")


@pytest.mark.parametrize(
    ("order", "permissions"),
    [
        ({"allowedModels": ["lucy-2.5"]}, {"models": ["lucy-2.5"]}),
        ({"allowedOrigins": ["https://a.example"]}, {"origins": ["https://a.example"]}),
        ({"allowedModels": [], "allowedOrigins": []}, {"models": [], "origins": []}),
        ({"allowedModels": None, "expiresIn": 9}, None),
    ],
)
def test_permissions_have_only_the_requested_members(raw: RawClient, order: Any, permissions: Any) -> None:
    assert mint(raw, **order)["permissions"] == permissions


def test_a_token_is_valid_for_the_origins_that_it_names(raw: RawClient) -> None:
    key = mint(raw, allowedOrigins=["https://example.com"])["apiKey"]
    assert submit(raw, key).status == 200  # no browser, so no origin
    assert submit(raw, key, Origin="https://example.com").status == 200
    assert submit(raw, key, Origin="https://evil.example").json == {"detail": "Origin not allowed for this token"}


@pytest.mark.parametrize("form", ["apiKey", "token"])
def test_a_token_cannot_create_a_token(raw: RawClient, form: str) -> None:
    response = raw.json("/v1/client/tokens", {}, key=mint(raw)[form])
    assert response.status == 403


@pytest.mark.parametrize(
    ("order", "where"),
    [
        ({"expiresIn": 0}, ["expiresIn"]),
        ({"expiresIn": 3601}, ["expiresIn"]),
        ({"allowedModels": ["x"] * 21}, ["allowedModels"]),
        ({"allowedOrigins": ["https://example.com/page"]}, ["allowedOrigins", 0]),
        ({"allowedOrigins": ["HTTPS://example.com"]}, ["allowedOrigins", 0]),
        ({"constraints": {"realtime": {"maxSessionDuration": 9}}}, ["constraints", "realtime", "maxSessionDuration"]),
    ],
)
def test_a_token_request_out_of_range_is_422(raw: RawClient, order: dict[str, object], where: list[object]) -> None:
    ((loc, _),) = raw.json("/v1/client/tokens", order).wrong
    assert loc == ["body", *where]


@pytest.mark.parametrize("options", [{"api_keys": {"mine"}}], ids=["keys are given"])
def test_tokens_of_configured_keys_are_accepted(raw: RawClient) -> None:
    assert raw.json("/v1/client/tokens", {}).status == 401
    key = raw.json("/v1/client/tokens", {}, key="mine").json["apiKey"]
    assert submit(raw, key).status == 200


def test_a_token_shares_the_files_of_its_key(raw: RawClient) -> None:
    file_id = raw.form("/v1/files", {}, {"file": b"x"}).json["id"]
    assert raw.get(f"/v1/files/{file_id}", key=mint(raw)["apiKey"]).status == 200


def test_a_token_expires_on_the_virtual_clock() -> None:
    with VirtualEmulator(renderer=Studio()) as emulator, emulator.client() as client:
        emulator.clock.advance(3600)
        token = client.tokens.create(expires_in=60).token or ""
        emulator.clock.advance(89)
        assert client.tokens.verify(token).subject
        emulator.clock.advance(2)
        with pytest.raises(TokenVerifyError, match="has expired"):
            client.tokens.verify(token)
