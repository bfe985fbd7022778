"""The service's HTTP API as pure functions: a value becomes a request, a response becomes a value or an error.

===================  ==========================================  ==============================
function             request                                     2xx response
===================  ==========================================  ==============================
``submit_call``      POST /v1/jobs/{model}, multipart/form-data  JSON ``job_id``, ``status``
``status_call``      GET /v1/jobs/{job_id}                       JSON ``job_id``, ``status``
``content_request``  GET /v1/jobs/{job_id}/content               the bytes of the video
===================  ==========================================  ==============================

Whatever a server sends, a ``parse_*`` function returns a value or raises an error of this library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import quote

import attrs

from .config import Settings
from .errors import APIError, InvalidInputError, ModelRetiredError, ResponseError, TransportError
from .events import log
from .inputs import JobInput, refuse
from .jobs import KNOWN, JobStatusResponse, JobSubmitResponse, QueueJobResult
from .models import ModelDefinition, retirement
from .redaction import SHORT_KEY, clean, holds_key
from .responses import (
    BufferedResponse,
    api_error,
    contents_of,
    doubt_of_path,
    find_job,
    reason,
    unreadable,
)
from .transports.base import HttpRequest
from .uploads import MultipartBody, Upload, upload

T = TypeVar("T")

Returned = JobSubmitResponse | JobStatusResponse | QueueJobResult
"""What the queue returns for a job."""

if TYPE_CHECKING:
    from .journal.records import JobRecord

    AnyJob = str | Returned | JobRecord
else:  # a program without a journal needs no records
    AnyJob = str | Returned
"""A job, by its id, by anything that the queue returned for it, or by its record in a journal."""

JSON_LIMIT = 1024 * 1024
"""Bytes of a JSON response that are read; the service's have about a hundred."""

ERROR_LIMIT = 64 * 1024
"""Bytes of an error page that are read."""

ID_LIMIT = 1000
"""Characters of a job id, which goes into messages and logs verbatim."""


@attrs.define(kw_only=True)
class Call(Generic[T]):
    """One exchange whose response fits into memory.

    Attributes:
        request: What is sent.
        parse: Turns the response into the value of the call.
        salvage: Does the same for a response that broke off, and gets the failure, too.
        job_id: The job that it is about, if it has an id yet.
        what: What the log calls it if it is about no job that has an id.
        limit: Bytes of a 2xx response that are read.
    """

    request: HttpRequest
    parse: Callable[[BufferedResponse], T] = attrs.field(repr=False)
    salvage: Callable[[BufferedResponse, TransportError], T] | None = attrs.field(default=None, repr=False)
    job_id: str | None = None
    what: str = "submit"
    limit: int = JSON_LIMIT


def submit_call(
    settings: Settings,
    job: JobInput,
    fields: Mapping[str, str | Upload] | None = None,
    *,
    on_sent: Callable[[int, int], None] | None = None,
    may_start: Callable[[], None] | None = None,
    on_accepted: Callable[[JobSubmitResponse], None] | None = None,
) -> Call[JobSubmitResponse]:
    """Build the submit of a job: POST /v1/jobs/{model}.

    Args:
        fields: The form fields of the job, if they have been made already.
        on_sent: Called with the bytes sent so far, and their total.
        may_start: Called before the first byte of the body is sent; it raises to stop the submit.
        on_accepted: Called as soon as the id of the job is known.

    Raises:
        InvalidInputError: A file cannot be read.
    """
    request = form_request(settings, job.model.endpoint, fields or form_fields(job), on_sent, may_start)
    parse = partial(parse_submit, settings=settings, model=job.model, on_accepted=on_accepted)
    return Call(request=request, parse=parse, salvage=parse)


def status_call(settings: Settings, job_id: str) -> Call[JobStatusResponse]:
    """Build a status check: GET /v1/jobs/{job_id}."""
    url = f"{settings.base_url}/v1/jobs/{quote(job_id, safe='')}"
    return Call(
        request=HttpRequest(method="GET", url=url, headers=settings.headers),
        parse=partial(parse_status, settings=settings, job_id=job_id),
        job_id=job_id,
    )


def content_request(
    settings: Settings, job_id: str, part: str | None = None, validator: str | None = None
) -> HttpRequest:
    """Ask for a result, or for a part of it (``bytes=100-199``) if it is still the one that ``validator`` names."""
    headers = dict(settings.headers)
    if part is not None:
        headers["Range"] = part
    if part and validator is not None:
        headers["If-Range"] = validator
    url = f"{settings.base_url}/v1/jobs/{quote(job_id, safe='')}/content"
    return HttpRequest(method="GET", url=url, headers=headers)


def form_request(
    settings: Settings,
    path: str,
    fields: Mapping[str, str | Upload],
    on_sent: Callable[[int, int], object] | None = None,
    may_start: Callable[[], None] | None = None,
) -> HttpRequest:
    """Build a POST of multipart/form-data; the arguments are those of ``submit_call``."""
    body = MultipartBody(fields, on_sent)
    headers = {**settings.headers, "Content-Type": body.content_type}
    url = settings.base_url + path
    return HttpRequest(method="POST", url=url, headers=headers, body=body, may_start=may_start)


class JsonBody:
    """A JSON value as the body of a request."""

    in_memory = True

    def __init__(self, value: object) -> None:
        self._data = json.dumps(value, separators=(",", ":")).encode()

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        yield self._data


