"""The service's routes as a WSGI application.

The checks come in this order: the announced size (413), path and method (404, 405), the key (401, and 403 for a token
used elsewhere); only then is the body read (400, 413, 422). HEAD works wherever GET does. Like the service's, the
responses have no CORS headers.

A job for an unknown model is a 405, as at the service: each model has a path of its own, and the path of an unknown one
is that of a job, which can only be read. The log says what to do.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Response

from .limits import UPLOAD_LIMIT
from .messages import Incoming, refusal, reply
from .requestlog import route_of
from .routes import ROUTES
from .service import Emulator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("decart.emulator")


class App:
    """The service's routes over one ``Emulator``.

    Args:
        emulator: The emulator that they act on.

    Example:
        >>> from wsgiref.simple_server import make_server
        >>> make_server("127.0.0.1", 8787, App(Emulator())).serve_forever()
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        names = emulator.catalogue.names
        self._routes = _routes(tuple(names()), tuple(names(pictures=True)))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.respond(Incoming(environ))(environ, start_response)

    def respond(self, request: Incoming) -> Response:
        """Return a response, whatever happens, after reading the body to its end."""
        with request:  # closes the uploaded files
            response = self._attempt(request)
            if response.status_code == 413:  # after which the server closes the connection
                return response
            try:
                request.drain()
            except HTTPException as error:
                response.close()
                return refusal(error)
            return response

    def _attempt(self, request: Incoming) -> Response:
        try:
            request.limit(UPLOAD_LIMIT)
            route, values = self._routes.bind_to_environ(request.environ).match()
            if not route.open:
                headers = request.headers
                key, origin = headers.get("X-API-KEY", ""), headers.get("Origin")
                request.caller = self._emulator.keys.authenticate(key, origin)
            response: Response = route.handler(self._emulator, request, **values)
            return response
        except HTTPException as error:
            if isinstance(error, MethodNotAllowed) and route_of(request.method, request.path)[0] == "submit":
                log.warning("No model %.100r: add it with Emulator(models=...) or --model", request.path[9:])
            return refusal(error)
        except Exception:
            log.exception("A bug in the emulator")
            return reply({"detail": "Internal Server Error"}, 500)


@lru_cache(maxsize=16)
def _routes(names: tuple[str, ...], pictures: tuple[str, ...]) -> Map:
    """Return the table of the routes, which emulators of the same models share: it takes milliseconds to compile."""
    return Map(
        [Rule(route.path, methods=[route.method], endpoint=route) for route in ROUTES],
        converters={"known": _one_of(names), "picture": _one_of(pictures)},
        merge_slashes=False,
    )


def _one_of(names: Iterable[str]) -> type[BaseConverter]:
    """Return a converter that matches only these names, so that other paths do not have this route."""

    class OneOf(BaseConverter):
        regex = f"(?:{'|'.join(map(re.escape, names))})"
        part_isolating = True

    return OneOf
