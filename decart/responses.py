"""Read what a server sent: the JSON of a success, also if it is damaged, and the reason for a failure.

A failure is put into words by the table of statuses and the server's own reason, which is cut to a readable length and
redacted before it goes into an error.
"""

from __future__ import annotations

import codecs
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import attrs

from .config import Settings
from .errors import (
    APIError,
    AuthenticationError,
    ModelRetiredError,
    NotFoundError,
    PaymentRequiredError,
    RateLimitError,
    ResponseError,
    ServerError,
    ValidationError,
)
from .redaction import clean, redact_secret
from .transports.base import origin

BODY_LIMIT = 2000
"""Characters of a server's text in ``APIError.body``."""

WRAPPERS = ("data", "job", "result")
"""Keys under which an API may nest what is documented at the top level."""

MAX_DEPTH = 20
"""Levels of nesting that are read; a real response has one."""

MAX_CUTS = 20
"""Commas, from the start and from the end each, that are tried as the place where valid JSON ends."""

_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},"]', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


@attrs.define(kw_only=True, eq=False)
class BufferedResponse:
    """A response whose body has been read."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


def load_json(body: bytes) -> Any:
    """Return the JSON value of a body; ``None`` if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def time_of(text: object) -> datetime | None:
    """Parse a time in JSON (ISO 8601, in UTC unless it says otherwise); return ``None`` if the value is not one."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def unreadable(why: str, response: BufferedResponse, settings: Settings) -> ResponseError:
    """Return the error of a 2xx response that cannot be used."""
    kind = clean(response.headers.get("content-type", "no content type"), settings, limit=100)
    reason = f"The server sent status {response.status}, but the response cannot be used: {why} ({kind})"
    return ResponseError(
        f"{reason}. The service or a proxy is at fault.",
        data={"status_code": response.status, "reason": reason},
    )


def contents_of(response: BufferedResponse, settings: Settings) -> dict[str, str]:
    """Return what may identify a job in a response that cannot be read: its text, and its ``Location``."""
    return {"body": clean(text_of(response.body), settings, limit=BODY_LIMIT), **_location(response, settings)}


# status -> the error, and the advice: what is at fault, and what to do. It may be the cause of an error that says that
# money was spent, so none of those that leave that open advises to try again: the error of the call knows.
_STATUS: dict[int, tuple[type[APIError], str]] = {
    400: (ValidationError, "The service refused the input; correct it and submit again."),
    401: (AuthenticationError, "The API key{source} was refused; check it or create a new one."),
    402: (PaymentRequiredError, "The account has no credits left; add some and submit again."),
    403: (AuthenticationError, "The API key{source} lacks the permission for this; use one that has it."),
    404: (NotFoundError, "The service found no such job or model; check the job id, the model name and the base URL."),
    405: (APIError, "The service does not accept this request at this address; check the model name and the base URL."),
    408: (APIError, "The service waited too long for the request; check the connection."),
    410: (ModelRetiredError, "The service no longer offers this model; choose another one."),
    413: (ValidationError, "The files are too large for the service; send smaller ones."),
    415: (ValidationError, "The service does not accept this kind of file; convert it and submit again."),
    422: (ValidationError, "The service refused the input; correct it and submit again."),
    429: (RateLimitError, "Too many requests; wait and try again."),
}


def _advice(response: BufferedResponse, settings: Settings) -> tuple[type[APIError], str]:
    if 300 <= response.status < 400:
        return APIError, _redirect(response, settings)
    if response.status >= 500:
        return ServerError, "The service failed, which is not your fault."
    kind, advice = _STATUS.get(response.status, (APIError, "The service refused the request."))
    return kind, doubt_of_path(response, settings) + advice.format(source=f" from {settings.key_source}")


def doubt_of_path(response: BufferedResponse, settings: Settings) -> str:
    """Return a sentence that doubts the path of the base URL, if it has one and the server found nothing there."""
    path = urlsplit(settings.base_url).path
    if not path or response.status not in (404, 405):
        return ""
    return f"The base URL {settings.base_url} has the path {path}, which may be wrong. "


def no_such_route(response: BufferedResponse, settings: Settings) -> str | None:
    """Return the advice for a 404 or 405 that is about no job and no model; ``None`` for other statuses."""
    if response.status not in (404, 405):
        return None
    return f"{doubt_of_path(response, settings)}The service has no such route; check the base URL."


def api_error(
    response: BufferedResponse, settings: Settings, kind: type[APIError] | None = None, advice: str | None = None
) -> APIError:
    """Turn a response other than 2xx into the error that the table names, or into one of the given kind."""
    table_kind, table_advice = _advice(response, settings)
    body = load_json(response.body)
    text = redact_secret(text_of(response.body), settings.api_key)  # before any of it is cut
    said = clean(reason(body) or _plain(text, response), settings)
    code = body.get("code") if isinstance(body, dict) else None
    return (kind or table_kind)(
        f"{advice or table_advice} (HTTP {response.status}{': ' + said if said else ''})",
        data={"status_code": response.status, "detail": said, **_location(response, settings)},
        status_code=response.status,
        code=clean(code, settings) if isinstance(code, str) else None,
        body=clean(text, settings, limit=BODY_LIMIT),
        request_id=clean(response.headers.get("x-request-id", ""), settings) or None,
        retry_after=_retry_after(response.headers),
    )


def _location(response: BufferedResponse, settings: Settings) -> dict[str, str]:
    """Return where the response points to, if it does: after a submit that may be the job."""
    location = clean(response.headers.get("location", ""), settings)
    return {"location": location} if location else {}


def _redirect(response: BufferedResponse, settings: Settings) -> str:
    """Say where a redirect leads. It is never followed, so that the key stays at its origin."""
    location = clean(response.headers.get("location", ""), settings)
    try:
        target = origin(urljoin(settings.base_url, location))
    except ValueError:
        target = "an unreadable address"
    if not location or target == settings.origin:
        what = f"redirects within {target}" if location else "sent a redirect, or a cached response, without an address"
        return f"The server {what}, and redirects are never followed; check the base_url, {settings.base_url}."
    return (
        f"The server redirects to {target}, and nothing was sent there. "
        f"If the service has moved there, pass it as base_url instead of {settings.base_url}."
    )


def _plain(text: str, response: BufferedResponse) -> str:
    """Return an error body that is plain text, and only the title of an HTML page."""
    if "html" in response.headers.get("content-type", "") or text.lstrip()[:1] == "<":
        title = re.search(r"<title[^>]*>([^<]{1,200})", text, re.IGNORECASE)
        return f"an HTML page, {title[1].strip()!r}" if title else "an HTML page"
    return "" if text.lstrip()[:1] in ("{", "[") else text


def reason(body: object) -> str:
    """Return the server's own words in a JSON body: ``error``, ``message``, ``detail`` or ``error_message``."""
    if not isinstance(body, dict):
        return ""
    return next(
        (text for key in ("error", "message", "detail", "error_message") if (text := _words(body.get(key)))), ""
    )


