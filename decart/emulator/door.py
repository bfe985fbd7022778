"""Who is let in, and what for: permanent keys, and client tokens that may do less."""

from __future__ import annotations

import re
from collections.abc import Collection

import attrs

from .replies import Refused
from .tokens import Grant, Tokens

_LOOKS_LIKE_A_KEY = re.compile(r"dct_[!-+\--~]*")  # no blank and no comma: two keys in one header are none


@attrs.frozen
class Caller:
    """Whoever was let in.

    Attributes:
        owner: The permanent key that they have, or that their token was minted with.
        grant: What their token may do; ``None`` for the holder of the key itself.
    """

    owner: str = attrs.field(repr=False)
    grant: Grant | None = None

    def may_use(self, *names: str) -> bool:
        """Return whether they may use a model, by any of its names."""
        allowed = self.grant.models if self.grant is not None else None
        return allowed is None or not set(names).isdisjoint(allowed)


class Door:
    """The check of keys.

    Args:
        api_keys: The permanent keys that are let in; any that looks like one (``dct_...``) for ``None``.
        tokens: The client tokens, which are let in while they live.
    """

    def __init__(self, api_keys: Collection[str] | None, tokens: Tokens) -> None:
        self._api_keys = api_keys
        self._tokens = tokens

    @property
    def takes_any_key(self) -> bool:
        """Whether every key that looks like one is let in."""
        return self._api_keys is None

    def enter(self, key: str, origin: str | None) -> Caller:
        """Let a caller in.

        Args:
            key: What the request has for a key.
            origin: The web page that it comes from, if it says so.

        Raises:
            Refused: The key is missing or wrong (401), or is a token that is not for this origin (403).
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
