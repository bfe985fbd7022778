"""Signed client tokens as the service makes them, and as a forger does."""

from __future__ import annotations

import base64
import json
from typing import Any

import attrs
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import OKPAlgorithm

from decart.transports.base import HttpResponse
from support.fakes import make_response

PLATFORM = "https://platform.decart.ai"


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a token that is valid on the clock of a test; a change to ``None`` leaves a claim out."""
    valid = {
        "iss": PLATFORM,
        "aud": PLATFORM,
        "sub": "user_1",
        "iat": 0,
        "exp": 1_000_000,
        "organizationId": "org_1",
        "parent_api_key_id": "key_1",
        "jti": "token_1",
        "api_key_name": "production",
        "service_tier": 2,
        "models": ["lucy-2.5"],
        "origins": ["https://example.com"],
        "constraints": {"realtime": {"maxSessionDuration": 60}},
    }
    return {name: value for name, value in {**valid, **changes}.items() if value is not None}


@attrs.frozen(eq=False)
class Signer:
    """A key pair with an id."""

    key_id: str = "key-1"
    private: Ed25519PrivateKey = attrs.field(factory=Ed25519PrivateKey.generate)

    def sign(self, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Sign a token, whose claims and headers may be changed."""
        return jwt.encode(claims(**changes), self.private, "EdDSA", {"kid": self.key_id, **(headers or {})})

    def public(self, **changes: Any) -> dict[str, Any]:
        """Return the public key as a JSON Web Key."""
        key = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**key, "kid": self.key_id, "alg": "EdDSA", "use": "sig", **changes}

    def raw(self) -> bytes:
        """Return the bytes of the public key."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def key_set(*signers: Signer) -> HttpResponse:
    """Return the response of the server of the published keys."""
    return make_response(200, {"keys": [signer.public() for signer in signers]})


def part(value: object) -> str:
    """Encode a part of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
