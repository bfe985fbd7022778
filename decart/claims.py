"""The claims of a signed client token, and how to read them without verifying anything; this needs no extra."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import attrs

from .errors import InvalidInputError, TokenDecodeError
from .tokens import TokenConstraints, names_of

LONGEST = 64 * 1024
"""Characters of the longest token that is read; the service's have about a thousand."""

TIERS = {"0": 0, "1": 1, "2": 2, "3": 3}


@attrs.frozen(kw_only=True)
class ClientTokenClaims:
    """The claims of a signed client token, **unverified**: anybody can write such a token.

    Attributes:
        subject: The service's id of the token's owner (``sub``), not the id of a user of yours.
        expires_at: When it expires.
        organization_id: The organization of its owner.
        api_key_id: The id of the key that it was made with.
        api_key_name: The name of that key.
        service_tier: 0 (free) to 3 (priority).
        models: The only models that it may be used for; ``None`` for all.
        origins: The only origins that it may be used from; ``None`` for all.
        constraints: The limits that it carries.
        claims: All claims, under the token's own names.
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
        return cls(
            subject=_of_type(claims, "sub", str),
            expires_at=None if expires is None else datetime.fromtimestamp(expires, UTC),
            organization_id=_of_type(claims, "organizationId", str),
            api_key_id=_of_type(claims, "parent_api_key_id", str) or _of_type(claims, "jti", str),
            api_key_name=_of_type(claims, "api_key_name", str),
            service_tier=_tier(claims),
            models=names_of(claims.get("models")),
            origins=names_of(claims.get("origins")),
            constraints=_of_type(claims, "constraints", dict),
            claims=dict(claims),
        )


@attrs.frozen(kw_only=True)
class VerifiedClientToken(ClientTokenClaims):
    """The claims of a token whose signature, issuer, audience and times were verified."""


def _of_type(claims: Mapping[str, Any], name: str, *kinds: type) -> Any:
    value = claims.get(name)
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None


def _tier(claims: Mapping[str, Any]) -> int | None:
    """Return the tier, which may be digits in a text; without one, the older claim ``priority`` means the highest."""
    tier = claims.get("service_tier")
    return 3 if tier is None and claims.get("priority") is True else TIERS.get(str(tier))


def decode_token(token: str) -> ClientTokenClaims:
    """Read the claims of a signed token **without verifying anything**.

    Raises:
        InvalidInputError: It is not a str.
        TokenDecodeError: It is not a signed token.
    """
    if why := not_signed(token):
        raise TokenDecodeError(why)
    with suppress(Exception):  # a token may contain any JSON
        parts = [base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True) for part in token.split(".")]
        head, claims = map(json.loads, parts[:2])
        if len(parts) == 3 and isinstance(head, dict) and isinstance(claims, dict):
            return ClientTokenClaims.of(claims)
    raise TokenDecodeError("The token is not a signed client token (JWT).")


def not_signed(token: object) -> str | None:
    """Return why a text cannot be a signed token, if it is one of the mistakes that have a name."""
    if not isinstance(token, str):
        raise InvalidInputError(f"token must be a str, not {type(token).__name__}.")
    if token.startswith("ek_"):
        return "This is the key of a client token (ek_...); pass its signed form (eyJ...), the attribute token."
    if len(token) > LONGEST:  # reading it would keep the caller's server busy
        return "The token is longer than any of the service's."
    return None if token else "The token is empty."