def _words(value: object) -> str:
    """Return the text of a reason: a string, an object that contains one, or FastAPI's list of ``loc`` and ``msg``."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):  # not lists in lists: nobody sends them, and deep ones would end in a RecursionError
        return "; ".join(filter(None, (_words(item) for item in value[:20] if not isinstance(item, list))))
    if not isinstance(value, dict):
        return ""
    if not isinstance(value.get("msg"), str):
        return next((text for key in ("message", "error", "detail") if isinstance(text := value.get(key), str)), "")
    steps = value["loc"] if isinstance(value.get("loc"), list) else []
    path = ".".join(str(step) for step in steps if isinstance(step, (str, int)) and step != "body")
    return f"{path}: {value['msg']}" if path else value["msg"]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After: seconds, or a date, which is compared with the server's own clock if it sent its time."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return float(value)
    moment = _timestamp(value)
    now = _timestamp(headers.get("date", "")) or time.time()
    return None if moment is None else max(0.0, moment - now)


def _timestamp(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()  # HTTP dates are in UTC
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def text_of(body: bytes) -> str:
    """Decode a body by its byte order mark, as UTF-16 if it is JSON in that without a mark, or else as UTF-8."""
    for mark, encoding in _ENCODINGS.items():
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    if re.match(rb"[{\[]\0|\0[{\[]", body):
        return body.decode("utf-16-le" if body[1:2] == b"\0" else "utf-16-be", "replace")
    return body.decode("utf-8", "replace")


def find_job(body: bytes) -> Mapping[str, Any] | None:
    """Find the JSON object with the ``job_id`` of a paid job: at the top level, in a wrapper or in a list of one.

    The JSON may be truncated, in UTF-16, or surrounded by other text. An ambiguous id is not used: one that may be
    truncated itself, or one of several. If there is no id, return the top-level object; if no object, ``None``.
    """
    text = text_of(body)
    start = re.search(r"[{\[]", text)
    value = None if start is None else _decode(text[start.start() :])
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if not isinstance(value, dict):
        return None
    for job in (value, *map(value.get, WRAPPERS)):
        if isinstance(job, dict) and job.get("job_id") is not None:
            return job
    return value


def _decode(text: str) -> Any:
    """Decode the JSON at the start of a text; if it is truncated or broken, decode what is complete."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
        return None if '"job_id"' in text[end:] else value  # there are two responses, and no way to tell which is ours
    except (ValueError, RecursionError):
        pass
    cuts = _cuts(text)
    for end, closing in reversed(cuts[:MAX_CUTS] + cuts[MAX_CUTS:][-MAX_CUTS:]):
        try:
            return json.loads(text[:end] + closing)
        except (ValueError, RecursionError):
            continue
    return None


def _cuts(text: str) -> list[tuple[int, str]]:
    """Return where a text can be cut (at commas, perhaps at its end), and the brackets that would close it there."""
    cuts: list[tuple[int, str]] = []
    closing = ""
    for token in _TOKENS.finditer(text):
        kind = token[0]
        if kind == '"' or len(closing) > MAX_DEPTH:  # an unterminated string, or nothing of ours
            return cuts
        if kind in _CLOSING:
            closing = _CLOSING[kind] + closing
        elif kind == closing[:1]:
            closing = closing[1:]
        elif kind == ",":
            cuts.append((token.start(), closing))
    if text.rstrip()[-1:] in ('"', "}", "]"):  # a number at the end may be truncated
        cuts.append((len(text), closing))
    return cuts
