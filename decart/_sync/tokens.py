# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Client tokens: create them for a browser, and verify or read them in a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from ..claims import ClientTokenClaims, VerifiedClientToken, decode_token
from ..errors import CallError, DecartSDKError
from ..events import Operation
from ..keys import Next
from ..models import ModelDefinition
from ..policies import repeat_read
from ..tokens import (
    CreateTokenResponse,
    TokenConstraints,
    token_call,
    token_error,
    token_request,
)
from .engine import Engine

PAUSE = 0.05
"""Seconds between two checks whether another call has fetched the keys."""


class TokensClient:
    """The client tokens of one client; reach it as ``client.tokens``. Any number of threads and tasks may use it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self,
        *,
        expires_in: int | timedelta | None = None,
        allowed_models: Iterable[str | ModelDefinition] | None = None,
        allowed_origins: Iterable[str] | None = None,
        constraints: TokenConstraints | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> CreateTokenResponse:
        """Create a short-lived key with fewer rights, for a browser or an app. Free of charge.

        It is retried as a status check is: at worst, a token that nobody received expires unused.

        Args:
            expires_in: Seconds until it expires, 1 to 3600, or a ``timedelta``; the service's default is 60.
            allowed_models: The only models that it may be used for, 1 to 20; all by default.
            allowed_origins: The only origins of web pages that may use it, such as ``"https://example.com"``, 1 to
                20; all by default.
            constraints: Limits of realtime sessions, such as ``{"realtime": {"maxSessionDuration": 120}}`` in seconds.
            metadata: A dict of JSON values, sent to the service. Whether the signed token has it is not published.

        Raises:
            InvalidInputError: An argument cannot be used; nothing was sent.
            TokenCreateError: No token was received; ``cause`` says why. A client token cannot create another one (403).

        Example:
            >>> token = client.tokens.create(expires_in=300, allowed_origins=["https://example.com"])
            >>> page = {"apiKey": token.api_key, "expiresAt": token.expires_at.isoformat()}
        """
        engine = self._engine
        body = token_request(
            expires_in=expires_in,
            allowed_models=allowed_models,
            allowed_origins=allowed_origins,
            constraints=constraints,
            metadata=metadata,
        )
        call = token_call(engine.settings, body, engine.check_open)
        return engine.call(Operation(name="token"), call, repeat_read, token_error)

    def verify(self, token: str) -> VerifiedClientToken:
        """Verify a signed client token (``eyJ...``): its signature, issuer, audience and times. Free of charge.

        The clocks may differ by 30 s; the time is that of the transport, which a test may advance. Whether a token was
        withdrawn early cannot be checked. No API key is needed: a client that only verifies may have any text as its
        key. The service's public keys are fetched without it, from https://platform.decart.ai, or from the origin of
        the base URL if that is not the service's. They are kept for an hour, and fetched again for an unknown key id,
        at most every 30 s. Only a call that fetches them makes a request. In an outage, one call in 30 s tries to fetch
        them; the others that need them fail at once.

        Raises:
            TokenVerifyError: The token must not be accepted; ``reason`` says why.
            CallError: The keys could not be fetched, so nothing was decided.
            MissingExtraError: PyJWT is not installed (extra ``verify``).
            InvalidInputError: The token is not a str.

        Example:
            >>> (client.tokens.verify(created.token)).models
            ('lucy-2.5',)
        """
        from ..integrations.signed_tokens import key_id_of, verify_token  # needs an extra

        self._engine.check_open()
        key_id = key_id_of(token)
        key = self._key(key_id)
        now: Callable[[], float] = getattr(self._engine.transport, "time", time.time)
        return verify_token(token, key, now())

    def decode(self, token: str) -> ClientTokenClaims:
        """Read the claims of a signed client token **without verifying them**: anybody can write such a token.

        Raises:
            TokenDecodeError: It is not a signed token.
            InvalidInputError: The token is not a str.

        Example:
            >>> client.tokens.decode(created.token).expires_at
            datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.timezone.utc)
        """
        return decode_token(token)

    def _key(self, key_id: str) -> Any:
        """Return a published key, or ``None`` if there is no such key."""
        from ..integrations.signed_tokens import keys_error  # needs an extra

        transport, cache = self._engine.transport, self._engine.shared.keys
        step = cache.next_step(key_id, transport.now())
        while step is Next.WAIT:
            transport.sleep(PAUSE)
            step = cache.next_step(key_id, transport.now())
        if step is Next.FETCH:
            self._fetch_keys()
        elif isinstance(step, DecartSDKError):
            raise keys_error(step)  # of a fetch by another call, or a moment ago
        return cache.keys.get(key_id)

    def _fetch_keys(self) -> None:
        from ..integrations.signed_tokens import KEYS_TIMEOUT, keys_call, keys_error  # needs an extra

        engine, cache = self._engine, self._engine.shared.keys
        try:
            call, timeout = keys_call(engine.settings), engine.settings.timeout.within(KEYS_TIMEOUT)
            keys = engine.call(Operation(name="token"), call, repeat_read, keys_error, timeout=timeout)
        except CallError as error:
            cache.fail(error.cause, engine.transport.now())
            raise
        except BaseException:
            cache.abandon()
            raise
        cache.finish(keys, engine.transport.now())
