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
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import attrs

from ._config import Settings
from ._multipart import MultipartBody
from ._problems import Answer, api_error, clean, load_json, reason, unreadable
from .errors import InvalidInputError, ModelRetiredError
from .files import Upload, upload
from .inputs import JobInput, MotionTrajectoryInput
from .jobs import JobStatusResponse, JobSubmitResponse
from .models import ModelDefinition, retirement
from .transports.base import HttpRequest

T = TypeVar("T")
_HALF = re.compile("[\ud800-\udfff]")

JSON_LIMIT = 1024 * 1024  # bytes of a JSON answer; ours have about a hundred
ID_LIMIT = 1000  # characters of a job id, which goes into messages and logs as it is
ERROR_LIMIT = 64 * 1024  # bytes of an error page that are looked at


@attrs.frozen(kw_only=True)
class Call(Generic[T]):
    """One exchange: the request, how much of a good answer to read (``None``: all), and what it means."""

    request: HttpRequest
    limit: int | None
    parse: Callable[[Answer], T]

    def limit_for(self, status: int) -> int | None:
        """Return how many bytes of an answer of this status are worth reading."""
        return self.limit if 200 <= status < 300 else ERROR_LIMIT


def submit_call(settings: Settings, job: JobInput) -> Call[JobSubmitResponse]:
    """Build the submit of a job: POST /v1/jobs/{model}.

    Raises:
        InvalidInputError: A file cannot be read.
    """
    body = MultipartBody(_parts(job))
    headers = {**settings.headers, "Content-Type": body.content_type}
    request = HttpRequest(method="POST", url=settings.base_url + job.model.endpoint, headers=headers, body=body)
    return Call(request=request, limit=JSON_LIMIT, parse=lambda answer: parse_submit(answer, settings, job.model))


def status_call(settings: Settings, job_id: str) -> Call[JobStatusResponse]:
    """Build the question where a job is: GET /v1/jobs/{job_id}."""
    return Call(
        request=_get(settings, f"/v1/jobs/{_segment(job_id)}"),
        limit=JSON_LIMIT,
        parse=lambda answer: parse_status(answer, settings, job_id),
    )


def content_call(settings: Settings, job_id: str) -> Call[bytes]:
    """Build the download of a result: GET /v1/jobs/{job_id}/content."""
    return Call(
        request=_get(settings, f"/v1/jobs/{_segment(job_id)}/content"),
        limit=None,
        parse=lambda answer: parse_content(answer, settings),
    )


def _get(settings: Settings, path: str) -> HttpRequest:
    return HttpRequest(method="GET", url=settings.base_url + path, headers=settings.headers)


def _segment(job_id: object) -> str:
    """Return the job id as one segment of a URL's path, whatever it contains."""
    if not _is_id(job_id):
        raise InvalidInputError(f"job_id must be the id that submit returned, not {str(job_id)[:100]!r}.")
    return quote(str(job_id), safe="")


def _is_id(job_id: object) -> bool:
    """Say whether it can be a segment, and is made of whole characters: JSON can smuggle in half of one."""
    return isinstance(job_id, str) and bool(job_id.strip()) and job_id not in (".", "..") and not _HALF.search(job_id)


def _parts(job: JobInput) -> dict[str, str | Upload]:
    """Return the form fields of a job; what was not given is not sent, so that the service's own default holds."""
    fields = [(field, getattr(job, field.name)) for field in attrs.fields(type(job)) if field.name != "model"]
    return {
        field.name: upload(field.name, value) if field.metadata.get("file") else _form_text(value)
        for field, value in fields
        if value is not None
    }


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
    return JobSubmitResponse(job_id=_job_id(body, answer, settings), status=text or "pending")


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
    promised = answer.headers.get("content-length", "")
    kind = clean(answer.headers.get("content-type", "").partition(";")[0], settings, limit=50).lower()
    if kind.startswith("text/") or kind == "application/json":
        raise unreadable(f"it is {kind} where a video should be", answer, settings)
    if not answer.body:
        raise unreadable("it is empty", answer, settings)
    if (
        re.fullmatch(r"\d{1,18}", promised, re.ASCII)
        and "content-encoding" not in answer.headers
        and len(answer.body) != int(promised)
    ):
        raise unreadable(f"it has {len(answer.body)} bytes of {promised}", answer, settings)
    return answer.body


def _json(answer: Answer, settings: Settings) -> Mapping[str, Any]:
    if not 200 <= answer.status < 300:
        raise api_error(answer, settings)
    body = load_json(answer.body)
    if not isinstance(body, dict):
        raise unreadable("it is not a JSON object", answer, settings)
    return body
