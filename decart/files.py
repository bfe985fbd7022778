"""Files that the service keeps for a while, and that are referred to by id."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Literal
from urllib.parse import quote

import attrs

from .config import Settings
from .errors import CallError, DecartSDKError, InvalidInputError, NotFoundError, ResponseError, TransportError
from .inputs import refuse, seconds_of
from .policies import outcome_unknown, repeat_read
from .protocol import Call, form_request, is_id, quoting
from .redaction import SHORT_KEY, clean, holds_key
from .responses import (
    BufferedResponse,
    api_error,
    contents_of,
    doubt_of_path,
    load_json,
    no_such_route,
    time_of,
    unreadable,
)
from .results import NotAFile
from .transports.base import HttpRequest
from .uploads import OCTET_STREAM, FileInput, Upload, upload

SHORTEST, LONGEST = 60, 2_592_000
"""Seconds that a file can be kept, unless it is kept permanently."""

Ttl = int | timedelta | Literal["persistent"]
"""How long a file is kept."""


@attrs.frozen(kw_only=True)
class FileReference(NotAFile):
    """A file that the service keeps.

    Attributes:
        id: Its id, such as ``"file_..."``; keep it, because files cannot be listed.
        filename: The name that was sent.
        mime_type: Its MIME type.
        size_bytes: Its size.
        created_at: When it was uploaded.
        expires_at: When the service deletes it; ``None`` if never.
    """

    instead: ClassVar[str] = "stored files are for realtime sessions only; pass the file itself"

    id: str
    filename: str | None
    mime_type: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime | None


AnyFile = str | FileReference
"""A file, by its id or by what ``upload`` or ``get`` returned for it."""


def ttl_text(ttl: Ttl | None) -> str | None:
    """Return the form field for the time that a file is kept; ``None`` for the service's default.

    Raises:
        InvalidInputError: It is out of range.
    """
    if ttl is None:
        return None
    if not isinstance(ttl, str):
        return str(seconds_of("ttl", ttl, SHORTEST, LONGEST))
    if ttl != "persistent":
        raise refuse("ttl", "a number of seconds, a timedelta or 'persistent'", ttl)
    return "persistent"


def file_id_of(file: AnyFile, settings: Settings) -> str:
    """Return the id of a file.

    Raises:
        InvalidInputError: It cannot be an id.
    """
    file_id = file.id if isinstance(file, FileReference) else file
    if isinstance(file_id, str) and len(settings.api_key) >= SHORT_KEY and settings.api_key in file_id:
        raise InvalidInputError("file must be the id that upload returned, not the API key.")
    if not isinstance(file_id, str) or not is_id(file_id):
        raise refuse("file", "the id that upload returned", file)
    return str.__str__(file_id)  # a subclass, such as an Enum, may print as something else


# ---------------------------------------------------------------- what is sent


def upload_call(
    settings: Settings,
    file: FileInput,
    ttl_seconds: str | None,
    on_sent: Callable[[int, int], object] | None,
    may_start: Callable[[], None],
) -> Call[FileReference]:
    """Build an upload: POST /v1/files; the arguments are those of ``submit_call``.

    Raises:
        InvalidInputError: The file cannot be read.
    """
    fields: dict[str, str | Upload] = {"file": upload("file", file)}
    if ttl_seconds is not None:
        fields["ttl_seconds"] = ttl_seconds
    return Call(
        request=form_request(settings, "/v1/files", fields, on_sent, may_start),
        parse=partial(_parse_file, settings=settings, file_id=None),
        salvage=partial(_salvage_file, settings=settings),
        what="upload of a file",
    )


def get_call(settings: Settings, file_id: str) -> Call[FileReference]:
    """Build the request for a file's reference: GET /v1/files/{id}."""
    return Call(
        request=_request("GET", settings, file_id),
        parse=partial(_parse_file, settings=settings, file_id=file_id),
        what=f"request for file {file_id}",
    )