def job_id_of(job: AnyJob, settings: Settings) -> str:
    """Return the id of a job.

    Raises:
        InvalidInputError: It cannot be an id.
    """
    job_id = job if isinstance(job, str) else job.job_id if isinstance(job, Returned) else _id_on_record(job)
    if isinstance(job_id, str) and len(settings.api_key) >= SHORT_KEY and settings.api_key in job_id:
        raise InvalidInputError("job_id must be the id that submit returned, not the API key.")
    if not isinstance(job_id, str) or not is_id(job_id):
        raise refuse("job_id", "the id that submit returned", job)
    return str.__str__(job_id)  # a subclass, such as an Enum, may print as something else


def _id_on_record(job: object) -> str | None:
    """Return the id in a record of a journal; ``None`` for anything else.

    Raises:
        InvalidInputError: The record has none.
    """
    from .journal.records import JobRecord  # only a program that has a journal passes one

    if isinstance(job, JobRecord) and job.job_id is None:
        raise InvalidInputError(f"The record of the label {job.label!r} is {job.state}, and has no job id.")
    return job.job_id if isinstance(job, JobRecord) else None


def is_id(job_id: str) -> bool:
    """Return whether a text can be a segment of a URL, and can go into messages and logs verbatim."""
    return job_id.isprintable() and bool(job_id.strip()) and job_id not in (".", "..") and len(job_id) <= ID_LIMIT


def form_fields(job: JobInput) -> dict[str, str | Upload]:
    """Return the form fields of a job. What was not given is not sent, so that the service's own default applies."""
    fields: dict[str, str | Upload] = {}
    for field in attrs.fields(type(job)):
        value = getattr(job, field.name)
        if value is None or field.name == "model":
            continue
        if field.metadata.get("file"):
            fields[field.name] = upload(field.name, value)
        elif isinstance(value, str):
            fields[field.name] = value
        elif isinstance(value, tuple):  # a trajectory
            fields[field.name] = json.dumps([attrs.asdict(point) for point in value], separators=(",", ":"))
        else:
            fields[field.name] = json.dumps(value)
    return fields


def parse_submit(
    response: BufferedResponse,
    failure: TransportError | None = None,
    *,
    settings: Settings,
    model: ModelDefinition,
    on_accepted: Callable[[JobSubmitResponse], None] | None = None,
) -> JobSubmitResponse:
    """Read the response to a submit.

    The id of a job that is being paid for is what counts: a status that cannot be read is taken for ``pending``, the id
    is looked for in JSON that is cut or odd, and a response without one is quoted in the error.

    Args:
        failure: Why the connection broke off, if the response is only what arrived before.
        on_accepted: Called as soon as the id of the job is known.
    """
    if not response.ok:
        raise refusal(response, settings, model, failure)
    job = find_job(response.body)
    job_id = None if job is None else job.get("job_id")
    if isinstance(job_id, int) and not isinstance(job_id, bool):
        job_id = str(job_id)
    damaged = not isinstance(job_id, str) or not is_id(job_id) or "\ufffd" in job_id or holds_key(job_id, settings)
    if job is None or not isinstance(job_id, str) or damaged:
        why = "it has no job_id" if job is not None else "it is not a JSON object" if response.body else "it is empty"
        if failure is not None:
            why = f"it ended before it named a job: {failure.message.rstrip('.')}"
        error = unreadable(why, response, settings)
        raise quoting(error, "the response to a submit names no job", response, settings, failure)
    status = job.get("status")
    if not isinstance(status, str) or status not in KNOWN:
        status = (clean(status, settings) if isinstance(status, str) else "") or "pending"
    accepted = JobSubmitResponse(job_id=job_id, status=status, model=model.name)
    if on_accepted is not None:
        on_accepted(accepted)
    return accepted


def refusal(
    response: BufferedResponse, settings: Settings, model: ModelDefinition, failure: TransportError | None
) -> APIError | TransportError:
    """Return the error of a response to a billed request whose status is not 2xx; see ``parse_submit``."""
    if failure is not None and (response.status in (408, 429) or not 400 <= response.status < 500):
        return failure  # a submit is repeated after a complete refusal only
    if response.status in (404, 405, 410) and model.retired:
        if doubt := doubt_of_path(response, settings):
            return api_error(response, settings, advice=f"{doubt}If it is right: {retirement(model)}")
        return api_error(response, settings, ModelRetiredError, retirement(model))
    return api_error(response, settings)


def quoting(
    error: ResponseError, what: str, response: BufferedResponse, settings: Settings, failure: TransportError | None
) -> ResponseError | TransportError:
    """Quote the response to a billed request in its error and the log: a person may find out by it what was billed."""
    quoted = {**error.data, **contents_of(response, settings)}
    log.warning("%s: %s", what, quoted)
    if failure is None:
        return ResponseError(error.message, data=quoted)
    return type(failure)(failure.message, data=quoted, may_have_been_sent=True)


def parse_status(response: BufferedResponse, settings: Settings, job_id: str) -> JobStatusResponse:
    """Read the status of a job; a response about another job is an error."""
    if not 200 <= response.status < 300:
        raise api_error(response, settings)
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        why = "it is not a JSON object" if response.body else "it is empty"
        raise unreadable(why, response, settings)
    status = body.get("status")
    text = clean(status, settings) if isinstance(status, str) and status not in KNOWN else status
    if not isinstance(text, str) or not text:
        raise unreadable("it has no status", response, settings)
    theirs = body.get("job_id")
    if theirs is not None and (not isinstance(theirs, (str, int)) or str(theirs) != job_id):
        raise unreadable("it is about another job", response, settings)
    error = clean(reason(body), settings) or None if text == "failed" else None
    return JobStatusResponse(job_id=job_id, status=text, error=error)
