"""The service's HTTP API as pure functions: a value becomes a request, an answer becomes a value or an error.

============================  ==========================================  ==============================
call                          request                                     2xx answer
============================  ==========================================  ==============================
``submit_call``               POST /v1/jobs/{model}, multipart/form-data  JSON ``job_id``, ``status``
``status_call``               GET /v1/jobs/{job_id}                       JSON ``job_id``, ``status``
``content_call``              GET /v1/jobs/{job_id}/content               the bytes of the video
============================  ==========================================  ==============================

Whatever a server sends, a ``parse_*`` function gives a value or raises an error of this library. Text of the server is
cut to a readable length, and the API key is blotted out of it, before it goes into any of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

import attrs

from ._config import Settings
from ._multipart import MultipartBody
from ._problems import Answer, api_error, clean, load_json, reason, unreadable
from .errors import InvalidInputError, ModelRetiredError
from .inputs import JobInput
from .jobs import JobStatusResponse, JobSubmitResponse
from .models import ModelDefinition, retirement
from .transports.base import HttpRequest

if TYPE_CHECKING:
    from .file_inputs import MotionTrajectoryInput
    from .files import Upload

T = TypeVar("T")

JSON_LIMIT = 1024 * 1024  # bytes of a JSON answer; ours have about a hundred
ID_LIMIT = 1000  # characters of a job id, which goes into messages and logs as it is
ERROR_LIMIT = 64 * 1024  # bytes of an error page that are looked at


class Call(Generic[T]):
    """One exchange: the request, how much of a good answer to read (``None``: all), what it means, and whose it is."""

    __slots__ = ("request", "limit", "parse", "job_id")

    def __init__(
        self, *, request: HttpRequest, limit: int | None, parse: Callable[[Answer], T], job_id: str | None = None
    ) -> None:
        self.request, self.limit, self.parse, self.job_id = request, limit, parse, job_id

    def limit_for(self, status: int) -> int | None:
        """Return how many bytes of an answer of this status are worth reading."""
        return self.limit if 200 <= status < 300 else ERROR_LIMIT


def submit_call(
    settings: Settings, job: JobInput, tell: Callable[[int, int], None] | None = None
) -> Call[JobSubmitResponse]:
    """Build the submit of a job: POST /v1/jobs/{model}; ``tell`` is told how much of it is sent.

    Raises:
        InvalidInputError: A file cannot be read.
    """
    body = MultipartBody(_parts(job), tell)
    headers = {**settings.headers, "Content-Type": body.content_type}
    request = HttpRequest(method="POST", url=settings.base_url + job.model.endpoint, headers=headers, body=body)
    return Call(request=request, limit=JSON_LIMIT, parse=lambda answer: parse_submit(answer, settings, job.model))


def status_call(
    settings: Settings, job_id: str, known: Callable[[JobStatusResponse], JobStatusResponse] = lambda status: status
) -> Call[JobStatusResponse]:
    """Build the request for the status of a job: GET /v1/jobs/{job_id}; ``known`` adds what the client knows of it."""
    return Call(
        request=_get(settings, f"/v1/jobs/{_segment(job_id)}"),
        limit=JSON_LIMIT,
        parse=lambda answer: known(parse_status(answer, settings, job_id)),
        job_id=job_id,
    )


def content_call(settings: Settings, job_id: str) -> Call[bytes]:
    """Build the download of a result into memory: GET /v1/jobs/{job_id}/content."""
    return Call(
        request=content_request(settings, job_id),
        limit=None,
        parse=lambda answer: parse_content(answer, settings),
        job_id=job_id,
    )


def content_request(
    settings: Settings, job_id: str, part: str | None = None, validator: str | None = None
) -> HttpRequest:
    """Ask for a result, or for a part of it (``bytes=100-199``), as long as it is still what ``validator`` names."""
    request = _get(settings, f"/v1/jobs/{_segment(job_id)}/content")
    conditions = {"Range": part, "If-Range": validator if part else None}
    more = {name: value for name, value in conditions.items() if value is not None}
    return attrs.evolve(request, headers={**request.headers, **more}) if more else request


def _get(settings: Settings, path: str) -> HttpRequest:
    return HttpRequest(method="GET", url=settings.base_url + path, headers=settings.headers)


def _segment(job_id: object) -> str:
    """Return the job id as one segment of a URL's path, whatever it contains."""
    if not _is_id(job_id):
        raise InvalidInputError(f"job_id must be the id that submit returned, not {str(job_id)[:100]!r}.")
    return quote(str(job_id), safe="")


