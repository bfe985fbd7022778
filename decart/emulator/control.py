"""The control routes of the emulator, which the service does not have: its faults and its request log, over HTTP.

=========================  =====================================================================
GET /_emulator/faults      the pending faults, as a list
POST /_emulator/faults     add one (an object, or its text) or a list; returns 201 and the pending faults
DELETE /_emulator/faults   delete the pending faults
GET /_emulator/requests    the request log, as a list; ``?route=submit`` filters it
DELETE /_emulator/requests clear the log
=========================  =====================================================================

They take no key. A POST must have a JSON content type. Requests from web pages of other origins are refused (403; see
`decart.emulator.guard`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from ..errors import InvalidInputError
from .guard import refusal
from .service import Emulator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PREFIX = "/_emulator"
"""The path of the control routes."""

_ROUTES = Map(
    [
        Rule(f"{PREFIX}/{what}", methods=[method], endpoint=f"{method.lower()}_{what}")
        for what, methods in {"faults": ("GET", "POST", "DELETE"), "requests": ("GET", "DELETE")}.items()
        for method in methods
    ]
)


class _Request(Request):
    max_content_length = 1024 * 1024


class Control:
    """The control routes of one ``Emulator``, as a WSGI application.

    Args:
        emulator: The emulator.
        host: The host that the server listens on, which ``Host`` may name.
    """

    def __init__(self, emulator: Emulator, host: str) -> None:
        self._emulator = emulator
        self._host = host

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = _Request(environ)
        why = refusal(environ, self._host)
        if why is not None:
            return _json({"detail": why}, 403)(environ, start_response)
        try:
            endpoint, _ = _ROUTES.bind_to_environ(environ).match()
            response: Response = getattr(self, f"_{endpoint}")(request)
        except HTTPException as error:
            response = _json({"detail": error.description}, error.code or 500)
        except InvalidInputError as error:
            response = _json({"detail": error.message}, 400)
        return response(environ, start_response)

    def _get_faults(self, request: Request) -> Response:
        return _json([fault.as_json() for fault in self._emulator.faults.left])

    def _post_faults(self, request: Request) -> Response:
        given = request.get_json()  # 415 for another content type, 400 for invalid JSON
        self._emulator.faults.add(*(given if isinstance(given, list) else [given]))
        return _json([fault.as_json() for fault in self._emulator.faults.left], 201)

    def _delete_faults(self, request: Request) -> Response:
        self._emulator.faults.clear()
        return Response(status=204)

    def _get_requests(self, request: Request) -> Response:
        route = request.args.get("route")
        kept = [entry for entry in self._emulator.requests if route in (None, entry.route)]
        return _json([entry.as_json() for entry in kept])

    def _delete_requests(self, request: Request) -> Response:
        self._emulator.requests.clear()
        return Response(status=204)


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
