"""The routes of the service: for each, a function from an exchange to its response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import attrs
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from werkzeug.wrappers import Response
from werkzeug.wsgi import wrap_file

from .authentication import Caller
from .files import DAY, LIMITS
from .forms import Form, check
from .jobs import Job
from .provenance import VERIFY_LIMIT, verdict
from .render import RenderError
from .replies import Refused, invalid, problem, reply
from .service import Emulator
from .tokens import TokenOrder
from .uploads import CHUNK, Incoming

Handler = Callable[..., Response]


@attrs.frozen
class Exchange:
    """One request to an emulator.

    Attributes:
        emulator: The emulator.
        request: The request.
        caller: The authenticated caller; anonymous where no key is needed.
    """

    emulator: Emulator
    request: Incoming
    caller: Caller


# ---------------------------------------------------------------- jobs


def submit(exchange: Exchange, model: str) -> Response:
    """POST /v1/jobs/{model}."""
    job = exchange.emulator.submit(_form(exchange, model))
    return reply({"job_id": job.id, "status": "pending"})


def generate(exchange: Exchange, model: str) -> Response:
    """POST /v1/generate/{image model}: the PNG in the response."""
    try:
        with exchange.emulator.picture(_form(exchange, model)) as picture:
            return Response(picture.read_bytes(), mimetype="image/png")
    except RenderError as error:
        raise Refused(400, str(error)) from None


def status(exchange: Exchange, job_id: str) -> Response:
    """GET /v1/jobs/{job_id}."""
    job = _job(exchange, job_id)
    state = exchange.emulator.state(job)
    body = {"job_id": job.id, "status": state.status}
    return reply(body if state.error is None else {**body, "error": state.error})


def content(exchange: Exchange, job_id: str) -> Response:
    """GET /v1/jobs/{job_id}/content: the file, or the requested range of it."""
    job = _job(exchange, job_id)
    state = exchange.emulator.state(job).status
    if state != "completed":
        raise Refused(409, f"Job is not completed: {state}")
    environ = exchange.request.environ
    size = job.target.stat().st_size
    response = Response(
        wrap_file(environ, job.target.open("rb"), CHUNK), 200, {"Accept-Ranges": "bytes"}, None, job.kind, True
    )
    response.content_length = size
    response.set_etag(job.id)
    try:
        return response.make_conditional(environ, accept_ranges=_wants_a_part(exchange.request), complete_length=size)
    except BaseException:  # a range outside of the file
        response.close()
        raise


def _form(exchange: Exchange, name: str) -> Form:
    """Read and validate the form of a job, if the model exists and the caller may use it."""
    catalogue = exchange.emulator.catalogue
    retirement = catalogue.retirement(name)
    if retirement is not None:
        raise Refused(410, retirement, model=name)
    if not exchange.caller.may_use(name, catalogue.canonical(name) or name):
        raise Refused(403, f"Model {name} is not allowed for this token")
    return check(catalogue[name], *exchange.request.fields())


def _job(exchange: Exchange, job_id: str) -> Job:
    job = exchange.emulator.find(job_id)
    if job is None:
        raise Refused(404, "Job not found")
    return job


def _wants_a_part(request: Incoming) -> bool:
    """Return whether the requested range can be served; others are ignored (RFC 9110)."""
    wanted = request.range
    return request.method == "GET" and wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1


# ---------------------------------------------------------------- files

_SECONDS: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=LIMITS[0], le=LIMITS[1])])


def upload(exchange: Exchange) -> Response:
    """POST /v1/files."""
    texts, files = exchange.request.fields()
    if "file" not in files:
        raise problem("missing", ("file",), "Field required")
    seconds = _seconds(texts.get("ttl_seconds") or str(DAY))
    stored = exchange.emulator.files.add(exchange.caller.owner, files["file"], seconds)
    return reply(exchange.emulator.files.reference(stored))


def file(exchange: Exchange, file_id: str) -> Response:
    """GET /v1/files/{file_id}."""
    stored = exchange.emulator.files.find(exchange.caller.owner, file_id)
    if stored is None:
        raise Refused(404, "File not found")
    return reply(exchange.emulator.files.reference(stored))


def delete(exchange: Exchange, file_id: str) -> Response:
    """DELETE /v1/files/{file_id}."""
    if not exchange.emulator.files.remove(exchange.caller.owner, file_id):
        raise Refused(404, "File not found")
    return Response(status=204)


def _seconds(text: str) -> int | None:
    """Read how long a file is kept, in seconds; ``None`` means permanently."""
    if text == "persistent":
        return None
    try:
        return _SECONDS.validate_python(text)
    except ValidationError:
        raise problem(
            "value_error", ("ttl_seconds",), f"Value should be {LIMITS[0]}..{LIMITS[1]} or 'persistent'", text
        ) from None


# ---------------------------------------------------------------- keys and names


def mint(exchange: Exchange) -> Response:
    """POST /v1/client/tokens."""
    if exchange.caller.grant is not None:
        raise Refused(403, "Cannot create client token from a client token")
    body = exchange.request.document()
    order = TokenOrder() if body is None else _checked(TokenOrder, body)
    return reply(exchange.emulator.tokens.mint(exchange.caller.owner, order))


def key_set(exchange: Exchange) -> Response:
    """GET /api/auth/jwks."""
    return reply(exchange.emulator.tokens.key_set())


class _Names(BaseModel):
    model: str | None = None
    models: list[str] | None = None


def resolve(exchange: Exchange) -> Response:
    """POST /v1/models/resolve."""
    body = exchange.request.document()
    if body is None:
        raise problem("missing", (), "Field required")
    names = _checked(_Names, body)
    if names.model is None and names.models is None:
        raise problem("value_error", (), "Provide model or models", body)
    several = None if names.models is None else {name: _canonical(exchange.emulator, name) for name in names.models}
    one = None if names.model is None else _canonical(exchange.emulator, names.model)
    return reply({"model_id": one, "model_ids": several})


def _canonical(emulator: Emulator, name: str) -> str:
    canonical = emulator.catalogue.canonical(name)
    if canonical is None:
        raise Refused(404, f"Unknown model: {name[:100]}")
    return canonical


def verify(exchange: Exchange) -> Response:
    """POST /v1/verify."""
    exchange.request.limit(VERIFY_LIMIT)
    _, files = exchange.request.fields()
    if not files:
        raise problem("missing", ("file",), "Field required")
    return reply(verdict(next(iter(files.values())).stream))


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
    handler: Handler
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
