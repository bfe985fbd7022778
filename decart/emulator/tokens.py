"""Client tokens: short-lived keys for browsers, created with a permanent key, with fewer rights.

A token has two forms, and both are accepted until it expires on the emulator's clock: an opaque key (``ek_...``), and a
JWT signed with Ed25519, whose claims anybody can verify with the key at ``/api/auth/jwks``.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from functools import cached_property
from typing import Annotated, Any

import attrs
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from pydantic import AfterValidator, BaseModel, Field

from .dates import Dates

PLATFORM = "https://platform.decart.ai"  # issuer and audience of the service's tokens, and so of the emulator's
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


def _origin(value: str) -> str:
    if not _ORIGIN.fullmatch(value):
        raise ValueError("An origin is scheme://host[:port], in lower case")
    return value


_Names = Annotated[list[str], Field(max_length=20)]
_Origins = Annotated[list[Annotated[str, Field(max_length=253), AfterValidator(_origin)]], Field(max_length=20)]


class _Realtime(BaseModel):
    maxSessionDuration: Annotated[int, Field(ge=10)] | None = None


class _Constraints(BaseModel):
    realtime: _Realtime | None = None


class TokenOrder(BaseModel):
    """The body of a request for a token.

    Attributes:
        expiresIn: Seconds until it expires.
        allowedModels: The only models that it may submit to.
        allowedOrigins: The only origins of web pages that may use it.
        constraints: Limits of realtime sessions, which are passed on.
        metadata: Anything; the emulator ignores it.
    """

    expiresIn: Annotated[int, Field(ge=1, le=3600)] | None = None
    allowedModels: _Names | None = None
    allowedOrigins: _Origins | None = None
    constraints: _Constraints | None = None
    metadata: dict[str, Any] | None = None


@attrs.frozen(kw_only=True)
class Grant:
    """The rights of a client token.

    Attributes:
        owner: The key that it was created with, whose jobs and files it shares.
        expires: When it expires, in seconds since 1970.
        models: The only models that it may submit to, or ``None`` for all.
        origins: The only origins that it may be used from, or ``None`` for all.
    """

    owner: str = attrs.field(repr=False)
    expires: float
    models: tuple[str, ...] | None
    origins: tuple[str, ...] | None


class Tokens:
    """The client tokens of an emulator.

    Args:
        dates: The emulator's date.

    Example:
        >>> minted = Tokens(Dates(clock.now)).mint("dct_local", TokenOrder(expiresIn=300))
        >>> minted["apiKey"]
        'ek_...'
    """

    def __init__(self, dates: Dates) -> None:
        self._dates = dates
        self._grants: dict[str, Grant] = {}
        self._lock = threading.Lock()

    @cached_property
    def _signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.generate()

    @cached_property
    def _key_id(self) -> str:
        return hashlib.sha256(self._signer.public_key().public_bytes_raw()).hexdigest()[:16]

    def mint(self, owner: str, order: TokenOrder) -> dict[str, Any]:
        """Create a token for the holder of a permanent key; return the body of the response."""
        now = self._dates.now()
        grant = Grant(
            owner=owner,
            expires=now + (order.expiresIn or 60),
            models=None if order.allowedModels is None else tuple(order.allowedModels),
            origins=None if order.allowedOrigins is None else tuple(order.allowedOrigins),
        )
        limits = None if order.constraints is None else order.constraints.model_dump(exclude_none=True)
        key = f"ek_{secrets.token_urlsafe(32)}"
        with self._lock:
            token = self._signed(grant, limits, now)
            self._grants = {key: known for key, known in self._grants.items() if known.expires > now}
            self._grants |= {key: grant, token: grant}
        asked = {"models": grant.models, "origins": grant.origins}
        permissions = {name: allowed for name, allowed in asked.items() if allowed is not None}
        return {
            "apiKey": key,
            "token": token,
            "expiresAt": self._dates.text(grant.expires),
            "permissions": permissions or None,  # a member that is null breaks the public Python client
            "constraints": limits,
        }

    def find(self, key: str) -> Grant | None:
        """Return the rights of a token, given in either form; ``None`` if it is unknown or has expired."""
        grant = self._grants.get(key)
        return grant if grant is not None and self._dates.now() < grant.expires else None

    def key_set(self) -> dict[str, Any]:
        """Return the public key that the tokens are signed with, as a JSON Web Key Set."""
        with self._lock:
            key = OKPAlgorithm.to_jwk(self._signer.public_key(), as_dict=True)
            return {"keys": [{**key, "kid": self._key_id, "alg": "EdDSA", "use": "sig"}]}

    def _signed(self, grant: Grant, limits: dict[str, Any] | None, now: float) -> str:
        """Return the grant as a JWT, which identifies the owner without revealing the key."""
        account = hashlib.sha256(grant.owner.encode("utf-8", "replace")).hexdigest()[:16]
        claims = {
            "iss": PLATFORM,
            "aud": PLATFORM,
            "sub": f"user_{account}",
            "iat": int(now),
            "exp": int(grant.expires),
            "jti": f"token_{secrets.token_hex(8)}",
            "organizationId": f"org_{account}",
            "parent_api_key_id": f"key_{account}",
            "api_key_name": "emulator",
            "service_tier": 1,
            "models": grant.models,
            "origins": grant.origins,
            "constraints": limits,
        }
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, self._signer, algorithm="EdDSA", headers={"kid": self._key_id})
