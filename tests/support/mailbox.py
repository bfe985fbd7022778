"""Celery apps of the tests, with a broker in memory, whose messages a test delivers itself on the emulator's clock."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import attrs
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import setup_logging

from decart.emulator import VirtualEmulator

_numbers = count()


def new_app(**settings: Any) -> Celery:
    """Return an app with queues of its own, since all brokers in the memory of a process are one."""
    queue = f"queue-{next(_numbers)}"
    app = Celery(queue, broker="memory://", set_as_current=False, **settings)
    app.conf.update(task_default_queue=queue, worker_hijack_root_logger=False, worker_redirect_stdouts=False)
    return app


@attrs.frozen(kw_only=True)
class Message:
    """A message that was queued.

    Attributes:
        task: The name of its task.
        args: The positional arguments.
        kwargs: The keyword arguments.
        countdown: Seconds from its queueing until it is due.
        headers: All headers.
    """

    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    countdown: float
    headers: dict[str, Any]


def messages(app: Celery, queue: str | None = None) -> list[Message]:
    """Take all messages out of a queue of an app; that of its tasks, if none is given."""
    taken = []
    with app.connection() as connection, connection.SimpleQueue(queue or app.conf.task_default_queue) as box:
        while True:
            try:
                message = box.get(block=False)
            except box.Empty:
                return taken
            message.ack()
            args, kwargs, _ = json.loads(message.body)
            eta, now = message.headers["eta"], datetime.now(UTC)
            seconds = 0.0 if eta is None else (datetime.fromisoformat(eta) - now).total_seconds()
            name, headers = message.headers["task"], dict(message.headers)
            taken.append(Message(task=name, args=args, kwargs=kwargs, countdown=seconds, headers=headers))


def deliver(app: Celery, message: Message) -> None:
    """Run the task of a message, as a worker does."""
    app.tasks[message.task](*message.args, **message.kwargs)


def deliver_all(app: Celery, emulator: VirtualEmulator) -> list[Message]:
    """Deliver messages, each when it is due, until none is left; return them."""
    delivered = []
    while queued := messages(app):
        for message in queued:
            emulator.clock.sleep(max(message.countdown, 0.0))
            deliver(app, message)
            delivered.append(message)
    return delivered


@contextmanager
def worker(app: Celery) -> Iterator[None]:
    """Run a worker in a thread."""
    setup_logging.connect(leave_logging)
    try:
        with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=30):
            yield
    finally:
        setup_logging.disconnect(leave_logging)


def leave_logging(**_: object) -> None:
    """Take the place of Celery's own setup of logging, which would silence the tests that follow in this process."""


@attrs.define
class Told:
    """Is told of jobs that have ended.

    Attributes:
        fails: How often it fails before it works.
        steps: What it was told, failures included.
    """

    fails: int = 0
    steps: list[Any] = attrs.field(factory=list)
    _done: threading.Event = attrs.field(factory=threading.Event)

    def __call__(self, step: Any) -> None:
        self.steps.append(step)
        if len(self.steps) <= self.fails:
            raise OSError("the application is down")
        self._done.set()

    def wait(self) -> Any:
        """Wait until it has worked once; return what it was told then."""
        assert self._done.wait(20)
        return self.steps[-1]
