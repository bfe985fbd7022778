"""A welcome page for people who open the emulator in a browser, and a health check; neither needs a key.

====================  ================================================================
GET /                 what this is, with commands to copy
GET /healthz          ``{"status": "ok"}``, for a container's health check
====================  ================================================================

Neither is logged or affected by faults, so a health check changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from .replies import reply
from .service import Emulator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATHS = ("/", "/healthz")

_ROUTES = Map([Rule(path, methods=["GET"], endpoint=path) for path in PATHS])

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The decart emulator</title>
<style>body {{ font-family: sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }}
pre {{ overflow-x: auto; padding: 1rem; background: #8882 }}</style>
<h1>The decart emulator</h1>
<p>This is a local emulator of the video queue, for development. It makes real MP4 files, but they are
<strong>placeholder media</strong>: no model runs here, and nothing is billed.</p>
<p>Keys: {keys}</p>
<p>Submit a job:</p>
<pre>{submit}</pre>
<p>Check its status, with the <code>job_id</code> of the response:</p>
<pre>{status}</pre>
<p>Download the video once the status is <code>completed</code>:</p>
<pre>{content}</pre>
<p>Point a program at it with environment variables:</p>
<pre>{environment}</pre>
<p><code>decart emulator --help</code> lists all routes, the faults that can be injected, and every option.</p>
</html>
"""


class Welcome:
    """The page and the health check of one ``Emulator``, as a WSGI application."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            path, _ = _ROUTES.bind_to_environ(environ).match()
            response = self._page(request.host_url.rstrip("/")) if path == "/" else reply({"status": "ok"})
        except HTTPException as error:
            response = reply({"detail": error.name}, error.code or 500)
        return response(environ, start_response)

    def _page(self, url: str) -> Response:
        """Return the page, with commands for the requested address."""
        if self._emulator.authenticator.accepts_any_key:
            key, keys = "dct_local", "any that starts with <code>dct_</code>, such as <code>dct_local</code>."
        else:
            key, keys = "$DECART_API_KEY", "only those that it was started with (<code>--api-key</code>)."
        header = f'-H "X-API-KEY: {key}"'
        model, job = "lucy-pro-t2v", '-F prompt="A serene lake at sunset"'
        if self._emulator.catalogue.retirement(model):
            model, job = "lucy-restyle-2", '-F prompt="Anime style" -F data=@input.mp4'
        commands = {
            "submit": f"curl -X POST {url}/v1/jobs/{model} {header} {job}",
            "status": f"curl {url}/v1/jobs/JOB_ID {header}",
            "content": f"curl {url}/v1/jobs/JOB_ID/content {header} -o video.mp4",
            "environment": f"DECART_BASE_URL={url} DECART_API_KEY={key} python your_program.py",
        }
        page = _PAGE.format(keys=keys, **{name: escape(command) for name, command in commands.items()})
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return Response(page, mimetype="text/html", headers={"Content-Security-Policy": policy})
