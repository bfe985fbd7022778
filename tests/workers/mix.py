"""A mix of calls of the SDK, each with its result."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from decart import DecartClient, PollPolicy, RetryPolicy, models
from workers.answers import Gave, digest, name

KINDS = {"submit": "job", "status": "failed", "result": "job", "download": "job", "stream": "job", "poll": "job"}
QUICK = PollPolicy(interval=0.01, max_interval=0.02)


def new_client() -> DecartClient:
    """Make a client that repeats nothing, so that whatever goes wrong is seen."""
    return DecartClient(transport=os.environ.get("TRANSPORT"), retry=RetryPolicy(attempts=1))  # type: ignore[arg-type]


def one_of_each(client: DecartClient) -> list[Gave]:
    """Make a call of each kind, each for its own job."""
    return [asked_for(client, verb, kind) for verb, kind in KINDS.items()]


def asked_for(client: DecartClient, verb: str, kind: str) -> Gave:
    """Make a call about a new job of this kind."""
    asked = name(kind)
    return Gave(verb=verb, process=os.getpid(), asked=asked, gave=_given(client, verb, asked))


def _given(client: DecartClient, verb: str, asked: str) -> str:
    """Make a call, and return its result."""
    if verb == "submit":
        return client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": asked}).job_id
    if verb == "status":
        return str(client.queue.status(asked).error)
    if verb == "result":
        return digest(client.queue.result(asked).data or b"")
    if verb == "poll":
        return digest(client.queue.poll(asked, poll=QUICK).data or b"")
    if verb == "stream":
        with client.queue.stream(asked) as video:
            return digest(b"".join(video))
    with tempfile.TemporaryDirectory() as folder:
        return digest(client.queue.download(asked, Path(folder, "video.mp4")).read_bytes())
