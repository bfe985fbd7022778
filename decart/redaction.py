"""Keep the API key out of a server's text, and make the text fit for a message."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .config import Settings

TEXT_LIMIT = 500
"""Characters of a server's text in a message."""

SHORT_KEY = 6
"""Characters: a shorter key is redacted only where it stands alone, since it may be part of any word."""


def clean(text: str, settings: Settings, limit: int = TEXT_LIMIT) -> str:
    """Make a server's text fit for a message: no key, no control characters, one line, not too long."""
    text = redact_secret(text, settings.api_key).encode("utf-8", "replace").decode()
    if not text.isprintable() or "  " in text:
        text = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", text)
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def redact_secret(text: str, key: str) -> str:
    """Replace a secret in a text: verbatim, escaped, in base64, or cut off at the end of the text."""
    if len(text) >= len(key):
        text = _echoes_of(key).sub("***", text)
    if len(key) < SHORT_KEY or text[-SHORT_KEY + 1 :] not in key:
        return text
    cut = next((n for n in range(len(key) - 1, SHORT_KEY - 2, -1) if text.endswith(key[:n])), 0)
    return text[: len(text) - cut] + "***" if cut else text


def redact_json(value: Any, hide: Callable[[str], str]) -> Any:
    """Return a JSON value in which ``hide`` has redacted every text; ``None`` if it is nested too deeply."""
    try:
        return _redact_json(value, hide)
    except RecursionError:
        return None


def _redact_json(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {hide(name): _redact_json(item, hide) for name, item in value.items()}
    if isinstance(value, list):
        return [_redact_json(item, hide) for item in value]
    return hide(value) if isinstance(value, str) else value


def holds_key(text: str, settings: Settings) -> bool:
    """Return whether a server's text echoes the API key, or enough of it to be recognized."""
    return len(settings.api_key) >= SHORT_KEY and redact_secret(text, settings.api_key) != text


@lru_cache(maxsize=8)
def _echoes_of(key: str) -> re.Pattern[str]:
    """Return a pattern that finds a key in a text; any character may be escaped as in a URL, JSON or HTML."""
    escaped = "".join(map(_echoes_of_character, key))
    if len(key) < SHORT_KEY:
        return re.compile(rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])")
    in_base64 = [re.escape(part) for part in _in_base64(key.encode("ascii"))]
    return re.compile("|".join([escaped, *in_base64]), re.IGNORECASE)


def _echoes_of_character(character: str) -> str:
    code = ord(character)
    plain = re.escape(character)
    escaped = rf"%(?:25){{0,3}}{code:02x}|\\{{1,16}}u00{code:02x}"
    if character.isalnum():
        return f"(?:{plain}|{escaped})"
    name = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}.get(character, "none")
    return rf"(?:\\{{0,16}}{plain}|{escaped}|&(?:#0{{0,4}}{code}|#x0{{0,4}}{code:x}|{name});)"


def _in_base64(key: bytes) -> list[str]:
    """Return a key in base64 at each offset in a longer text, without the edges that depend on its neighbours."""
    parts = []
    for offset in range(3):
        encoded = b64encode(bytes(offset) + key).decode("ascii")
        complete = (offset + len(key)) * 8 // 6
        parts.append(encoded[(0, 2, 3)[offset] : complete])
    return parts + [part.replace("+", "-").replace("/", "_") for part in parts]
