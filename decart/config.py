"""What a client was set up with, checked once: the key, the origin it may go to, and how we introduce ourselves."""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit

import attrs

from ._version import __version__
from .errors import InvalidAPIKeyError, InvalidBaseURLError, InvalidInputError
from .transports.base import AnyTimeout, Timeout, origin

DEFAULT_BASE_URL = "https://api.decart.ai"


class Secret(str):
    """A str that shows itself only on the wire: not in a ``repr``, and not in a pickle."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("An API key is not pickled; make a client in each process instead.")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """The checked settings of one client. Their ``repr`` shows where the key goes, and not the key."""

    api_key: Secret
    base_url: str
    user_agent: str
    timeout: Timeout
    key_source: str = "the argument api_key"

    def __repr__(self) -> str:
        return f"Settings(base_url={self.base_url!r})"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"X-API-KEY": self.api_key, "User-Agent": self.user_agent, "Accept": "*/*"}

    @property
    def origin(self) -> str:
        """Scheme, host and port: the only place the key may go."""
        return origin(self.base_url)


def settings(
    api_key: str | None, base_url: str | None, timeout: AnyTimeout, integration: str | None, *, allow_http: bool = False
) -> Settings:
    """Check what the caller gave, and fill in from the environment what was not.

    Raises:
        InvalidAPIKeyError: No key, or one that cannot be a key.
        InvalidBaseURLError: Not an http(s) address, or one that would send the key unencrypted over the internet.
        InvalidInputError: The timeout or the integration cannot be used.
    """
    return Settings(
        api_key=_api_key(os.environ.get("DECART_API_KEY") if api_key is None else api_key),
        base_url=_base_url(_environment_url() if base_url is None else base_url, allow_http),
        user_agent=_user_agent(integration),
        timeout=Timeout.of(timeout),
    )


def _api_key(value: object) -> Secret:
    key = value.strip() if isinstance(value, str) else value
    if not key:
        raise InvalidAPIKeyError(
            "The API key is missing: pass api_key=... or set the environment variable DECART_API_KEY."
        )
    if not isinstance(key, str) or not _is_visible(key):
        raise InvalidAPIKeyError(
            "The API key must be a str of visible ASCII characters, without blanks or line breaks inside; copy it anew."
        )
    return Secret(key)


def _is_visible(text: str) -> bool:
    """Say whether a text is made of visible ASCII characters alone."""
    return all("!" <= character <= "~" for character in text)


def _environment_url() -> str:
    return os.environ.get("DECART_BASE_URL", "").strip() or DEFAULT_BASE_URL


def _base_url(value: object, allow_http: bool) -> str:
    url = value.strip().rstrip("/") if isinstance(value, str) else ""
    if not _is_http(url):
        raise InvalidBaseURLError(
            f"The base URL must look like {DEFAULT_BASE_URL} (http or https, a host, no user name, query or fragment), "
            f"not {_shown(value)}."
        )
    host = urlsplit(url).hostname or ""
    if url.lower().startswith("http:") and not (allow_http or _is_local(host)):
        raise InvalidBaseURLError(
            f"The base URL {url} would send the API key unencrypted; write https://, or pass allow_http=True if the "
            "network to that host can be trusted."
        )
    return url


def _is_local(host: str) -> bool:
    """Tell whether a host is this machine, in a private network, or a name without a domain, as in a compose file."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host.rstrip(".") or host.rstrip(".").endswith(".localhost")
    return address.is_loopback or address.is_private or address.is_link_local


def _shown(value: object) -> str:
    """Return what was given as a base URL, unless it may be the key."""
    text = str(value)
    if re.match(r"\s*(dct|ek)_|\s*eyJ", text):
        return "something that looks like an API key"
    return repr(_without_credentials(text))


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
            and "@" not in parts.netloc
            and not set("?#\\") & set(url)  # an empty query or fragment, too, would swallow the path that follows
            and _is_visible(url)
        )
    except ValueError:  # urlsplit says that this is no URL, or that its port is no number
        return False


def _without_credentials(value: object) -> str:
    return re.sub(r"^(\w+://)?.*@", r"\1***@", str(value), flags=re.DOTALL)[:200]


def _user_agent(integration: str | None) -> str:
    ours = f"decart-python-sdk/{__version__} lang/py"
    if integration is None:
        return ours
    if not isinstance(integration, str) or not re.fullmatch(r"[\x21-\x7e]+( [\x21-\x7e]+)*", integration.strip()):
        raise InvalidInputError(
            f"integration must be a short ASCII str like 'my-app/1.0', not {str(integration)[:100]!r}."
        )
    return f"{ours} {integration.strip()}"
