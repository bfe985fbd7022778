"""What the emulator has beyond the service: a welcome page, a health check, and control routes. None needs a key.

=========================  =====================================================================
GET /                      what this is, with commands to copy
GET /healthz               ``{"status": "ok"}``, for a container's health check
GET /_emulator/faults      the pending faults, as a list
POST /_emulator/faults     add one (an object, or its text) or a list; returns 201 and the pending faults
DELETE /_emulator/faults   delete the pending faults
GET /_emulator/requests    the request log, as a list; ``?route=submit`` filters it
DELETE /_emulator/requests clear the log
=========================  =====================================================================

They are neither logged nor affected by faults. A POST must have a JSON content type.

The control routes are protected from web pages. A page in a browser on this machine could reach them in two ways, and
the browser's headers reveal both:

- DNS rebinding: the page's host name is made to resolve to this machine. ``Host`` is that name.
- A cross-site request: the page sends a request to this machine. ``Origin`` differs from the requested address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from html import escape
from string import Template
from typing import Any

from werkzeug.wrappers import Response

from ..errors import InvalidInputError
from .limits import TEXT_LIMIT
from .messages import Incoming, Refused, reply
from .routes import Route
from .service import Emulator

PREFIX = "/_emulator"
"""The path of the control routes."""

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?")
_SINGLE_LABEL = re.compile(r"[a-z0-9_-]+")

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The decart emulator</title>
<style>body { font-family: sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
pre { overflow-x: auto; padding: 1rem; background: #8882 }</style>
<h1>The decart emulator</h1>
<p>This is a local emulator of the video queue, for development. It makes real MP4 files, but they are
<strong>placeholder media</strong>: no model runs here, and nothing is billed.</p>
<p>Keys: $keys</p>
<p>Submit a job:</p>
<pre>curl -X POST $url/v1/jobs/$job</pre>
<p>Check its status, with the <code>job_id</code> of the response:</p>
<pre>curl $url/v1/jobs/JOB_ID $header</pre>
<p>Download the video once the status is <code>completed</code>:</p>
<pre>curl $url/v1/jobs/JOB_ID/content $header -o video.mp4</pre>
<p>Point a program at it with environment variables:</p>
<pre>DECART_BASE_URL=$url DECART_API_KEY=$key python your_program.py</pre>
<p><code>decart emulator --help</code> lists all routes, the faults that can be injected, and every option.</p>
</html>
""")


def guard(environ: Mapping[str, Any], listening_on: str) -> str | None:
    """Return why a request may not use the control routes, as a sentence; ``None`` if it may.

    Args:
        environ: The WSGI environment of the request.
        listening_on: The host that the server was told to listen on. If it listens on every address, any IP
            address is accepted as ``Host``: rebinding needs a name.

    Example:
        >>> guard({"HTTP_HOST": "localhost:8787"}, "127.0.0.1") is None
        True
    """
    host = environ.get("HTTP_HOST", "").lower()
    found = _HOST.fullmatch(host)
    if found is None or not _is_own(found[1].strip("[]"), listening_on.lower()):
        return (
            "The control routes accept only localhost, single-label names and the host that the emulator listens on"
            f" (--host) as Host, not {host[:100]!r}."
        )
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin.lower() != f"{environ['wsgi.url_scheme']}://{host}":
        return f"The control routes accept no request from a web page of another origin ({origin[:100]!r})."
    return None


def _is_own(host: str, listening_on: str) -> bool:
    """Return whether a name or address is one that only this machine or its local network uses for the emulator."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == listening_on or _SINGLE_LABEL.fullmatch(host) is not None
    return address.is_loopback or listening_on in (host, "0.0.0.0", "::")


def has(path: str) -> bool:
    """Return whether a path belongs to these routes."""
    return path in ("/", "/healthz", PREFIX) or path.startswith(f"{PREFIX}/")


def welcome(emulator: Emulator, request: Incoming) -> Response:
    """GET /: the page, with commands for the requested address."""
    if emulator.keys.accepts_any_key:
        key, keys = "dct_local", "any that starts with <code>dct_</code>, such as <code>dct_local</code>."
    else:
        key, keys = "$DECART_API_KEY", "only those that it was started with (<code>--api-key</code>)."
    header = f'-H "X-API-KEY: {key}"'
    if emulator.catalogue.retirement("lucy-pro-t2v"):
        job = f'lucy-restyle-2 {header} -F prompt="Anime style" -F data=@input.mp4'
    else:
        job = f'lucy-pro-t2v {header} -F prompt="A serene lake at sunset"'
    words = {"url": request.host_url.rstrip("/"), "key": key, "header": header, "job": job}
    page = _PAGE.substitute({name: escape(text) for name, text in words.items()}, keys=keys)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return Response(page, mimetype="text/html", headers={"Content-Security-Policy": policy})


def health(emulator: Emulator, request: Incoming) -> Response:
    """GET /healthz."""
    return reply({"status": "ok"})


def faults(emulator: Emulator, request: Incoming, status: int = 200) -> Response:
    """GET /_emulator/faults."""
    return reply([fault.as_json() for fault in emulator.faults.left], status)


def add_faults(emulator: Emulator, request: Incoming) -> Response:
    """POST /_emulator/faults."""
    request.limit(TEXT_LIMIT)
    if not request.is_json:
        raise Refused(415, "A POST must have the header Content-Type: application/json.")
    try:
        given = request.document()
    except Refused:
        raise Refused(400, 'The body must be JSON: "drop-after" in quotation marks, an object, or a list.') from None
    try:
        emulator.faults.add(*(given if isinstance(given, list) else [given]))
    except InvalidInputError as error:
        raise Refused(400, error.message) from None
    return faults(emulator, request, 201)


def clear_faults(emulator: Emulator, request: Incoming) -> Response:
    """DELETE /_emulator/faults."""
    emulator.faults.clear()
    return Response(status=204)


def requests(emulator: Emulator, request: Incoming) -> Response:
    """GET /_emulator/requests."""
    route = request.args.get("route")
    return reply([entry.as_json() for entry in emulator.requests if route in (None, entry.route)])


def clear_requests(emulator: Emulator, request: Incoming) -> Response:
    """DELETE /_emulator/requests."""
    emulator.requests.clear()
    return Response(status=204)


ROUTES = (
    Route("GET", "/", welcome, open=True),
    Route("GET", "/healthz", health, open=True),
    Route("GET", f"{PREFIX}/faults", faults, open=True),
    Route("POST", f"{PREFIX}/faults", add_faults, open=True),
    Route("DELETE", f"{PREFIX}/faults", clear_faults, open=True),
    Route("GET", f"{PREFIX}/requests", requests, open=True),
    Route("DELETE", f"{PREFIX}/requests", clear_requests, open=True),
)
