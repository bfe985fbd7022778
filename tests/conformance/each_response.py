"""Provoke each response of each operation once, and check it against the document.

A generator of requests does not find the responses that depend on what was done before, on the settings of the
emulator, or on a body of hundreds of megabytes. Responses to faults are left out: any proxy may respond anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from checker import Checker
from document import BEYOND, CATALOGUE, FORMS
from wire import FORM, KEY, Received, exchange, multipart, picture

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import RenderError, render_small

TOO_LONG = 600 * 1024 * 1024  # bytes of a body that is announced, and not sent
BROKEN = "broken"  # a prompt whose image cannot be made
ELSEWHERE = "https://elsewhere.example"


class Caller:
    """Send requests to one server, and check the responses."""

    def __init__(self, url: str, checker: Checker) -> None:
        self._url = url
        self._checker = checker
        self.wrong: list[str] = []

    def send(
        self, method: str, path: str, body: bytes = b"", *, expect: int, key: str | None = KEY, **headers: str
    ) -> Received:
        """Send a request, whose response has to have this status."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        received = exchange(self._url, method, path, body, given | ({"X-API-KEY": key} if key else {}))
        wrong = self._checker.wrong(received)
        if received.status != expect:
            wrong = f"{received.status} instead of {expect}: {received.body[:200]!r}"
        if wrong is not None:
            self.wrong.append(f"{method} {path}: {wrong}")
        return received

    def form(self, path: str, fields: dict[str, str | bytes], *, expect: int, **more: Any) -> Received:
        """Post a form."""
        return self.send("POST", path, multipart(fields), expect=expect, Content_Type=FORM, **more)

    def json(self, path: str, value: object, *, expect: int, **more: Any) -> Received:
        """Post JSON."""
        body = json.dumps(value).encode()
        return self.send("POST", path, body, expect=expect, Content_Type="application/json", **more)

    def token(self, **rights: object) -> str:
        """Return a client token."""
        made = json.loads(self.json("/v1/client/tokens", rights, expect=200).body)
        return str(made["apiKey"])

    def refusals(self, method: str, path: str, token: str) -> None:
        """Provoke what every operation with a key responds: without one, with a token of another page."""
        self.send(method, path, expect=401, key=None)
        self.send(method, path, expect=403, key=token, Origin=ELSEWHERE)

    def bad_bodies(self, path: str, **more: Any) -> None:
        """Provoke what every operation with a form responds to a broken one, an empty one and a large one."""
        self.send("POST", path, b"nonsense", expect=400, Content_Type=FORM, **more)
        self.form(path, {}, expect=422, **more)
        self.send("POST", path, expect=413, Content_Type=FORM, Content_Length=str(TOO_LONG), **more)


def a_form() -> dict[str, str | bytes]:
    """Return a form that is valid for every model: fields that a model does not have are ignored."""
    points = '[{"frame":0,"x":0.1,"y":0.1},{"frame":9,"x":0.9,"y":0.9}]'
    return {"prompt": "A lake", "trajectory": points, "data": picture(), "start": picture(), "end": picture()}


def makers(caller: Caller, retired: Caller, token: str) -> None:
    """Provoke the responses of the operations that make videos and images, for each model."""
    images = CATALOGUE.names(pictures=True)
    for path in [*(f"/v1/jobs/{name}" for name in FORMS | BEYOND), *(f"/v1/generate/{name}" for name in images)]:
        name = path.rpartition("/")[2]
        caller.form(path, a_form(), expect=200)
        caller.refusals("POST", path, token)
        caller.bad_bodies(path)
        caller.form(path, a_form(), expect=403, key=caller.token(allowedModels=["another"]))
        if CATALOGUE.retirement(name):
            retired.form(path, a_form(), expect=410)
    caller.form("/v1/generate/lucy-image-2", {"prompt": BROKEN, "data": picture()}, expect=400)


