"""The HTTP face of the emulator: the queue's routes as a WSGI application."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import wrap_file

from .forms import Refused, check
from .service import Emulator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("decart.emulator")

UPLOAD_LIMIT = 512 * 1024 * 1024  # bytes of one submit; larger files than a few hundred MB the service refuses, too

_ROUTES = Map(
    [
        Rule("/v1/jobs/<model>", methods=["POST"], endpoint="submit"),
        Rule("/v1/jobs/<job_id>", methods=["GET"], endpoint="status"),
        Rule("/v1/jobs/<job_id>/content", methods=["GET"], endpoint="content"),
    ]
)


class _Request(Request):
    max_content_length = UPLOAD_LIMIT
    max_form_memory_size = 1024 * 1024


class App:
    """The queue's routes over one ``Emulator``."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with _Request(environ) as request:  # which closes the uploaded files
            try:
                response = self._answer(request)
            except HTTPException as error:
                response = _json({"detail": error.name}, error.code or 500)
        log.info("%s %s -> %s", request.method, request.path, response.status)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        endpoint, values = _ROUTES.bind_to_environ(request.environ).match()
        key = request.headers.get("X-API-KEY", "")
        if not self._emulator.admits(key):
            return _json({"detail": "Invalid API key" if key else "Missing API key"}, 401)
        answer: Response = getattr(self, f"_{endpoint}")(request, **values)
        return answer

    def _submit(self, request: Request, model: str) -> Response:
        """POST /v1/jobs/{model}."""
        definition = self._emulator.model(model)
        if definition is None:
            return _json({"detail": "Method Not Allowed"}, 405)
        try:
            form = check(definition, request.form, request.files)
        except Refused as refused:
            return _json({"detail": refused.details}, 422)
        job = self._emulator.submit(form)
        return _json({"job_id": job.id, "status": "pending"})

    def _status(self, request: Request, job_id: str) -> Response:
        """GET /v1/jobs/{job_id}."""
        job = self._emulator.find(job_id)
        if job is None:
            return _json({"detail": "Job not found"}, 404)
        state = self._emulator.state(job)
        body = {"job_id": job.id, "status": state.status}
        return _json(body if state.error is None else {**body, "error": state.error})

    def _content(self, request: Request, job_id: str) -> Response:
        """GET /v1/jobs/{job_id}/content."""
        job = self._emulator.find(job_id)
        if job is None:
            return _json({"detail": "Job not found"}, 404)
        status = self._emulator.state(job).status
        if status != "completed":
            return _json({"detail": f"Job is not completed: {status}"}, 409)
        size = job.target.stat().st_size
        video = wrap_file(request.environ, job.target.open("rb"), 256 * 1024)
        response = Response(video, 200, {"Content-Length": str(size)}, None, job.kind, True)
        response.set_etag(job.id)
        return response.make_conditional(request.environ, accept_ranges=True, complete_length=size)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
