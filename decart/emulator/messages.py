"""Requests, read within limits, and JSON responses, with errors in the service's form, which is FastAPI's.

==========================  ======================================================
error                       body
==========================  ======================================================
one problem                 ``{"detail": "Job not found"}``
invalid fields (422)        ``{"detail": [{"type", "loc", "msg", "input", "ctx"}]}``
a retired model (410)       ``{"detail": "...", "model": "lucy-2"}``
==========================  ======================================================
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from typing import IO, Any

import attrs
from pydantic import ValidationError
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request, Response

from .limits import CHUNK, IN_MEMORY, PARTS_LIMIT, SHOWN, TEXT_LIMIT, UPLOAD_LIMIT


class Refused(HTTPException):
    """A refused request.

    Args:
        status: The HTTP status.
        detail: A sentence, or one entry for each invalid field.
        more: Further members of the body.
    """

    def __init__(self, status: int, detail: str | list[dict[str, object]], **more: object) -> None:
        super().__init__()
        self.code = status
        self.body = {"detail": detail, **more}


def reply(body: object, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(json.dumps(body), status, mimetype="application/json")


def refusal(error: HTTPException) -> Response:
    """Return the response to a request that is refused, with those headers of the error that say what is possible."""
    response = reply(error.body if isinstance(error, Refused) else {"detail": error.name}, error.code or 500)
    for name, value in error.get_headers():
        if name in ("Allow", "Content-Range"):
            response.headers[name] = value
    return response


def problem(kind: str, loc: tuple[str | int, ...], message: str, given: object = None, **ctx: object) -> Refused:
    """Return the error for one field of the body."""
    return Refused(422, [_detail(kind, loc, message, given, ctx)])


def invalid(error: ValidationError) -> Refused:
    """Return the error for all fields that pydantic found invalid."""
    details = []
    for found in error.errors(include_url=False):
        # FastAPI validates each field by itself, so a missing field has no input to show
        given = None if found["type"] == "missing" and len(found["loc"]) == 1 else found["input"]
        details.append(_detail(found["type"], found["loc"], found["msg"], given, found.get("ctx")))
    return Refused(422, details)


def _detail(kind: str, loc: tuple[str | int, ...], message: str, given: object, ctx: object) -> dict[str, object]:
    entry = {"type": kind, "loc": ["body", *loc], "msg": message, "input": _shown(given)}
    return {**entry, "ctx": _shown(ctx)} if ctx else entry


def _shown(value: object) -> Any:
    """Return a value as an error repeats it: as JSON, in which a file is ``{}``; of a long one, the beginning."""
    if isinstance(value, str):
        return value[:SHOWN]
    try:
        text = json.dumps(value, default=lambda unknown: {}, allow_nan=False)
    except (ValueError, RecursionError):  # an infinite number, or endlessly nested lists
        return str(value) if isinstance(value, float) else {}
    return json.loads(text) if len(text) <= SHOWN else text[:SHOWN]


@attrs.frozen(kw_only=True)
class Caller:
    """An authenticated caller, and what it may do.

    Attributes:
        owner: The permanent key, or the one that the token was created with, whose jobs and files it shares.
        expires: When the token expires, in seconds since 1970; ``None`` for a permanent key.
        models: The only models that it may submit to, or ``None`` for all.
        origins: The only origins that it may be used from, or ``None`` for all.
    """

    owner: str = attrs.field(repr=False)
    expires: float | None = None
    models: list[str] | None = None
    origins: list[str] | None = None

    def may_use(self, *names: str) -> bool:
        """Return whether the caller may use a model, under any of its names."""
        return self.models is None or not set(names).isdisjoint(self.models)


class Incoming(Request):
    """A request whose body is a form or JSON. Files are spooled to disk, and deleted when it is closed.

    Attributes:
        caller: Who sent it, once that is known.
        job_id: The job that it created.
        job_fault: The name of the fault that acts on that job.
        texts: The last text of each name in its form, once that has been read.
        uploads: The last file of each name in its form.
    """

    max_content_length = UPLOAD_LIMIT
    max_form_memory_size = TEXT_LIMIT
    max_form_parts = PARTS_LIMIT

    caller: Caller
    job_id: str | None = None
    job_fault: str | None = None

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self.texts: dict[str, str] = {}
        self.uploads: dict[str, FileStorage] = {}
        self._spools = ExitStack()

    def limit(self, size: int) -> None:
        """Limit the body to ``size`` bytes, and refuse it now if it announces more.

        Raises:
            RequestEntityTooLarge: It announces more.
        """
        self.max_content_length = size
        if (self.content_length or 0) > size:
            raise RequestEntityTooLarge

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser that reports a malformed form, and that spools files to disk."""
        parser = super().make_form_data_parser()
        parser.silent = False
        parser.stream_factory = self._spooled
        return parser

    def _spooled(self, *what: object, **more: object) -> IO[bytes]:
        return self._spools.enter_context(tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))

    def read_form(self) -> None:
        """Read a form: its texts and its files. A body that is no form counts as an empty form.

        Raises:
            Refused: It is malformed (400).
            RequestEntityTooLarge: It exceeds the limit.
        """
        if self.mimetype != "multipart/form-data":
            self.limit(min(TEXT_LIMIT, self.max_content_length or TEXT_LIMIT))
        try:
            self.texts = dict(self.form.items(multi=True))
            self.uploads = dict(self.files.items(multi=True))
        except ValueError:
            raise Refused(400, "There was an error parsing the body") from None

    def document(self) -> Any:
        """Read JSON; ``None`` if there is no body. A body of another type is returned as text, as by FastAPI.

        Raises:
            Refused: It is not valid JSON (422), or not UTF-8 (400).
        """
        self.limit(TEXT_LIMIT)
        body = self.get_data()
        if not body:
            return None
        try:
            if self.mimetype and not self.is_json:
                return body.decode()
            return json.loads(body)
        except UnicodeDecodeError:
            raise Refused(400, "There was an error parsing the body") from None
        except json.JSONDecodeError as error:
            raise problem("json_invalid", (error.pos,), "JSON decode error", {}, error=error.msg) from None
        except (ValueError, RecursionError):  # a number of thousands of digits, or endlessly nested lists
            raise problem("json_invalid", (0,), "JSON decode error", {}, error="Out of bounds") from None

    @property
    def received(self) -> int:
        """How many bytes of the body have been read."""
        return self.stream.tell() if "stream" in vars(self) else 0

    def drain(self) -> None:
        """Read and discard the rest of the body, or the next request on the connection would begin with it."""
        while self.stream.read(CHUNK):
            pass

    def close(self) -> None:
        """Close and delete the uploaded files."""
        super().close()
        self._spools.close()
