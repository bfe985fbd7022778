"""Whatever ends a call that has paid for a job says so on the screen, and leaves the process in order.

The interrupts of `support.acceptance` land where chance has it, so a failure may not come back at once. ``INTERRUPTS``
says how many there are on each side of the acceptance, for each transport.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from support.servers import http, reply, serving
from workers.running import small_environment

INTERRUPTS = os.environ.get("INTERRUPTS", "25")
POLL = "Job j1 continues. Wait for it with client.queue.poll('j1')."
DOWNLOAD = "Job j1 is done. Fetch its video with client.queue.download('j1', path)."
PATIENCE = 900.0  # seconds that a program may take; never reached when all is well

every = pytest.mark.parametrize(
    ("side", "transport"),
    [(side, transport) for side in ("before", "after") for transport in ("requests", "urllib3", "aiohttp")],
)


@functools.cache  # each of them is run once, for all the rules
def outcome(side: str, transport: str) -> dict[str, Any]:
    """Interrupt submits, and return the tally and examples of what went wrong."""
    command = [sys.executable, "-W", "error", "-m", "support.acceptance", side, transport, INTERRUPTS]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, folder], env=small_environment(), capture_output=True, text=True, timeout=PATIENCE
        )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    print(side, transport, report["tally"])  # pytest -s shows it
    return report


@pytest.mark.slow
@pytest.mark.heavy
@every
def test_the_interrupts_land_inside_the_calls(side: str, transport: str) -> None:
    tally = outcome(side, transport)["tally"]
    assert tally["hits"] >= int(INTERRUPTS)
    assert "warned" in tally
    assert ("silent" if side == "before" else "named") in tally


@pytest.mark.slow
@pytest.mark.heavy
@every
@pytest.mark.parametrize(
    ("flaw", "rule"),
    [
        ("unnamed", "a response that arrived shows the id of its job, and how to go on, as does .job_id"),
        ("unwarned", "a body that was touched shows the id, or that the job may have been accepted and charged"),
        ("poisoned", "the next calls in the same process succeed"),
        ("hung", "and no call hangs"),
    ],
)
def test_an_interrupt_loses_no_job_and_spoils_no_later_call(side: str, transport: str, flaw: str, rule: str) -> None:
    report = outcome(side, transport)
    assert flaw not in report["tally"], f"not so: {rule}: {report['examples'].get(flaw)}"


# an import that is interrupted half-way fails ever after: nothing is imported once a submit is under way

IMPORTS = """
import json, sys
import decart

class Hook(decart.EventHook):
    def bytes_moved(self, event):
        if event.direction == "upload" and not event.done:
            known.update(sys.modules)

known, url, name, options = set(), sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
kind = decart.AsyncDecartClient if name == "aiohttp" else decart.DecartClient
quick = {"interval": 0.01, "max_interval": 0.01}
policies = {"retry": decart.RetryPolicy(**quick), "poll": decart.PollPolicy(**quick)}
client = kind("dct_test", base_url=url, transport=name, event_hooks=[Hook()], **policies)
order = {"model": decart.models.video("lucy-pro-t2v"), "prompt": "A serene lake"}
if name == "aiohttp":
    import asyncio
for _ in range(2):
    result = client.queue.submit_and_poll(order, **options)
    if name == "aiohttp":
        result = asyncio.run(result)
    result.raise_for_status()
    late = set(sys.modules) - known
    if late:
        print(*sorted(late))
"""

VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(12) + b"\x00\x00\x00\x08mdat"
LATE = {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}
PART = {"ETag": '"v1"', "Content-Range": f"bytes {len(VIDEO) - 10}-{len(VIDEO) - 1}/{len(VIDEO)}"}
COMPLETED = http(200, b'{"job_id": "j1", "status": "completed"}')
RESPONSES = [  # to two calls, each over a connection of its own
    http(200, b'{"job_id": "j1", "status": "pending"}'),
    http(200, b'{"job_id": "j1", "status": "processing"}'),
    http(500, "Störung".encode("latin-1"), {"Content-Type": "text/html; charset=iso-8859-1"}),
    http(429, b'{"detail": "Slow down."}', LATE),
    http(200, b"nonsense", {"Content-Encoding": "gzip"}),
    http(200, b'{"job_id": "j1", '),
    b"HTTP/1.1 200",  # and the connection breaks off
    COMPLETED,
    http(503, b"", LATE),
    http(200, VIDEO, {"ETag": '"v1"'})[:-10],
    http(206, VIDEO[-10:], PART | {"Connection": "close"}),  # a submit could meet the server's hanging up
    http(200, b'{"job_id": "j1", "status": "pending"}'),
    COMPLETED,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(VIDEO), VIDEO),
]


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("transport", ["requests", "urllib3", "aiohttp"])
def test_whatever_a_wait_imports_is_imported_before_the_submit(transport: str, to_file: bool, tmp_path: Path) -> None:
    options = {"progress": True, "save_to": str(tmp_path / "lake.mp4")} if to_file else {}
    with serving(*map(reply, RESPONSES)) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", IMPORTS, server.url, transport, json.dumps(options)],
            env=small_environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# other ends


@pytest.mark.parametrize(
    ("how", "kind", "advice"),
    [
        ("callback", "Ended: the callback", POLL),
        ("hook", "Ended: the hook", POLL),
        ("soft-limit", "SoftTimeLimitExceeded", POLL),
        ("gevent", "Timeout", POLL),
        ("soft-limit-in-callback", "SoftTimeLimitExceeded", DOWNLOAD),
        ("progress", "Ended", DOWNLOAD),
        ("no-folder", "FileNotFoundError: ", DOWNLOAD),
        ("full-disk", "OSError: ", DOWNLOAD),
    ],
)
def test_whatever_ends_a_wait_shows_the_id_and_how_to_go_on(how: str, kind: str, advice: str, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    command = [sys.executable, "-W", "error", "-m", "support.ends", how, str(folder)]
    done = subprocess.run(command, env=small_environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "j1\n"), done.stderr
    *_, error, note = done.stderr.splitlines()
    assert kind in error
    assert note == advice
