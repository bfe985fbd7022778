"""Authentication by permanent keys, and by client tokens with fewer rights."""

from __future__ import annotations

import re
from collections.abc import Collection

import attrs

from .replies import Refused
from .tokens import Grant, Tokens

_LOOKS_LIKE_A_KEY = re.compile(r"dct_[!-+\--~]*")  # no space and no comma: two keys in one header are no key


@attrs.frozen
class Caller:
    """An authenticated caller.

    Attributes:
        owner: The permanent key, or the one that the token was created with.
        grant: The rights of the token; ``None`` for a permanent key.
    """

    owner: str = attrs.field(repr=False)
    grant: Grant | None = None

    def may_use(self, *names: str) -> bool:
        """Return whether the caller may use a model, under any of its names."""
        allowed = self.grant.models if self.grant is not None else None
        return allowed is None or not set(names).isdisjoint(allowed)


class Authenticator:
    """Check API keys and client tokens.

    Args:
        api_keys: The permanent keys that are accepted; ``None`` for any that looks like one (``dct_...``).
        tokens: The client tokens, which are accepted until they expire.
    """

    def __init__(self, api_keys: Collection[str] | None, tokens: Tokens) -> None:
        self._api_keys = api_keys
        self._tokens = tokens

    @property
    def accepts_any_key(self) -> bool:
        """Whether every key that looks like one is accepted."""
        return self._api_keys is None

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
        if _LOOKS_LIKE_A_KEY.fullmatch(key) if self._api_keys is None else key in self._api_keys:
            return Caller(key)
        grant = self._tokens.find(key)
        if grant is None:
            raise Refused(401, "Invalid API key")
        if origin is not None and grant.origins is not None and origin not in grant.origins:
            raise Refused(403, "Origin not allowed for this token")
        return Caller(grant.owner, grant)
