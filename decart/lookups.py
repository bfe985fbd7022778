"""Requests that change nothing: which model a name stands for, and whether the service made a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from .config import Settings
from .errors import CallError, DecartSDKError, ModelNotFoundError
from .inputs import refuse
from .protocol import Call, JsonBody, form_request, is_id
from .redaction import holds_key, redact_secret
from .responses import BufferedResponse, api_error, doubt_of_path, load_json, text_of, unreadable
from .transports.base import HttpRequest
from .uploads import upload

# ---------------------------------------------------------------- model names

MODEL_NAMES = "a model name (str) or a non-empty list of model names"


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


def checked_names(names: object) -> str | tuple[str, ...]:
    """Check a name, or a list of names.

    Raises:
        InvalidInputError: It is neither, or the list is empty.
    """
    several = (names,) if isinstance(names, str) else names
    if not isinstance(several, (list, tuple)) or not several:
        raise refuse("names", MODEL_NAMES, names)
    for name in several:
        if not isinstance(name, str) or not name.strip():
            raise refuse("names", MODEL_NAMES, name)
    return names if isinstance(names, str) else tuple(several)


def _parse_names(response: BufferedResponse, settings: Settings, names: str | tuple[str, ...]) -> dict[str, str]:
    """Return the canonical name for each name."""
    body = load_json(response.body)
    if response.status == 404 and isinstance(body, dict) and not doubt_of_path(response, settings):
        raise _unknown(names, api_error(response, settings))
    if not response.ok:
        raise api_error(response, settings)
    values = body if isinstance(body, dict) else {}
    found = {names: values.get("model_id")} if isinstance(names, str) else values.get("model_ids")
    resolved: dict[str, str] = {}
    for name in (names,) if isinstance(names, str) else names:
        value = found.get(name) if isinstance(found, dict) else None
        if not isinstance(value, str) or not is_id(value) or holds_key(value, settings):
            raise unreadable(f"it does not name the model {name[:100]!r}", response, settings)
        resolved[name] = value
    return resolved


def _unknown(names: str | tuple[str, ...], cause: DecartSDKError) -> ModelNotFoundError:
    """Return the error for a name that the service does not know: of several, the one that its reason mentions."""
    reason = cause.data["detail"]
    mentioned = [names] if isinstance(names, str) else [name for name in names if name in reason]
    name = max(mentioned, key=len, default="")
    what = f"has no model named {name[:100]!r}" if name else f"does not know all of these models ({reason})"
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


def verify_call(settings: Settings, file: object, on_sent: Callable[[int, int], object]) -> Call[Provenance]:
    """Build the request that looks for the watermark in a file: POST /v1/verify.

    Args:
        on_sent: Called with the bytes sent so far, and their total.

    Raises:
        InvalidInputError: It is not a file, or cannot be read.
    """
    request = form_request(settings, "/v1/verify", {"file": upload("file", file)}, on_sent)
    return Call(request=request, parse=partial(_parse_verdict, settings=settings), what="verification of a file")


def _parse_verdict(response: BufferedResponse, settings: Settings) -> Provenance:
    if response.status == 501:
        raise api_error(response, settings, advice="The service at this address does not check files for a watermark.")
    if not response.ok:
        raise api_error(response, settings)
    data = load_json(redact_secret(text_of(response.body), settings.api_key).encode())
    if not isinstance(data, dict):
        raise unreadable("it is not a JSON object", response, settings)
    detected, confidence = data.get("detected"), data.get("confidence")
    is_number = isinstance(confidence, (int, float)) and not isinstance(confidence, bool)
    return Provenance(
        detected=detected if isinstance(detected, bool) else None,
        confidence=confidence if is_number else None,
        data=data,
    )


def verify_error(cause: DecartSDKError) -> CallError:
    """Return the error of a file that was not verified."""
    cause = cause.with_traceback(None)
    return CallError(f"The file was not verified: {cause}", cause=cause)