@attrs.define(kw_only=True)
class Deletion:
    """The attempts to delete a file.

    Attributes:
        settings: The client's.
        file_id: The file.
        maybe_done: Whether an attempt that failed may have deleted it.
    """

    settings: Settings
    file_id: str
    maybe_done: bool = False

    def call(self) -> Call[None]:
        """Build the request: DELETE /v1/files/{id}."""
        request = _request("DELETE", self.settings, self.file_id)
        return Call(request=request, parse=self._parse, what=f"deletion of file {self.file_id}")

    def repeat(self, error: BaseException) -> bool:
        """Return whether to repeat an attempt."""
        self.maybe_done = self.maybe_done or outcome_unknown(error)
        return repeat_read(error)

    def _parse(self, response: BufferedResponse) -> None:
        gone = self.maybe_done and _is_missing(response, self.settings)
        if not response.ok and not gone:
            raise _refusal(response, self.settings, self.file_id)
        if response.body and not isinstance(load_json(response.body), dict):  # the page of a proxy, for example
            raise unreadable("it should be empty", response, self.settings)


def _request(method: str, settings: Settings, file_id: str) -> HttpRequest:
    url = f"{settings.base_url}/v1/files/{quote(file_id, safe='')}"
    return HttpRequest(method=method, url=url, headers=settings.headers)


# ---------------------------------------------------------------- what comes back


def _parse_file(response: BufferedResponse, settings: Settings, file_id: str | None) -> FileReference:
    """Read the reference of a file, which must be the one that was asked for."""
    if not response.ok:
        raise _refusal(response, settings, file_id)
    body = load_json(response.body)
    if not isinstance(body, dict):
        raise _damaged("it is not a JSON object" if response.body else "it is empty", response, settings)
    theirs, size = body.get("id"), body.get("size_bytes")
    created, expires = time_of(body.get("created_at")), time_of(body.get("expires_at"))
    if not isinstance(theirs, str) or not is_id(theirs) or holds_key(theirs, settings):
        raise _damaged("it has no id", response, settings)
    if file_id is not None and theirs != file_id:
        raise _damaged("it is about another file", response, settings)
    if type(size) is not int or size < 0 or created is None or (expires is None and body.get("expires_at") is not None):
        raise _damaged("its size or a date is missing or malformed", response, settings)
    filename, mime_type = body.get("filename"), body.get("mime_type")
    return FileReference(
        id=theirs,
        filename=clean(filename, settings) if isinstance(filename, str) else None,
        mime_type=clean(mime_type, settings) if isinstance(mime_type, str) else OCTET_STREAM,
        size_bytes=size,
        created_at=created,
        expires_at=expires,
    )


def _salvage_file(response: BufferedResponse, failure: TransportError, settings: Settings) -> FileReference:
    """Read the response to an upload that broke off, or quote what arrived: the file may be stored, and has an id."""
    if not response.ok:
        raise failure
    try:
        return _parse_file(response, settings, None)
    except ResponseError as error:
        damage = error.with_traceback(None)
    raise quoting(damage, "the response to an upload cannot be read", response, settings, failure)


def _damaged(why: str, response: BufferedResponse, settings: Settings) -> ResponseError:
    """Return the error of a response that cannot be read, and quote it: after an upload, it may have the id."""
    error = unreadable(why, response, settings)
    return ResponseError(error.message, data={**error.data, **contents_of(response, settings)})


def _refusal(response: BufferedResponse, settings: Settings, file_id: str | None) -> DecartSDKError:
    if file_id is None or not _is_missing(response, settings):
        return api_error(response, settings, advice=no_such_route(response, settings))
    advice = "The service has no such file: it has expired or was deleted, or belongs to another account."
    return api_error(response, settings, NotFoundError, advice)


def _is_missing(response: BufferedResponse, settings: Settings) -> bool:
    """Return whether it is the service that has no such file, and not a proxy or a wrong base URL that has no route."""
    is_json = isinstance(load_json(response.body), dict)
    return response.status in (404, 410) and is_json and not doubt_of_path(response, settings)


def upload_error(cause: DecartSDKError) -> CallError:
    """Return the error of an upload that failed, which says whether the file may be stored."""
    cause = cause.with_traceback(None)
    if not outcome_unknown(cause):
        return CallError(f"The file was not uploaded: {cause}", cause=cause)
    return CallError(
        "The file may have been stored, so it was not sent again: another upload would store it a second time. "
        f"Reason: {cause}",
        data=cause.data,
        cause=cause,
    )


def file_error(doing: str, file_id: str, cause: DecartSDKError) -> CallError:
    """Return the error of a request about a file; ``doing`` is what failed, such as "deleted"."""
    cause = cause.with_traceback(None)
    return CallError(f"File {file_id} could not be {doing}: {cause}", cause=cause)
