"""Scenarios: scripts of the service's behaviour, and the expected outcome of each."""

from __future__ import annotations

import json
from typing import Any

import attrs

from support.fakes import MP4


@attrs.frozen
class Say:
    """Send a response."""

    status: int
    body: object = b""
    headers: dict[str, str] = attrs.field(factory=dict)

    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Hang:
    """Receive the request and fall silent."""


class Cut:
    """Receive the request and reset the connection."""


class Refuse:
    """Refuse connections."""


@attrs.frozen
class Short:
    """Announce more bytes than are sent."""

    data: bytes
    promise: int = 999
    headers: dict[str, str] = attrs.field(factory=dict)


def accepted() -> Say:
    return Say(200, {"job_id": "j1", "status": "pending"})


def status(word: str, **more: object) -> Say:
    return Say(200, {"job_id": "j1", "status": word, **more})


def video() -> Say:
    return Say(200, MP4, {"Content-Type": "video/mp4"})


def cut(start: int, end: int) -> Short:
    """Send only the beginning of the video."""
    assert start == 0
    return Short(MP4[:end], len(MP4), {"Content-Type": "video/mp4", "ETag": '"v1"'})


def rest(start: int, end: int | None = None) -> Say:
    """Send a range of the video: to its end, or to an earlier one."""
    headers = {"Content-Range": f"bytes {start}-{(end or len(MP4)) - 1}/{len(MP4)}", "ETag": '"v1"'}
    return Say(206, MP4[start:end], {"Content-Type": "video/mp4", **headers})


@attrs.frozen(kw_only=True)
class Scenario:
    script: list[Any]
    end: str
    calls: list[str]
    waits: list[float] = attrs.field(factory=list)
    statuses: list[str] = attrs.field(factory=list)
    play: str = "submit_and_poll"


POST, CHECK, FETCH = "POST /v1/jobs/lucy-pro-t2v", "GET /v1/jobs/j1", "GET /v1/jobs/j1/content"
DONE = f"completed, {len(MP4)} bytes"
SAVED = f"saved, {len(MP4)} bytes"
PDC = ["pending", "processing", "completed"]
UNKNOWN = "SubmitOutcomeUnknownError <- {} (job None)"
HTML = Say(200, b"<html>Gateway</html>", {"Content-Type": "text/html"})


