"""Who may do what: permanent keys, and client tokens, which are short-lived keys for browsers with fewer rights.

A token has two forms, and both are accepted until it expires on the emulator's clock: an opaque key (``ek_...``), and a
JWT signed with Ed25519, whose claims anybody can verify with the key at ``/api/auth/jwks``.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Collection
from typing import Annotated, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from pydantic import BaseModel, Field

from .clock import Clock, iso_date
from .messages import Caller, Refused

PLATFORM = "https://platform.decart.ai"  # issuer and audience of the service's tokens, and so of the emulator's
_LOOKS_LIKE_A_KEY = re.compile(r"dct_[!-+\--~]*")  # no space and no comma: two keys in one header are no key
_ORIGIN = r"^[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$"

_Names = Annotated[list[str], Field(max_length=20)]
_Origins = Annotated[list[Annotated[str, Field(max_length=253, pattern=_ORIGIN)]], Field(max_length=20)]


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


class Keys:
    """The keys and client tokens that an emulator accepts.

    Args:
        permanent: The permanent keys; ``None`` for any that looks like one (``dct_...``).
        clock: The emulator's clock.

    Attributes:
        accepts_any_key: Whether every key that looks like one is accepted.

    Example:
        >>> keys = Keys(None, VirtualClock())
        >>> keys.mint(keys.authenticate("dct_local", None), TokenOrder(expiresIn=300))["apiKey"]
        'ek_...'
    """

    def __init__(self, permanent: Collection[str] | None, clock: Clock) -> None:
        self._permanent = permanent
        self.accepts_any_key = permanent is None
        self._clock = clock
        self._tokens: dict[str, Caller] = {}
        self._lock = threading.Lock()
        self._signer = Ed25519PrivateKey.generate()
        self._key_id = hashlib.sha256(self._signer.public_key().public_bytes_raw()).hexdigest()[:16]

    def authenticate(self, key: str, origin: str | None) -> Caller:
        """Authenticate a caller.

        Args:
            key: The key in the request; empty if it has none.
            origin: The origin of the web page that sent it, if it has one.

        Raises:
            Refused: The key is missing or wrong (401), or is a token that is not valid for this origin (403).
        """
        if not key:
            raise Refused(401, "Missing API key")
        if _LOOKS_LIKE_A_KEY.fullmatch(key) if self._permanent is None else key in self._permanent:
            return Caller(owner=key)
        caller = self._tokens.get(key)
        if caller is None or self._clock.time() >= (caller.expires or 0):
            raise Refused(401, "Invalid API key")
        if origin is not None and caller.origins is not None and origin not in caller.origins:
            raise Refused(403, "Origin not allowed for this token")
        return caller

    def mint(self, caller: Caller, order: TokenOrder) -> dict[str, Any]:
        """Create a token; return the body of the response.

        Raises:
            Refused: The caller has only a token itself (403).
        """
        if caller.expires is not None:
            raise Refused(403, "Cannot create client token from a client token")
        now = self._clock.time()
        expires = now + (order.expiresIn or 60)
        token = Caller(owner=caller.owner, expires=expires, models=order.allowedModels, origins=order.allowedOrigins)
        asked = {"models": token.models, "origins": token.origins}
        rights = {name: allowed for name, allowed in asked.items() if allowed is not None}
        constraints = None if order.constraints is None else order.constraints.model_dump(exclude_none=True)
        account = hashlib.sha256(caller.owner.encode("utf-8", "replace")).hexdigest()[:16]  # which reveals no key
        claims = {
            "iat": int(now),
            "exp": int(expires),
            "iss": PLATFORM,
            "aud": PLATFORM,
            "sub": f"user_{account}",
            "jti": f"token_{secrets.token_hex(8)}",
            "organizationId": f"org_{account}",
            "parent_api_key_id": f"key_{account}",
            "api_key_name": "emulator",
            "service_tier": 1,
            **rights,
            **({} if constraints is None else {"constraints": constraints}),
        }
        signed = jwt.encode(claims, self._signer, algorithm="EdDSA", headers={"kid": self._key_id})
        key = f"ek_{secrets.token_urlsafe(32)}"
        with self._lock:
            alive = {key: known for key, known in self._tokens.items() if (known.expires or 0) > now}
            self._tokens = {**alive, key: token, signed: token}
        return {
            "apiKey": key,
            "token": signed,
            "expiresAt": iso_date(expires),
            "permissions": rights or None,  # a member that is null breaks the public Python client
            "constraints": constraints,
        }

    def key_set(self) -> dict[str, Any]:
        """Return the public key that the tokens are signed with, as a JSON Web Key Set."""
        key = OKPAlgorithm.to_jwk(self._signer.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self._key_id, "alg": "EdDSA", "use": "sig"}]}
