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
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

import attrs

from .config import Settings
from .content import BEGINNING, check_beginning, check_length, check_type, is_framed, promised_length, unfinished
from .errors import InvalidInputError, ModelRetiredError, ResponseError, TransportError
from .inputs import JobInput
from .jobs import JobStatusResponse, JobSubmitResponse
from .log import log
from .models import ModelDefinition, retirement
from .responses import (
    BufferedResponse,
    api_error,
    clean,
    held_by,
    holds_key,
    load_json,
    reason,
    unreadable,
    without_frames,
)
from .salvage import find_job
from .structure import is_whole
from .transports.base import HttpRequest
from .uploads.multipart import MultipartBody

if TYPE_CHECKING:
    from .file_inputs import MotionTrajectoryInput
    from .uploads.files import Upload

T = TypeVar("T")

JSON_LIMIT = 1024 * 1024  # bytes of a JSON answer; ours have about a hundred
ID_LIMIT = 1000  # characters of a job id, which goes into messages and logs as it is
ERROR_LIMIT = 64 * 1024  # bytes of an error page that are looked at


class Call(Generic[T]):
    """One exchange: the request, how much of a good answer to read (``None``: all), what it means, and whose it is."""

    __slots__ = ("request", "limit", "parse", "parse_cut", "job_id")

    def __init__(
        self,
        *,
        request: HttpRequest,
        limit: int | None,
        parse: Callable[[BufferedResponse], T],
        parse_cut: Callable[[BufferedResponse, TransportError], T] | None = None,
        job_id: str | None = None,
    ) -> None:
        self.request, self.limit, self.parse, self.parse_cut, self.job_id = request, limit, parse, parse_cut, job_id

    def salvage(self, answer: BufferedResponse, failure: TransportError) -> T:
        """Make do with what arrived of a body before it broke off, if a part of it can be of any use.

        Raises:
            TransportError: The failure, if it cannot.
        """
        if self.parse_cut is None or not 200 <= answer.status < 300:
            raise failure
        return self.parse_cut(answer, failure)

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
    return Call(
        request=request,
        limit=JSON_LIMIT,
        parse=lambda answer: parse_submit(answer, settings, job.model),
        parse_cut=lambda answer, failure: parse_cut_submit(answer, settings, job.model, failure),
    )


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
    from .uploads.files import upload

    return upload(field, value)


def _form_text(value: bool | int | str | tuple[MotionTrajectoryInput, ...]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return json.dumps([attrs.asdict(point) for point in value], separators=(",", ":"))
    return json.dumps(value)


@without_frames
def parse_submit(answer: BufferedResponse, settings: Settings, model: ModelDefinition) -> JobSubmitResponse:
    """Read the answer to a submit, and make do with an id.

    A status that cannot be read is taken for ``pending``: what counts is the id of a job that is being paid for. For
    the same reason an id is looked for in JSON that is cut or odd, and an answer without one is told as it is.
    """
    if answer.status in (404, 405, 410) and model.retired:
        raise api_error(answer, settings, ModelRetiredError, retirement(model))
    if not 200 <= answer.status < 300:
        raise api_error(answer, settings)
    job = find_job(answer.body)
    if job is None:
        raise _without_id("it is not a JSON object", answer, settings)
    job_id = job.get("job_id")
    if isinstance(job_id, int) and not isinstance(job_id, bool):
        job_id = str(job_id)
    if not _is_id(job_id) or not _can_be_told(str(job_id), settings):
        raise _without_id("it has no job_id", answer, settings)
    status = job.get("status")
    text = clean(status, settings) if isinstance(status, str) else ""
    return JobSubmitResponse(job_id=str(job_id), status=text or "pending", model=model.name)


@without_frames
def parse_cut_submit(
    answer: BufferedResponse, settings: Settings, model: ModelDefinition, failure: TransportError
) -> JobSubmitResponse:
    """Read what arrived of the answer to a submit before its connection broke off: the id may be among it."""
    try:
        return parse_submit(answer, settings, model)
    except ResponseError as error:
        held = error.data
    raise type(failure)(failure.message, data=held)


def _can_be_told(job_id: str, settings: Settings) -> bool:
    """Say whether an id is whole, and can go into messages and logs as it is."""
    undamaged = job_id.isprintable() and "\ufffd" not in job_id
    return undamaged and len(job_id) <= ID_LIMIT and not holds_key(job_id, settings)


def _without_id(why: str, answer: BufferedResponse, settings: Settings) -> ResponseError:
    """Tell all that the answer to a submit held, in the error and the log: a person may find the job by it."""
    error = unreadable(why, answer, settings)
    error = ResponseError(error.message, data={**error.data, **held_by(answer, settings)})
    log.warning("the answer to a submit names no job: %s", error.data)
    return error


@without_frames
def parse_status(answer: BufferedResponse, settings: Settings, job_id: str) -> JobStatusResponse:
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


@without_frames
def parse_content(answer: BufferedResponse, settings: Settings) -> bytes:
    """Read the result of a job: never an empty, cut or textual one."""
    if not 200 <= answer.status < 300:
        raise api_error(answer, settings)
    if answer.status == 206:
        raise unreadable("it is a part, and the whole was asked for", answer, settings)
    check_type(answer, settings)
    check_beginning(answer.body[:BEGINNING], answer, settings)
    check_length(len(answer.body), promised_length(answer.headers), answer, settings)
    if not is_framed(answer.headers) and not is_whole([answer.body]):
        raise unfinished(answer, settings)
    return answer.body


def _json(answer: BufferedResponse, settings: Settings) -> Mapping[str, Any]:
    if not 200 <= answer.status < 300:
        raise api_error(answer, settings)
    body = load_json(answer.body)
    if not isinstance(body, dict):
        raise unreadable("it is not a JSON object", answer, settings)
    return body