SCENARIOS = {
    "success": Scenario(
        script=[accepted(), *map(status, ["pending", "processing", "processing", "completed"]), video()],
        end=DONE, calls=[POST, *[CHECK] * 4, FETCH], waits=[0.5, 0.75, 1.125, 1.6875], statuses=PDC,
    ),
    "failure with a reason": Scenario(
        script=[accepted(), status("failed", error="The prompt was refused.")],
        end="failed: The prompt was refused.", calls=[POST, CHECK], waits=[0.5], statuses=["pending", "failed"],
    ),
    "timeout": Scenario(
        script=[accepted(), *[status("processing")] * 13],
        end="timed out: The wait for job j1 ended after 20 s; its last status was processing. "
        "The job may still finish, and is billed: client.queue.poll('j1') waits for it again.",
        calls=[POST, *[CHECK] * 12], waits=[0.5, 0.75, 1.125, 1.6875, *[2.0] * 7, 1.9375],
        statuses=["pending", "processing"],
    ),
    "a submit that is rate limited": Scenario(
        script=[Say(429, headers={"retry-after": "7"}), accepted()],
        end="j1 pending", calls=[POST, POST], waits=[7.0], play="submit",
    ),
    "a status check that is rate limited": Scenario(
        script=[status("pending"), Say(429, headers={"retry-after": "9"}), status("completed"), video()],
        end=DONE, calls=[CHECK, CHECK, CHECK, FETCH], waits=[0.5, 9.0], statuses=["pending", "completed"], play="poll",
    ),
    "no connection for the submit": Scenario(
        script=[Refuse()] * 4, end="QueueSubmitError <- ConnectError (job None)",
        calls=[], waits=[0.5, 1.0, 2.0], play="submit",
    ),
    "reset after the submit's body": Scenario(
        script=[Cut()], end=UNKNOWN.format("TransportError"), calls=[POST],
    ),
    "silence after the submit's body": Scenario(
        script=[Hang()], end=UNKNOWN.format("TransportTimeout"), calls=[POST],
    ),
    "a submit response that is HTML": Scenario(script=[HTML], end=UNKNOWN.format("ResponseError"), calls=[POST]),
    "a submit response that is cut": Scenario(
        script=[Short(b'{"job_id": "j')], end=UNKNOWN.format("TransportError"), calls=[POST],
    ),
    "a submit with a server error": Scenario(script=[Say(500)], end=UNKNOWN.format("ServerError"), calls=[POST]),
    "a refused submit": Scenario(
        script=[Say(422, {"detail": [{"loc": ["body", "prompt"], "msg": "too long"}]})],
        end="QueueSubmitError <- ValidationError (job None)", calls=[POST],
    ),
    "status checks that are reset": Scenario(
        script=[accepted(), Cut(), Cut(), status("completed"), video()],
        end=DONE, calls=[POST, CHECK, CHECK, CHECK, FETCH], waits=[0.5, 0.5, 1.0], statuses=["pending", "completed"],
    ),
    "status checks that cannot be read": Scenario(
        script=[accepted(), HTML, Say(200, b'{"status"'), Say(502, b"<html>"), status("completed"), video()],
        end=DONE, calls=[POST, *[CHECK] * 4, FETCH], waits=[0.5, 0.5, 1.0, 2.0], statuses=["pending", "completed"],
    ),
    "a status check without a response": Scenario(
        script=[status("pending"), Hang(), status("completed"), video()],
        end=DONE, calls=[CHECK, CHECK, CHECK, FETCH], waits=[0.5, 0.5], statuses=["pending", "completed"], play="poll",
    ),
    "an unknown status": Scenario(
        script=[accepted(), status("warming"), status("warming"), status("completed"), video()],
        end=DONE, calls=[POST, *[CHECK] * 3, FETCH], waits=[0.5, 0.75, 1.125],
        statuses=["pending", "warming", "completed"],
    ),
    "a job that is not visible yet": Scenario(
        script=[accepted(), Say(404), Say(404), status("completed"), video()],
        end=DONE, calls=[POST, *[CHECK] * 3, FETCH], waits=[0.5, 0.5, 1.0], statuses=["pending", "completed"],
    ),
    "an unknown job": Scenario(
        script=[Say(404)] * 3, end="QueueStatusError <- NotFoundError (job j1)",
        calls=[CHECK] * 3, waits=[0.5, 1.0], play="poll",
    ),
    "a refused key": Scenario(
        script=[Say(401)], end="QueueStatusError <- AuthenticationError (job j1)", calls=[CHECK], play="status",
    ),
    "a redirect": Scenario(
        script=[Say(302, headers={"location": "http://127.0.0.1:1/elsewhere"})],
        end="QueueStatusError <- APIError (job j1)", calls=[CHECK], play="status",
    ),
    "a status": Scenario(
        script=[Say(503), status("processing")],
        end="j1 processing", calls=[CHECK] * 2, waits=[0.5], play="status",
    ),
    "a result that is not ready yet": Scenario(
        script=[status("processing")], end="QueueResultError <- None (job j1)", calls=[CHECK], play="result",
    ),
    "a result that breaks off once": Scenario(
        script=[status("completed"), Short(MP4), video()],
        end=DONE, calls=[CHECK, FETCH, FETCH], waits=[0.5], play="result",
    ),
    "a result that stays empty": Scenario(
        script=[status("completed"), *[Say(200, b"", {"Content-Type": "video/mp4"})] * 4],
        end="QueueResultError <- ResponseError (job j1)", calls=[CHECK, *[FETCH] * 4], waits=[0.5, 1.0, 2.0],
        play="result",
    ),
    "a download": Scenario(
        script=[status("completed"), Say(502), video()],
        end=SAVED, calls=[CHECK, FETCH, FETCH], waits=[0.5], play="download",
    ),
    "a download that breaks off, again and again": Scenario(
        script=[
            status("completed"), cut(0, 50), rest(50, 60), rest(60, 70), rest(70, 80), rest(80, 90), rest(90)
        ],
        end=SAVED, calls=[CHECK, *[FETCH] * 6], waits=[0.5], play="download",
    ),
    "a download that the server restarts": Scenario(
        script=[status("completed"), cut(0, 50), video()],
        end=SAVED, calls=[CHECK, FETCH, FETCH], waits=[0.5], play="download",
    ),
    "a download that makes no progress": Scenario(
        script=[status("completed"), *[cut(0, 0)] * 4],
        end="QueueResultError <- TransportError (job j1)", calls=[CHECK, *[FETCH] * 4], waits=[0.5, 1.0, 2.0],
        play="download",
    ),
    "a download of a failed job": Scenario(
        script=[status("failed", error="No.")], end="JobFailedError (job j1)", calls=[CHECK], play="download",
    ),
    "a wait that ends in a file": Scenario(
        script=[accepted(), status("completed"), cut(0, 50), rest(50)],
        end=SAVED, calls=[POST, CHECK, FETCH, FETCH], waits=[0.5, 0.5],
        statuses=["pending", "completed"], play="save_to",
    ),
    "a stream": Scenario(
        script=[status("completed"), Say(503), cut(0, 50), rest(50)],
        end=DONE, calls=[CHECK, *[FETCH] * 3], waits=[0.5, 0.5], play="stream",
    ),
    "a stream that cannot be resumed": Scenario(
        script=[status("completed"), cut(0, 50), video()],
        end="QueueResultError <- ResponseError (job j1)", calls=[CHECK, FETCH, FETCH], waits=[0.5], play="stream",
    ),
    "a stream of a job that is not completed yet": Scenario(
        script=[status("pending")], end="QueueResultError <- None (job j1)", calls=[CHECK], play="stream",
    ),
    "cancelled before": Scenario(script=[], end="WaitCancelledError <- None (job None)", calls=[], play="cancelled"),
    "cancelled by the callback": Scenario(
        script=[accepted(), status("processing")],
        end="WaitCancelledError <- None (job j1)", calls=[POST, CHECK], waits=[0.5, 0.75],
        statuses=["pending", "processing"], play="cancelled later",
    ),
    "a callback that fails": Scenario(
        script=[accepted()], end="ZeroDivisionError", calls=[POST], play="callback fails",
    ),
    "a bad option": Scenario(script=[], end="InvalidInputError", calls=[], play="bad option"),
}  # fmt: skip
