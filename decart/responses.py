"""Answers that are not what was hoped for, put into words: the table of statuses, and the server's own reason.

Text of the server is cut to a readable length, and the API key is blotted out of it, before it goes into an error.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urljoin

from .config import Settings
from .errors import (
    APIError,
    AuthenticationError,
    DecartSDKError,
    ModelRetiredError,
    NotFoundError,
    PaymentRequiredError,
    RateLimitError,
    ResponseError,
    ServerError,
    ValidationError,
)
from .salvage import text_of
from .transports.base import origin

TEXT_LIMIT = 500  # characters of the server's text in a message
BODY_LIMIT = 2000  # characters of the server's text in APIError.body
SHORT_KEY = 6  # characters; a shorter key is redacted only where it stands alone, since it may be part of any word


P = ParamSpec("P")
T = TypeVar("T")


class BufferedResponse:
    """An HTTP answer that has been read."""

    __slots__ = ("status", "headers", "body")

    def __init__(self, *, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


def without_frames(read: Callable[P, T]) -> Callable[P, T]:
    """Have a function that reads an answer raise its errors without its frames, whose variables may echo the key."""

    @wraps(read)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except DecartSDKError as error:
            failure = error.with_traceback(None)
        raise failure

    return wrapper


def load_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def unreadable(why: str, answer: BufferedResponse, settings: Settings) -> ResponseError:
    """Return the error of a 2xx answer that cannot be used."""
    kind = clean(answer.headers.get("content-type", "no content type"), settings, limit=100)
    reason = f"The server answered {answer.status}, but the answer cannot be used: {why} ({kind})"
    return ResponseError(
        f"{reason}. A proxy in between or the service is at fault; try again.",
        data={"status_code": answer.status, "reason": reason},
    )


def held_by(answer: BufferedResponse, settings: Settings) -> dict[str, str]:
    """Return what an answer that cannot be read holds all the same: its text, and where it points to."""
    return {"body": clean(text_of(answer.body), settings, limit=BODY_LIMIT), **_location(answer, settings)}


# status -> the error, and what to tell the person: whose fault it is, and what to do
_STATUS: dict[int, tuple[type[APIError], str]] = {
    400: (ValidationError, "The service refused the input; correct it and submit again."),
    401: (AuthenticationError, "The API key was refused; check DECART_API_KEY or make a new key."),
    402: (PaymentRequiredError, "The account has no credits left; add some and submit again."),
    403: (AuthenticationError, "The API key is not allowed to do this; use a key with the needed permission."),
    404: (NotFoundError, "The service does not know this; check the job id, the model name and the base URL."),
    405: (APIError, "The service has no such route; check the model name and the base URL."),
    408: (APIError, "The service waited too long for the request; check the connection and try again."),
    410: (ModelRetiredError, "The service has retired this; choose another model."),
    413: (ValidationError, "The files are too large for the service; send smaller ones."),
    415: (ValidationError, "The service does not take this kind of file; convert it and submit again."),
    422: (ValidationError, "The service refused the input; correct it and submit again."),
    429: (RateLimitError, "Too many requests; wait and try again."),
}


def _advice(status: int) -> tuple[type[APIError], str]:
    if status >= 500:
        return ServerError, "The service failed, which is not your fault; try again later."
    return _STATUS.get(status, (APIError, "The service refused the request; see the status and the text."))


def api_error(
    answer: BufferedResponse, settings: Settings, kind: type[APIError] | None = None, advice: str | None = None
) -> APIError:
    """Turn an answer other than 2xx into the error that the table names."""
    if 300 <= answer.status < 400:
        kind, advice = APIError, _redirect(answer, settings)
    table_kind, table_advice = _advice(answer.status)
    body = load_json(answer.body)
    text = redact(text_of(answer.body), settings)  # before any of it is cut
    said = clean(reason(body) or _plain(text, answer), settings)
    code = body.get("code") if isinstance(body, dict) else None
    return (kind or table_kind)(
        f"{advice or table_advice} (HTTP {answer.status}{': ' + said if said else ''})",
        status_code=answer.status,
        code=clean(code, settings) if isinstance(code, str) else None,
        body=clean(text, settings, limit=BODY_LIMIT),
        request_id=clean(answer.headers.get("x-request-id", ""), settings) or None,
        retry_after=_seconds(answer.headers),
        data={"status_code": answer.status, "detail": said, **_location(answer, settings)},
    )


def _location(answer: BufferedResponse, settings: Settings) -> dict[str, str]:
    """Return where the answer points to, if it does: after a submit that may be the job."""
    location = clean(answer.headers.get("location", ""), settings)
    return {"location": location} if location else {}


def _redirect(answer: BufferedResponse, settings: Settings) -> str:
    """Say where a redirect leads. It is never followed, so that the key stays at its origin."""
    try:
        target = origin(urljoin(settings.base_url, clean(answer.headers.get("location", ""), settings)))
    except ValueError:
        target = "an address that cannot be read"
    return (
        f"The server redirects to {target}, and nothing was sent there; "
        f"if that is where the service is, make it the base_url instead of {settings.base_url}."
    )


def _plain(text: str, answer: BufferedResponse) -> str:
    """Return an error body that is text as such, and of an HTML page no more than its title."""
    if "html" in answer.headers.get("content-type", "") or text.lstrip()[:1] == "<":
        title = re.search(r"<title[^>]*>([^<]{1,200})", text, re.IGNORECASE)
        return f"an HTML page, {title[1].strip()!r}" if title else "an HTML page"
    return "" if text.lstrip()[:1] in ("{", "[") else text


def reason(body: object) -> str:
    """Find the server's own words in a JSON body: under ``detail``, ``error``, ``message`` or ``error_message``."""
    if not isinstance(body, dict):
        return ""
    return next(
        (text for key in ("error", "message", "detail", "error_message") if (text := _words(body.get(key)))), ""
    )


