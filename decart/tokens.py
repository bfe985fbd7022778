"""Client tokens: short-lived keys for browsers. What is sent, what comes back, and how a signed token is verified."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NotRequired, Self, TypedDict

import attrs

from .config import Secret
from .errors import InvalidInputError, TokenDecodeError, TokenVerifyError
from .extras import require
from .inputs import refuse
from .models import ModelDefinition

ISSUER = "https://platform.decart.ai"
"""Who issues the service's tokens, and whom they are for (``iss`` and ``aud``)."""

ALGORITHM = "EdDSA"
LEEWAY = 30
"""Seconds by which the clocks of the service and of this machine may differ."""

LONGEST = 3600
MOST_NAMES = 20
ORIGIN_LIMIT = 253
SHORTEST_SESSION = 10

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


class RealtimeConstraints(TypedDict, total=False):
    """Limits of realtime sessions: ``maxSessionDuration`` in seconds, 10 or more."""

    maxSessionDuration: int


class TokenConstraints(TypedDict, total=False):
    """Limits that a client token carries."""

    realtime: RealtimeConstraints


class TokenPermissions(TypedDict):
    """What a client token is restricted to; a restriction that was not asked for is absent."""

    models: NotRequired[list[str]]
    origins: NotRequired[list[str]]


@attrs.frozen(kw_only=True)
class CreateTokenResponse:
    """A new client token, in two forms. Neither is shown in a ``repr`` or log, and neither can be pickled.

    Attributes:
        api_key: The key to hand to a browser (``ek_...``).
        token: The same as a signed JWT, which ``client.tokens.verify`` can check without a request; ``None`` if the
            service sent none.
        expires_at: When it expires.
        permissions: What it is restricted to; ``None`` if nothing.
        constraints: The limits that it carries; ``None`` if there are none.
    """

    api_key: Secret
    token: Secret | None = None
    expires_at: datetime
    permissions: TokenPermissions | None = None
    constraints: TokenConstraints | None = None


@attrs.frozen(kw_only=True)
class ClientTokenClaims:
    """What a signed client token says of itself, **unverified**: anybody can write such a token.

    Attributes:
        subject: Whose token it is (``sub``).
        expires_at: When it expires.
        organization_id: The organization of its owner.
        api_key_id: The id of the key that it was made with.
        api_key_name: The name of that key.
        service_tier: 0 (free) to 3 (priority).
        models: The only models that it may be used for; ``None`` for all.
        origins: The only origins that it may be used from; ``None`` for all.
        constraints: The limits that it carries.
        claims: Everything that it says, under the token's own names.
    """

    subject: str | None
    expires_at: datetime | None
    organization_id: str | None
    api_key_id: str | None
    api_key_name: str | None
    service_tier: int | None
    models: tuple[str, ...] | None
    origins: tuple[str, ...] | None
    constraints: TokenConstraints | None
    claims: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Self:
        """Read the claims of a token, leaving out what has another type than documented."""
        expires = _of_type(claims, "exp", int, float)
        tier = 3 if claims.get("priority") is True else _of_type(claims, "service_tier", int)
        return cls(
            subject=_of_type(claims, "sub", str),
            expires_at=None if expires is None else datetime.fromtimestamp(expires, UTC),
            organization_id=_of_type(claims, "organizationId", str),
            api_key_id=_of_type(claims, "parent_api_key_id", str) or _of_type(claims, "jti", str),
            api_key_name=_of_type(claims, "api_key_name", str),
            service_tier=tier,
            models=_names(claims.get("models")),
            origins=_names(claims.get("origins")),
            constraints=_of_type(claims, "constraints", dict),
            claims=dict(claims),
        )


@attrs.frozen(kw_only=True)
class VerifiedClientToken(ClientTokenClaims):
    """The claims of a token whose signature, issuer, audience and times were verified."""


def _of_type(claims: Mapping[str, Any], name: str, *kinds: type) -> Any:
    value = claims.get(name)
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None


def _names(value: object) -> tuple[str, ...] | None:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else None


# ---------------------------------------------------------------- what is sent


