"""A WSGI app with one client, which is created and used on import, and shared by all requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from workers.answers import Gave, name
from workers.mix import asked_for, new_client, one_of_each

Start = Callable[[str, list[tuple[str, str]]], object]

client = new_client()
client.queue.status(name("job"))  # with --preload, the parent of all workers has a connection now


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Respond with the results of some calls of the SDK."""
    body = json.dumps(calls(environ["PATH_INFO"][1:])).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def calls(kind: str) -> list[Gave]:
    """Make a call of each kind, or one about a job of this kind."""
    return [asked_for(client, "result", kind)] if kind else one_of_each(client)
