"""Client tokens: short-lived keys for browsers. What is sent, and what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, NotRequired, TypedDict, cast

import attrs

from .config import Secret, Settings
from .errors import APIError, DecartSDKError, InvalidInputError, TokenCreateError
from .inputs import read, refuse, seconds_of
from .models import ModelDefinition
from .protocol import Call, JsonBody
from .redaction import holds_key, redact_json, redact_secret
from .responses import BufferedResponse, api_error, load_json, no_such_route, text_of, time_of, unreadable
from .transports.base import HttpRequest

LONGEST = 3600
MOST_NAMES = 20
ORIGIN_LIMIT = 253
SHORTEST_SESSION = 10

_SECRETS = re.compile(r"(ek_|eyJ)[\w.-]+", re.ASCII)
_VISIBLE = re.compile(r"[!-~]+")
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
        "expiresIn": None if expires_in is None else seconds_of("expires_in", expires_in, 1, LONGEST),
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


def _list(field: str, values: Iterable[str | ModelDefinition] | None) -> list[str] | None:
    if values is None:
        return None
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidInputError(f"{field} must be a list: write {field}=[{values!r}].")
    given = read(field, lambda: list(islice(values, MOST_NAMES + 1)))  # it may never end
    names = [value.name if isinstance(value, ModelDefinition) else value for value in given]
    if not 1 <= len(names) <= MOST_NAMES:  # to the service, an empty list might mean all as well as none
        raise InvalidInputError(f"{field} must have 1 to {MOST_NAMES} entries; leave it out to allow all.")
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


def token_call(settings: Settings, body: Mapping[str, Any], may_start: Callable[[], None]) -> Call[CreateTokenResponse]:
    """Build the request for a token: POST /v1/client/tokens.

    Args:
        body: What ``token_request`` returned.
        may_start: Called before the first byte of the body is sent; it raises to stop the request.
    """
    request = HttpRequest(
        method="POST",
        url=f"{settings.base_url}/v1/client/tokens",
        headers={**settings.headers, "Content-Type": "application/json"},
        body=JsonBody(body),
        may_start=may_start,
    )
    return Call(request=request, parse=partial(_parse_token, settings=settings), what="request for a client token")


def token_error(cause: DecartSDKError) -> TokenCreateError:
    """Return the error of a token that was not created."""
    cause = cause.with_traceback(None)  # its frames hold what the server sent, which may be a token
    message = f"The client token was not created: {cause}"
    if isinstance(cause, APIError) and cause.status_code == 403:
        message += " A client token cannot create another one; use a permanent key (dct_...)."
    return TokenCreateError(message, cause=cause)


# ---------------------------------------------------------------- what comes back


def _parse_token(response: BufferedResponse, settings: Settings) -> CreateTokenResponse:
    """Read a new token. No error quotes the response, which contains the token."""
    if not response.ok:
        raise api_error(_redacted(response), settings, advice=no_such_route(response, settings))
    body = load_json(response.body)
    if not isinstance(body, dict):
        raise unreadable("it is not a JSON object" if response.body else "it is empty", response, settings)
    key, token, expires = body.get("apiKey"), body.get("token"), time_of(body.get("expiresAt"))
    if not isinstance(key, str) or not _VISIBLE.fullmatch(key):
        raise unreadable("it has no apiKey", response, settings)
    if holds_key(f"{key} {token}", settings):  # which must never reach a browser
        raise unreadable("in place of a token, it has the API key", response, settings)
    if expires is None:
        raise unreadable("it does not say when the token expires", response, settings)
    permissions, constraints = (_shown(body.get(name), settings) for name in ("permissions", "constraints"))
    return CreateTokenResponse(
        api_key=Secret(key),
        token=Secret(token) if isinstance(token, str) and _VISIBLE.fullmatch(token) else None,
        expires_at=expires,
        permissions=_permissions(permissions) if isinstance(permissions, dict) else None,
        constraints=cast(TokenConstraints, constraints) if isinstance(constraints, dict) else None,
    )


def _redacted(response: BufferedResponse) -> BufferedResponse:
    """Return a response without anything that may be a token."""
    headers = {name: _SECRETS.sub("***", value) for name, value in response.headers.items()}
    return attrs.evolve(response, headers=headers, body=_SECRETS.sub("***", text_of(response.body)).encode())


def _shown(value: object, settings: Settings) -> Any:
    """Return a part of a new token that is shown in its ``repr``, without anything that may be a token or the key."""
    return redact_json(value, lambda text: redact_secret(_SECRETS.sub("***", text), settings.api_key))


def _permissions(value: Mapping[str, Any]) -> TokenPermissions:
    """Return the restrictions of a token without those that are ``null``."""
    permissions = TokenPermissions()
    if (models := names_of(value.get("models"))) is not None:
        permissions["models"] = list(models)
    if (origins := names_of(value.get("origins"))) is not None:
        permissions["origins"] = list(origins)
    return permissions


def names_of(value: object) -> tuple[str, ...] | None:
    """Return the texts of a list in JSON; ``None`` if it is not a list."""
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else None
