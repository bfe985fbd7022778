"""A program whose greenlets share one client, in a Python that gevent has patched before any other import."""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from collections.abc import Callable  # noqa: E402
from functools import partial  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402

from decart import DecartClient, WaitCancelledError, models  # noqa: E402
from workers.answers import Gave, id_of, name  # noqa: E402
from workers.mix import QUICK, new_client, one_of_each  # noqa: E402
from workers.service import LARGE  # noqa: E402


def together(*work: Callable[[], Any]) -> list[Any]:
    """Run everything concurrently, and return the outcomes."""
    greenlets = [gevent.spawn(one) for one in work]
    gevent.joinall(greenlets, raise_error=True)
    return [greenlet.value for greenlet in greenlets]


def waits(client: DecartClient, count: int) -> list[str]:
    """Wait for jobs of which none is done before all have been looked at."""
    jobs = [name(f"all-{count}") for _ in range(count)]
    return [result.status for result in together(*[partial(client.queue.poll, job, poll=QUICK) for job in jobs])]


def exchanges(client: DecartClient, count: int) -> list[str]:
    """Make status checks, none of which gets a response before all have been sent."""
    jobs = [name(f"together-{count}") for _ in range(count)]
    return [status.status for status in together(*[partial(client.queue.status, job) for job in jobs])]


def crowd(client: DecartClient, count: int) -> list[Gave]:
    """Make a call of each kind in each of several greenlets."""
    return [call for calls in together(*[partial(one_of_each, client)] * count) for call in calls]


def upload(client: DecartClient) -> list[str]:
    """Send a file that is not taken before other greenlets have made many calls."""
    prompt, sent = name("job"), threading.Event()

    def send() -> str:
        model = models.video("lucy-pro-i2v")
        job = client.queue.submit({"model": model, "prompt": prompt, "data": bytes(64 * LARGE)})
        sent.set()
        return "sent" if job.job_id == id_of(prompt) else job.job_id

    def ask() -> str:
        while not sent.is_set():
            client.queue.status(name("job"))
        return "asked"

    return together(send, ask)


def cancel(client: DecartClient) -> list[str]:
    """End a wait from another greenlet."""
    event, seen = threading.Event(), threading.Event()

    def wait() -> str:
        try:
            client.queue.poll(name("all-2"), cancel=event, on_status_change=lambda job: seen.set())
        except WaitCancelledError:
            return "cancelled"
        return "waited to the end"

    def end() -> str:
        seen.wait()
        event.set()
        return "ended"

    return together(wait, end)


if __name__ == "__main__":
    with new_client() as shared:
        json.dump(globals()[sys.argv[1]](shared, *map(int, sys.argv[2:])), sys.stdout)