def _is_id(job_id: object) -> bool:
    """Say whether it can be a segment, and is made of whole characters: JSON can smuggle in half of one."""
    return isinstance(job_id, str) and bool(job_id.strip()) and job_id not in (".", "..") and _is_whole(job_id)


def _is_whole(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _parts(job: JobInput) -> dict[str, str | Upload]:
    """Return the form fields of a job; what was not given is not sent, so that the service's own default holds."""
    fields = [(field, getattr(job, field.name)) for field in attrs.fields(type(job)) if field.name != "model"]
    return {
        field.name: _upload(field.name, value) if field.metadata.get("file") else _form_text(value)
        for field, value in fields
        if value is not None
    }


def _upload(field: str, value: object) -> Upload:
    from .files import upload

    return upload(field, value)


def _form_text(value: bool | int | str | tuple[MotionTrajectoryInput, ...]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return json.dumps([attrs.asdict(point) for point in value], separators=(",", ":"))
    return json.dumps(value)


def parse_submit(answer: Answer, settings: Settings, model: ModelDefinition) -> JobSubmitResponse:
    """Read the answer to a submit.

    A status that cannot be read is taken for ``pending``: what counts is the id of a job that is being paid for.
    """
    if answer.status in (404, 405, 410) and model.retired:
        raise api_error(answer, settings, ModelRetiredError, retirement(model))
    body = _json(answer, settings)
    status = body.get("status")
    text = clean(status, settings) if isinstance(status, str) else ""
    return JobSubmitResponse(job_id=_job_id(body, answer, settings), status=text or "pending", model=model.name)


def _job_id(body: Mapping[str, Any], answer: Answer, settings: Settings) -> str:
    job_id = body.get("job_id")
    if isinstance(job_id, int) and not isinstance(job_id, bool):
        job_id = str(job_id)
    if not _is_id(job_id) or len(str(job_id)) > ID_LIMIT or not str(job_id).isprintable():
        raise unreadable("it has no job_id", answer, settings)
    return str(job_id)


def parse_status(answer: Answer, settings: Settings, job_id: str) -> JobStatusResponse:
    """Read where a job is; an answer about another job is not taken for it."""
    body = _json(answer, settings)
    status = body.get("status")
    text = clean(status, settings) if isinstance(status, str) else ""
    if not text:
        raise unreadable("it has no status", answer, settings)
    theirs = body.get("job_id")
    if theirs is not None and (not isinstance(theirs, (str, int)) or str(theirs) != job_id):
        raise unreadable("it is about another job", answer, settings)
    why = clean(reason(body), settings) or None if text == "failed" else None
    return JobStatusResponse(job_id=job_id, status=text, error=why)


def parse_content(answer: Answer, settings: Settings) -> bytes:
    """Read the result of a job: never an empty, cut or textual one."""
    if not 200 <= answer.status < 300:
        raise api_error(answer, settings)
    check_kind(answer, settings)
    check_length(len(answer.body), promised_length(answer.headers), answer, settings)
    return answer.body


def check_kind(answer: Answer, settings: Settings) -> None:
    """Refuse text where a video should be: the page of some proxy, by its type or, without one, by its beginning."""
    kind = clean(answer.headers.get("content-type", "").partition(";")[0], settings, limit=50).lower()
    if kind in ("", "application/octet-stream") and answer.body[:50].lstrip()[:1] in (b"<", b"{"):
        kind = "text"
    if kind.startswith("text") or kind == "application/json":
        raise unreadable(f"it is {kind} where a video should be", answer, settings)


def check_length(length: int, promised: int | None, answer: Answer, settings: Settings) -> None:
    """Refuse a result that is empty, or not as long as was promised."""
    if not length:
        raise unreadable("it is empty", answer, settings)
    if promised is not None and length != promised:
        raise unreadable(f"it has {length} bytes of {promised}", answer, settings)


def promised_length(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes the server says a body has, unless they are encoded, and come out as more."""
    promised = headers.get("content-length", "")
    known = "content-encoding" not in headers and re.fullmatch(r"\d{1,18}", promised, re.ASCII)
    return int(promised) if known else None


def _json(answer: Answer, settings: Settings) -> Mapping[str, Any]:
    if not 200 <= answer.status < 300:
        raise api_error(answer, settings)
    body = load_json(answer.body)
    if not isinstance(body, dict):
        raise unreadable("it is not a JSON object", answer, settings)
    return body
