"""Requests that change nothing: which model a name stands for, and whether the service made a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from .config import Settings
from .errors import CallError, DecartSDKError, InvalidInputError, ModelNotFoundError
from .inputs import refuse
from .models import ModelDefinition
from .protocol import Call, JsonBody, form_request, is_id
from .redaction import holds_key, redact_json, redact_secret
from .responses import BufferedResponse, api_error, doubt_of_path, load_json, no_such_route, reason, unreadable
from .transports.base import HttpRequest
from .uploads import upload

# ---------------------------------------------------------------- model names

MODEL_NAMES = "a model name (str) or a non-empty list of model names"

Name = str | ModelDefinition
"""The name of a model; a model of the catalogue stands for its name."""

Names = list[Name] | tuple[Name, ...]


def resolve_call(settings: Settings, names: str | tuple[str, ...]) -> Call[dict[str, str]]:
    """Build the request that resolves names: POST /v1/models/resolve. It needs no key, and none is sent."""
    headers = {name: value for name, value in settings.headers.items() if name != "X-API-KEY"}
    request = HttpRequest(
        method="POST",
        url=f"{settings.base_url}/v1/models/resolve",
        headers={**headers, "Content-Type": "application/json"},
        body=JsonBody({"model": names} if isinstance(names, str) else {"models": names}),
    )
    return Call(
        request=request, parse=partial(_parse_names, settings=settings, names=names), what="request for a model name"
    )


def checked_names(names: object, settings: Settings) -> str | tuple[str, ...]:
    """Check a name, or a list of names; a model stands for its name.

    Raises:
        InvalidInputError: It is neither, or the list is empty, or the API key is among them.
    """
    given: Any = names if isinstance(names, (list, tuple)) else (names,)
    if not given:
        raise refuse("names", MODEL_NAMES, names)
    checked = tuple(name.name if isinstance(name, ModelDefinition) else name for name in given)
    for name in checked:
        if not isinstance(name, str) or not name.strip():
            raise refuse("names", MODEL_NAMES, name)
        if holds_key(name, settings):
            raise InvalidInputError("names must be model names, not the API key.")
    return checked if given is names else checked[0]


def _several(names: Any) -> Any:
    return (names,) if isinstance(names, str) else names


def _parse_names(response: BufferedResponse, settings: Settings, names: str | tuple[str, ...]) -> dict[str, str]:
    """Return the canonical name for each name."""
    if not response.ok:
        raise _refusal(response, settings, names)
    body = load_json(response.body)
    values = body if isinstance(body, dict) else {}
    found = {names: values.get("model_id")} if isinstance(names, str) else values.get("model_ids")
    resolved: dict[str, str] = {}
    for name in _several(names):
        value = found.get(name) if isinstance(found, dict) else None
        if not isinstance(value, str) or not is_id(value) or holds_key(value, settings):
            raise unreadable(f"it does not name the model {name[:100]!r}", response, settings)
        resolved[name] = value
    return resolved


def _refusal(response: BufferedResponse, settings: Settings, names: str | tuple[str, ...]) -> DecartSDKError:
    """Return the error of a refusal: a 404 may be about a name, or about a route that a server or proxy lacks."""
    said = reason(load_json(response.body))
    about_a_name = "model" in said.lower() or any(name in said for name in _several(names))
    if response.status == 404 and about_a_name and not doubt_of_path(response, settings):
        return _unknown(names, api_error(response, settings))
    advice = no_such_route(response, settings)
    if response.status in (401, 403):
        advice = "The server wants a key, but the service needs none for this, and none was sent; check the base URL."
    return api_error(response, settings, advice=advice)


def _unknown(names: str | tuple[str, ...], cause: DecartSDKError) -> ModelNotFoundError:
    """Return the error for a name that the service does not know: of several, the one that its reason mentions."""
    said = cause.data["detail"]
    mentioned = [names] if isinstance(names, str) else [name for name in names if name in said]
    name = max(mentioned, key=len, default="")
    what = f"has no model named {name[:100]!r}" if name else f"does not know all of these models ({said})"
    return ModelNotFoundError(f"The service {what}.", model=name, cause=cause)


def resolve_error(cause: DecartSDKError) -> CallError:
    """Return the error of names that were not resolved."""
    cause = cause.with_traceback(None)
    return CallError(f"The model name was not resolved: {cause}", cause=cause)


# ---------------------------------------------------------------- provenance


@attrs.frozen(kw_only=True)
class Provenance:
    """Whether the service found its watermark in a file.

    The service does not publish the shape of its response: ``detected`` and ``confidence`` are what it says under these
    names, if it does, and ``data`` is everything.

    Attributes:
        detected: Whether the watermark was found. False says that it was not, and nothing about who made the file:
            heavy editing may remove it, and other services use other watermarks or none. ``None`` if the response does
            not say.
        confidence: How sure the service is, in its own measure; ``None`` if it does not say.
        data: The JSON object of the response.
    """

    detected: bool | None
    confidence: float | None
    data: dict[str, Any] = attrs.field(repr=False)


def verify_call(
    settings: Settings, file: object, on_sent: Callable[[int, int], object] | None = None
) -> Call[Provenance]:
    """Build the request that looks for the watermark in a file: POST /v1/verify.

    Args:
        on_sent: Called with the bytes sent so far, and their total.

    Raises:
        InvalidInputError: It is not a file, or cannot be read.
    """
    request = form_request(settings, "/v1/verify", {"file": upload("file", file)}, on_sent)
    return Call(request=request, parse=partial(_parse_verdict, settings=settings), what="verification of a file")


def _parse_verdict(response: BufferedResponse, settings: Settings) -> Provenance:
    if not response.ok:
        no_check = "The service at this address does not check files for a watermark."
        advice = no_check if response.status == 501 else no_such_route(response, settings)
        raise api_error(response, settings, advice=advice)
    data = redact_json(load_json(response.body), partial(redact_secret, key=settings.api_key))
    if not isinstance(data, dict):
        raise unreadable("it is not a JSON object", response, settings)
    detected, confidence = data.get("detected"), data.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, (int, float)) or not abs(confidence) < float("inf"):
        confidence = None  # NaN is not less than anything
    return Provenance(
        detected=detected if isinstance(detected, bool) else None,
        confidence=confidence,
        data=data,
    )


def verify_error(cause: DecartSDKError) -> CallError:
    """Return the error of a file that was not verified."""
    cause = cause.with_traceback(None)
    return CallError(f"The file was not verified: {cause}", cause=cause)
