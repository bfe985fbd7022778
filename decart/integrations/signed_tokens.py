"""Verify signed client tokens (extra ``verify``).

The service signs tokens with Ed25519 and publishes the keys. Which algorithm is used is decided here and never by the
token, so a token that is not signed at all, or "signed" with a public key as an HMAC secret, is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urljoin

from ..claims import VerifiedClientToken, not_signed
from ..config import DEFAULT_BASE_URL, Settings
from ..errors import CallError, DecartSDKError, TokenVerifyError
from ..extras import require
from ..protocol import Call
from ..responses import BufferedResponse, api_error, load_json, unreadable
from ..transports.base import HttpRequest, origin

try:
    import jwt
except ImportError:
    require("verify", "jwt")
    raise
require("verify", "cryptography")  # PyJWT can be imported without it

ISSUER = "https://platform.decart.ai"
"""The issuer of the service's tokens, and their audience (``iss`` and ``aud``)."""

KEYS_PATH = "/api/auth/jwks"
KEYS_TIMEOUT = 10.0
"""Seconds that one request for the keys may take, whatever the timeout of the client."""

ALGORITHM = "EdDSA"
LEEWAY = 30
"""Seconds by which the clocks of the service and of this machine may differ."""

_REASONS: tuple[tuple[type[Exception], str, str], ...] = (
    (jwt.ExpiredSignatureError, "expired", "has expired"),
    (jwt.ImmatureSignatureError, "not_yet_valid", "is not valid yet"),
    (jwt.InvalidAudienceError, "audience", "is for another audience"),
    (jwt.InvalidIssuerError, "issuer", "has another issuer"),
    (jwt.MissingRequiredClaimError, "incomplete", "lacks a required claim"),
    (jwt.InvalidSignatureError, "signature", "has an invalid signature"),
    (Exception, "malformed", "cannot be read"),  # PyJWT raises others, too, for claims of another type
)


def keys_call(settings: Settings) -> Call[dict[str, jwt.PyJWK]]:
    """Build the request for the public keys: GET /api/auth/jwks. It needs no API key, and none is sent.

    The service has them at https://platform.decart.ai; an emulator or a proxy, at the origin of the base URL.
    """
    of_service = origin(settings.base_url) == origin(DEFAULT_BASE_URL)
    url = urljoin(ISSUER if of_service else settings.base_url, KEYS_PATH)
    headers = {name: value for name, value in settings.headers.items() if name != "X-API-KEY"}
    return Call(
        request=HttpRequest(method="GET", url=url, headers=headers),
        parse=partial(_parse_keys, settings=settings),
        what="request for the public keys",
    )


def _parse_keys(response: BufferedResponse, settings: Settings) -> dict[str, jwt.PyJWK]:
    """Return the Ed25519 keys of a JSON Web Key Set by their id."""
    if not response.ok:
        is_there = response.status >= 500 or response.status in (408, 425, 429)
        raise api_error(response, settings, advice=None if is_there else "The public keys are not there.")
    body = load_json(response.body)
    published = body.get("keys") if isinstance(body, dict) else None
    keys: dict[str, jwt.PyJWK] = {}
    for key in published if isinstance(published, list) else ():
        if isinstance(key, dict) and isinstance(key.get("kid"), str) and key.get("use", "sig") == "sig":
            with suppress(Exception):  # a key of another kind, or a damaged one
                keys[key["kid"]] = jwt.PyJWK(key, ALGORITHM)
    if not keys:
        raise unreadable("it has no public keys (JWKS)", response, settings)
    return keys


def keys_error(cause: DecartSDKError) -> CallError:
    """Return the error of keys that could not be fetched."""
    cause = cause.with_traceback(None)
    return CallError(
        f"The token was neither accepted nor refused, because the public keys could not be fetched: {cause}",
        cause=cause,
    )


def key_id_of(token: str) -> str:
    """Return which key a token claims to be signed with.

    Raises:
        InvalidInputError: It is not a str.
        TokenVerifyError: It is not a token that the service could have signed.
    """
    if why := not_signed(token):
        raise TokenVerifyError(why, reason="malformed")
    try:
        header = jwt.get_unverified_header(token)
    except Exception:  # a token may contain any JSON
        header = None
    if header is None:
        raise TokenVerifyError("The token is not a signed client token (JWT).", reason="malformed")
    if header.get("alg") != ALGORITHM:
        raise TokenVerifyError(f"The token is not signed with {ALGORITHM}.", reason="algorithm")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise TokenVerifyError("The token does not say which key it is signed with.", reason="key")
    return key_id


def verify_token(token: str, key: jwt.PyJWK | None, now: float) -> VerifiedClientToken:
    """Verify a token.

    Args:
        key: The published key that it claims to be signed with; ``None`` if there is no such key.
        now: The UNIX time in seconds.

    Raises:
        TokenVerifyError: The token must not be accepted; ``reason`` says why.
    """
    if key is None:
        raise TokenVerifyError("The token is signed with a key that the service does not publish.", reason="key")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=ISSUER,
            options={
                "require": ["exp", "sub", "iss", "aud"],
                "verify_exp": False,  # PyJWT has no clock but the system's, and takes a text for a time
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        _check_times(claims, now)
        return VerifiedClientToken.of(claims)
    except Exception as error:
        reason, words = next((reason, words) for kind, reason, words in _REASONS if isinstance(error, kind))
    raise TokenVerifyError(f"The token {words}.", reason=reason)


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """Raise one of PyJWT's errors if a token has expired, or is not valid yet."""
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    for time in times.values():
        if isinstance(time, bool) or not isinstance(time, (int, float)) or not math.isfinite(time):
            raise jwt.DecodeError
    if times["exp"] <= now - LEEWAY:
        raise jwt.ExpiredSignatureError
    if max(times.get("nbf", now), times.get("iat", now)) > now + LEEWAY:
        raise jwt.ImmatureSignatureError