def _words(value: object) -> str:
    """Put a reason into words: a text, an object with one in it, or FastAPI's list of ``loc`` and ``msg``."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):  # no list in a list: nobody sends one, and a deep nest would end in a RecursionError
        return "; ".join(filter(None, (_words(item) for item in value[:20] if not isinstance(item, list))))
    if isinstance(value, dict) and isinstance(value.get("msg"), str):
        where = value.get("loc")
        path = (
            ".".join(str(step) for step in where if isinstance(step, (str, int)) and step != "body")
            if isinstance(where, list)
            else ""
        )
        return f"{path}: {value['msg']}" if path else value["msg"]
    if isinstance(value, dict):
        return next((text for key in ("message", "error", "detail") if isinstance(text := value.get(key), str)), "")
    return ""


def clean(text: str, settings: Settings, limit: int = TEXT_LIMIT) -> str:
    """Make a server's text fit for a message: no key, no control characters, one line, not too long."""
    text = redact(text, settings).encode("utf-8", "replace").decode()
    if not text.isprintable() or "  " in text:
        text = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", text)
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def redact(text: str, settings: Settings) -> str:
    """Replace the API key in a server's text: as it is, escaped, in base64, or cut off at the text's end."""
    key = settings.api_key
    if len(text) >= len(key):
        text = _echoes_of(key).sub("***", text)
    if len(key) < SHORT_KEY or text[-SHORT_KEY + 1 :] not in key:
        return text
    cut = next((n for n in range(len(key) - 1, SHORT_KEY - 2, -1) if text.endswith(key[:n])), 0)
    return text[: len(text) - cut] + "***" if cut else text


def holds_key(text: str, settings: Settings) -> bool:
    """Say whether a server's text echoes the API key, or enough of one to be recognized as such."""
    return len(settings.api_key) >= SHORT_KEY and redact(text, settings) != text


@lru_cache(maxsize=8)
def _echoes_of(key: str) -> re.Pattern[str]:
    """Return what finds a key in a text: any of its characters may be escaped as in a URL, JSON or HTML."""
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
    """Return what base64 makes of a key wherever it stands in a longer text, without the edges that depend on that."""
    parts = []
    for before in range(3):
        encoded = b64encode(bytes(before) + key).decode("ascii")
        whole_characters = (before + len(key)) * 8 // 6
        parts.append(encoded[(0, 2, 3)[before] : whole_characters])
    return parts + [part.replace("+", "-").replace("/", "_") for part in parts]


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: a number of seconds, or a date (held against the server's own clock, if it tells it)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return float(value)
    moment = _timestamp(value)
    now = _timestamp(headers.get("date", "")) or time.time()
    return None if moment is None else max(0.0, moment - now)


def _timestamp(date: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()  # HTTP's dates are in UTC
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
