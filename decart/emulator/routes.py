"""The routes of the service: for each, a function from an emulator and a request to the response."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Annotated, Any

import attrs
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from werkzeug.exceptions import PreconditionFailed
from werkzeug.wrappers import Response
from werkzeug.wsgi import wrap_file

from .access import TokenOrder
from .forms import Form, check
from .limits import CHUNK, DAY, LIFETIMES, VERIFY_LIMIT
from .messages import Incoming, Refused, invalid, problem, reply
from .render import RenderError
from .render.job import MARK
from .service import Emulator, Job

# ---------------------------------------------------------------- jobs


def submit(emulator: Emulator, request: Incoming, model: str) -> Response:
    """POST /v1/jobs/{model}."""
    job = emulator.submit(_form(emulator, request, model))
    request.job_id, request.job_fault = job.id, job.fault
    return reply({"job_id": job.id, "status": "pending"})


def generate(emulator: Emulator, request: Incoming, model: str) -> Response:
    """POST /v1/generate/{image model}: the PNG in the response."""
    try:
        with emulator.picture(_form(emulator, request, model)) as picture:
            return Response(picture.read_bytes(), mimetype="image/png")
    except RenderError as error:
        raise Refused(400, str(error)) from None


def status(emulator: Emulator, request: Incoming, job_id: str) -> Response:
    """GET /v1/jobs/{job_id}."""
    state, error = emulator.state(_job(emulator, job_id))
    body = {"job_id": job_id, "status": state}
    return reply(body if error is None else {**body, "error": error})


def content(emulator: Emulator, request: Incoming, job_id: str) -> Response:
    """GET /v1/jobs/{job_id}/content: the file, or the requested range of it."""
    job = _job(emulator, job_id)
    state, _ = emulator.state(job)
    if state != "completed":
        raise Refused(409, f"Job is not completed: {state}")
    size = job.target.stat().st_size
    file = wrap_file(request.environ, job.target.open("rb"), CHUNK)
    response = Response(file, 200, {"Accept-Ranges": "bytes"}, None, job.kind, True)
    response.content_length = size
    response.set_etag(job.id)
    # a range that cannot be served is ignored (RFC 9110)
    wanted = request.range
    has_range = request.method == "GET" and wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1
    has_range = has_range and not request.headers.get("If-Range", "").startswith("W/")
    environ = dict(request.environ)
    if wanted is not None and has_range and -size > (wanted.ranges[0][0] or 0):  # the end of a file, longer than it
        environ["HTTP_RANGE"] = "bytes=0-"
    try:
        response = response.make_conditional(environ, accept_ranges=has_range, complete_length=size)
        if response.status_code == 412:
            raise PreconditionFailed
        return response
    except BaseException:  # such as a range outside of the file
        response.close()
        raise


def _form(emulator: Emulator, request: Incoming, name: str) -> Form:
    """Read and validate the form of a job, if the model exists and the caller may use it."""
    retirement = emulator.catalogue.retirement(name)
    if retirement is not None:
        raise Refused(410, retirement, model=name)
    if not request.caller.may_use(name, emulator.catalogue.canonical(name) or name):
        raise Refused(403, f"Model {name} is not allowed for this token")
    return check(emulator.catalogue[name], request)


def _job(emulator: Emulator, job_id: str) -> Job:
    job = emulator.find(job_id)
    if job is None:
        raise Refused(404, "Job not found")
    return job


# ---------------------------------------------------------------- files

_SECONDS: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=LIFETIMES[0], le=LIFETIMES[1])])


def upload(emulator: Emulator, request: Incoming) -> Response:
    """POST /v1/files."""
    request.read_form()
    if "file" not in request.uploads:
        raise problem("missing", ("file",), "Field required")
    text = request.texts.get("ttl_seconds") or str(DAY)
    try:
        seconds = None if text == "persistent" else _SECONDS.validate_python(text)
    except ValidationError:
        why = f"Value should be {LIFETIMES[0]}..{LIFETIMES[1]} or 'persistent'"
        raise problem("value_error", ("ttl_seconds",), why, text) from None
    return reply(emulator.files.add(request.caller.owner, request.uploads["file"], seconds))


def file(emulator: Emulator, request: Incoming, file_id: str) -> Response:
    """GET /v1/files/{file_id}."""
    reference = emulator.files.find(request.caller.owner, file_id)
    if reference is None:
        raise Refused(404, "File not found")
    return reply(reference)


def delete(emulator: Emulator, request: Incoming, file_id: str) -> Response:
    """DELETE /v1/files/{file_id}."""
    if not emulator.files.remove(request.caller.owner, file_id):
        raise Refused(404, "File not found")
    return Response(status=204)


def verify(emulator: Emulator, request: Incoming) -> Response:
    """POST /v1/verify: whether an emulator made a file, in place of the service's detection of its watermark.

    The service detects a watermark in the pixels, which survives re-encoding. The emulator searches for the text that
    its renderer writes into a file's comment, which survives only where comments are kept. The file is never decoded,
    so it may be anything. The shape of the result is a guess: the service's is not published.
    """
    request.limit(VERIFY_LIMIT)
    request.read_form()
    if not request.uploads:
        raise problem("missing", ("file",), "Field required")
    found = _contains(next(iter(request.uploads.values())).stream, MARK.encode())
    return reply({"detected": found, "confidence": 1.0 if found else 0.0})


def _contains(file: IO[bytes], words: bytes) -> bool:
    """Search a file piece by piece, and across the boundaries of pieces."""
    end = b""
    while piece := file.read(CHUNK):
        if words in end + piece:
            return True
        end = (end + piece)[1 - len(words) :]
    return False


# ---------------------------------------------------------------- keys and names


def mint(emulator: Emulator, request: Incoming) -> Response:
    """POST /v1/client/tokens."""
    body = request.document()
    order = TokenOrder() if body is None else _checked(TokenOrder, body)
    return reply(emulator.keys.mint(request.caller, order))


def key_set(emulator: Emulator, request: Incoming) -> Response:
    """GET /api/auth/jwks."""
    return reply(emulator.keys.key_set())


class _Names(BaseModel):
    model: str | None = None
    models: list[str] | None = None


def resolve(emulator: Emulator, request: Incoming) -> Response:
    """POST /v1/models/resolve."""
    body = request.document()
    if body is None:
        raise problem("missing", (), "Field required")
    names = _checked(_Names, body)
    if names.model is None and names.models is None:
        raise problem("value_error", (), "Provide model or models", body)
    several = None if names.models is None else {name: _canonical(emulator, name) for name in names.models}
    one = None if names.model is None else _canonical(emulator, names.model)
    return reply({"model_id": one, "model_ids": several})


def _canonical(emulator: Emulator, name: str) -> str:
    canonical = emulator.catalogue.canonical(name)
    if canonical is None:
        raise Refused(404, f"Unknown model: {name[:100]}")
    return canonical


def _checked(kind: type[Any], body: object) -> Any:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from None


# ---------------------------------------------------------------- the table


@attrs.frozen
class Route:
    """A row of the table: method, path and handler of a route, and whether it works without a key."""

    method: str
    path: str
    handler: Callable[..., Response]
    open: bool = False


ROUTES = (
    Route("POST", "/v1/jobs/<known:model>", submit),
    Route("GET", "/v1/jobs/<job_id>", status),
    Route("GET", "/v1/jobs/<job_id>/content", content),
    Route("POST", "/v1/generate/<picture:model>", generate),
    Route("POST", "/v1/files", upload),
    Route("GET", "/v1/files/<file_id>", file),
    Route("DELETE", "/v1/files/<file_id>", delete),
    Route("POST", "/v1/client/tokens", mint),
    Route("GET", "/api/auth/jwks", key_set, open=True),
    Route("POST", "/v1/models/resolve", resolve, open=True),
    Route("POST", "/v1/verify", verify),
)
"""``known`` matches the names of the models, ``picture`` those of the image models."""