def jobs(caller: Caller, slow: Caller, token: str) -> None:
    """Provoke the responses about a job: its status and its content."""
    made = json.loads(caller.form("/v1/jobs/lucy-clip", a_form(), expect=200).body)
    failed = json.loads(caller.form("/v1/jobs/lucy-clip", a_form() | {"prompt": BROKEN}, expect=200).body)
    pending = json.loads(slow.form("/v1/jobs/lucy-clip", a_form(), expect=200).body)
    image = json.loads(caller.form("/v1/jobs/lucy-image-2", a_form(), expect=200).body)
    slow.send("GET", f"/v1/jobs/{pending['job_id']}", expect=200)
    slow.send("GET", f"/v1/jobs/{pending['job_id']}/content", expect=409)
    for path in ("/v1/jobs/x", "/v1/jobs/x/content"):
        caller.send("GET", path, expect=404)
        caller.refusals("GET", path, token)
    for job_id in (made["job_id"], image["job_id"], failed["job_id"]):
        while b"processing" in caller.send("GET", f"/v1/jobs/{job_id}", expect=200).body:
            pass
    caller.send("HEAD", f"/v1/jobs/{made['job_id']}", expect=200)
    caller.send("GET", f"/v1/jobs/{failed['job_id']}/content", expect=409)
    caller.send("GET", f"/v1/jobs/{image['job_id']}/content", expect=200)
    path = f"/v1/jobs/{made['job_id']}/content"
    tag = caller.send("GET", path, expect=200).headers["etag"]
    caller.send("HEAD", path, expect=200)
    caller.send("GET", path, expect=206, Range="bytes=0-3")
    caller.send("GET", path, expect=416, Range="bytes=99999999-")
    caller.send("GET", path, expect=304, If_None_Match=tag)


def the_rest(caller: Caller, token: str) -> None:
    """Provoke the responses of files, tokens, names and verification, and of what does not exist."""
    for path in ("/v1/files", "/v1/verify"):
        caller.refusals("POST", path, token)
        caller.bad_bodies(path)
    caller.form("/v1/verify", {"file": picture()}, expect=200)
    kept = json.loads(caller.form("/v1/files", {"file": picture(), "ttl_seconds": "persistent"}, expect=200).body)
    for method, done in (("GET", 200), ("DELETE", 204)):
        caller.send(method, f"/v1/files/{kept['id']}", expect=done)
        caller.send(method, "/v1/files/x", expect=404)
        caller.refusals(method, "/v1/files/x", token)
    caller.send("POST", "/v1/client/tokens", expect=200)
    caller.json("/v1/client/tokens", {"expiresIn": 0}, expect=422)
    caller.send("POST", "/v1/client/tokens", expect=403, key=token)
    caller.refusals("POST", "/v1/client/tokens", token)
    caller.json("/v1/models/resolve", {"model": "lucy-latest", "models": ["lucy-2"]}, expect=200, key=None)
    caller.json("/v1/models/resolve", {"model": "nobody"}, expect=404, key=None)
    caller.json("/v1/models/resolve", {}, expect=422, key=None)
    for path in ("/v1/client/tokens", "/v1/models/resolve"):
        caller.send("POST", path, b"\xff", expect=400, Content_Type="text/plain")
        caller.send("POST", path, expect=413, Content_Length=str(TOO_LONG))
    caller.send("GET", "/api/auth/jwks", expect=200, key=None)
    caller.send("GET", "/v1/nowhere", expect=404)
    for method in ("PUT", "PATCH", "QUERY"):  # the last is no method that a server has to know
        caller.send(method, "/v1/files", expect=405)
    caller.form("/v1/jobs/nobody", {"prompt": "A lake"}, expect=405)


def _renderer(order: Any, target: Any) -> None:
    if order.prompt == BROKEN:
        raise RenderError("it is broken")
    render_small(order, target)


def check(checker: Checker) -> Iterator[str]:
    """Provoke each response of the document; yield what is wrong, and the responses that did not occur."""
    with ExitStack() as stack:

        def caller(**settings: Any) -> Caller:
            emulator = stack.enter_context(Emulator(pending=0, renderer=_renderer, api_keys=[KEY], **settings))
            return Caller(stack.enter_context(EmulatorServer(emulator)).url, checker)

        quick, slow, retired = caller(processing=0), caller(processing=3600), caller(processing=0, today=True)
        token = quick.token(allowedOrigins=["https://example.com"])
        makers(quick, retired, token)
        jobs(quick, slow, token)
        the_rest(quick, token)
        for each in (quick, slow, retired):
            yield from each.wrong
    for operation, status in checker.expected():
        if not checker.seen[operation, status]:
            yield f"{operation}: {status} did not occur"
