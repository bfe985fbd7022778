"""Whatever a request for an image imports is imported before it is sent.

An import that is interrupted half-way fails ever after, in a process that has paid for an image.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.images import PNG
from support.servers import http, reply, serving
from workers.running import small_environment

PROGRAM = """
import json, sys
import decart

class Hook(decart.EventHook):
    def bytes_moved(self, event):
        if event.direction == "upload" and not event.done:
            known.update(sys.modules)

known, url, name, options = set(), sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
order = {"model": decart.models.image("lucy-image-2"), "prompt": "A hat", "data": b"x"}
kind = decart.AsyncDecartClient if name == "aiohttp" else decart.DecartClient
client = kind("dct_test", base_url=url, transport=name, event_hooks=[Hook()], retry=decart.RetryPolicy(interval=0.01))
if name == "aiohttp":
    import asyncio
for _ in range(5):
    try:
        call = client.process(order, **options)
        print(asyncio.run(call) if name == "aiohttp" else call)
    except decart.ProcessingOutcomeUnknownError as error:
        print(type(error.cause).__name__)
    assert not set(sys.modules) - known, sorted(set(sys.modules) - known)
"""
LAST = {"Connection": "close"}  # the next request could meet the server's hanging up
PICTURE = {"Content-Type": "image/png", **LAST}
RESPONSES = [  # each over a connection of its own
    http(429, b'{"detail": "Slow down."}', {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", **LAST}),
    http(200, PNG, PICTURE),
    http(200, b"nonsense", {**PICTURE, "Content-Encoding": "gzip"}),
    http(500, "Störung".encode("latin-1"), {"Content-Type": "text/html; charset=iso-8859-1", **LAST}),
    http(200, '{"queued": "é"}'.encode("utf-16"), {"Content-Type": "application/json", **LAST}),
    b"",
]


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("transport", ["requests", "urllib3", "aiohttp"])
def test_nothing_is_imported_once_the_body_is_under_way(transport: str, to_file: bool, tmp_path: Path) -> None:
    options = {"progress": True, "save_to": str(tmp_path / "hat.png")} if to_file else {}
    with serving(*map(reply, RESPONSES)) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM, server.url, transport, json.dumps(options)],
            env=small_environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    picture, *others = done.stdout.splitlines()
    assert picture.startswith("SavedImage(" if to_file else "ImageResult(")
    assert others == ["TransportError", "ServerError", "ResponseError", "TransportError"]