def token_request(
    *,
    expires_in: int | timedelta | None,
    allowed_models: Iterable[str | ModelDefinition] | None,
    allowed_origins: Iterable[str] | None,
    constraints: TokenConstraints | None,
    metadata: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the JSON body that orders a token, with what was given and nothing else.

    Raises:
        InvalidInputError: A value is outside of the documented bounds.
    """
    origins = _list("allowed_origins", allowed_origins)
    body = {
        "expiresIn": _seconds(expires_in),
        "allowedModels": _list("allowed_models", allowed_models),
        "allowedOrigins": origins,
        "constraints": _constraints(constraints),
        "metadata": _metadata(metadata),
    }
    for origin in origins or ():
        if len(origin) > ORIGIN_LIMIT or not _ORIGIN.fullmatch(origin):
            raise refuse(
                "allowed_origins", "origins like 'https://example.com', in lower case and without a path", origin
            )
    return {name: value for name, value in body.items() if value is not None}


def _seconds(value: int | timedelta | None) -> int | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds != int(seconds):
        raise refuse("expires_in", "a whole number of seconds, or a timedelta", value)
    if not 1 <= seconds <= LONGEST:
        raise refuse("expires_in", f"from 1 to {LONGEST} seconds", value)
    return int(seconds)


def _list(field: str, values: Iterable[str | ModelDefinition] | None) -> list[str] | None:
    if values is None:
        return None
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidInputError(f"{field} must be a list: write {field}=[{values!r}].")
    names = [value.name if isinstance(value, ModelDefinition) else value for value in values]
    if len(names) > MOST_NAMES:
        raise InvalidInputError(f"{field} may have at most {MOST_NAMES} entries, not {len(names)}.")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise refuse(field, "a list of non-empty str", name)
    return names


def _constraints(value: TokenConstraints | None) -> dict[str, Any] | None:
    if value is None:
        return None
    shape = "a dict like {'realtime': {'maxSessionDuration': 120}}"
    realtime = value.get("realtime", {}) if isinstance(value, dict) and set(value) <= {"realtime"} else None
    if not isinstance(realtime, dict) or not set(realtime) <= {"maxSessionDuration"}:
        raise refuse("constraints", shape, value)
    seconds = realtime.get("maxSessionDuration", SHORTEST_SESSION)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < SHORTEST_SESSION:
        raise refuse("constraints: maxSessionDuration", f"an int of {SHORTEST_SESSION} or more seconds", seconds)
    return dict(value)


def _metadata(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise refuse("metadata", "a dict", value)
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    except Exception as error:
        raise InvalidInputError(f"metadata cannot be written as JSON ({error}).") from error
    return copy


# ---------------------------------------------------------------- what a signed token says


def decode_token(token: str) -> ClientTokenClaims:
    """Read the claims of a signed token **without verifying anything**.

    Raises:
        TokenDecodeError: It is not a signed token.
        MissingExtraError: PyJWT is not installed.
    """
    require("verify", "jwt")
    import jwt

    try:
        return ClientTokenClaims.of(jwt.decode(_text_of(token), options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError, OverflowError) as error:
        raise TokenDecodeError(f"This is not a signed client token (JWT): {error}.") from None


def key_id_of(token: str) -> str:
    """Return which key a token claims to be signed with.

    Raises:
        TokenVerifyError: It is not a token that the service could have signed.
    """
    require("verify", "jwt")
    import jwt

    try:
        header = jwt.get_unverified_header(_text_of(token))
    except (jwt.PyJWTError, ValueError):
        raise TokenVerifyError("This is not a signed client token (JWT).", reason="malformed") from None
    if header.get("alg") != ALGORITHM:
        raise TokenVerifyError(f"The token is not signed with {ALGORITHM}.", reason="algorithm")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not key_id:
        raise TokenVerifyError("The token does not say which key it was signed with.", reason="key")
    return key_id


def verify_token(token: str, key: Mapping[str, Any] | None) -> VerifiedClientToken:
    """Verify a token with the published key that it claims to be signed with; ``None`` if there is no such key.

    Raises:
        TokenVerifyError: The token must not be accepted; ``reason`` says why.
    """
    require("verify", "jwt")
    import jwt

    if key is None:
        raise TokenVerifyError("The token is signed with a key that the service does not publish.", reason="key")
    try:
        claims = jwt.decode(
            token,
            jwt.PyJWK(dict(key), ALGORITHM),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=ISSUER,
            leeway=LEEWAY,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
        return VerifiedClientToken.of(claims)
    except (jwt.PyJWTError, ValueError, OverflowError) as error:
        reasons: Sequence[tuple[type, str, str]] = (
            (jwt.ExpiredSignatureError, "expired", "has expired"),
            (jwt.ImmatureSignatureError, "not_yet_valid", "is not valid yet"),
            (jwt.InvalidAudienceError, "audience", "is for somebody else"),
            (jwt.InvalidIssuerError, "issuer", "was issued by somebody else"),
            (jwt.MissingRequiredClaimError, "incomplete", "lacks a required claim"),
            (jwt.InvalidSignatureError, "signature", "has a wrong signature"),
            (Exception, "malformed", "cannot be read"),
        )
        reason, words = next((reason, words) for kind, reason, words in reasons if isinstance(error, kind))
    raise TokenVerifyError(f"The token {words}.", reason=reason)


def _text_of(token: object) -> str:
    if not isinstance(token, str) or not token.strip():
        raise InvalidInputError("token must be the signed token, a non-empty str.")
    if token.startswith("ek_"):
        raise InvalidInputError("token must be the signed token (eyJ...), not the key of a client token (ek_...).")
    return token.strip()
