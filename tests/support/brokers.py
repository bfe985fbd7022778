"""Message brokers of the tests' own, Redis and RabbitMQ from Debian's packages, on free ports, in temporary folders."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from kombu import Connection

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
STARTUP = 60.0
"""Seconds within which a broker accepts connections."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        return int(port.getsockname()[1])


@attrs.define(kw_only=True)
class Broker:
    """A broker that is running, and can be killed and started again with what it has stored.

    Attributes:
        url: Where Celery reaches it.
        options: The ``broker_transport_options`` for a test of what a killed worker leaves behind.
        command: What starts it.
        port: Where it listens.
        greet: What is sent to it to see whether it is ready, and what it says then.
    """

    url: str
    options: dict[str, Any]
    command: list[str]
    environment: dict[str, str]
    folder: Path
    port: int
    greet: tuple[bytes, bytes]
    epmd: str | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the broker, and wait until it accepts connections."""
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + STARTUP
        while not self._is_ready():
            assert time.monotonic() < end and self.process.poll() is None, (self.folder / "log.txt").read_text()

    def _is_ready(self) -> bool:
        sent, wanted = self.greet
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.2) as connection:
            connection.sendall(sent)
            return connection.recv(100).startswith(wanted)
        return False

    def is_empty(self) -> bool:
        """Return whether no message is left, neither in the queue nor in the hands of a worker."""
        if self.url.startswith("amqp"):
            command = [str(RABBITMQ.with_name("rabbitmqctl")), "--quiet", "list_queues", "name", "messages"]
            listed = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout
            return "celery\t0" in listed.splitlines()
        with Connection(self.url) as connection, connection.channel() as channel:
            return not channel.client.llen("celery") and not channel.client.hlen("unacked")

    def kill(self) -> None:
        """Kill the broker, as a crash does."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.epmd is not None:  # a daemon of Erlang's, which outlives it
            subprocess.run([self.epmd, "-kill"], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def restart(self) -> None:
        """Kill the broker, and start it again."""
        self.kill()
        self.start()


@contextmanager
def running(make: Callable[[Path, int], Broker]) -> Iterator[Broker]:
    """Run a broker."""
    with tempfile.TemporaryDirectory(prefix="broker", ignore_cleanup_errors=True) as folder:
        broker = make(Path(folder), free_port())
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


def redis(folder: Path, port: int) -> Broker:
    """Return a Redis server that writes everything to the disk; skip the test if none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis server is installed (Debian's package redis-server)")
    settings = f"--port {port} --bind 127.0.0.1 --appendonly yes --appendfsync always --save"
    return Broker(
        url=f"redis://127.0.0.1:{port}/0",
        options={"visibility_timeout": 3},
        command=[program, *settings.split(), "", "--dir", str(folder)],
        environment=dict(os.environ),
        folder=folder,
        port=port,
        greet=(b"PING\r\n", b"+PONG"),
    )


def rabbitmq(folder: Path, port: int) -> Broker:
    """Return a RabbitMQ server; skip the test if none is installed."""
    if not RABBITMQ.exists():
        pytest.skip("no RabbitMQ server is installed (Debian's package rabbitmq-server)")
    own = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_RELAXED_COMMAND_CHECK": "true",  # it may be told to end
    }
    (folder / "plugins").write_text("[].")
    return Broker(
        url=f"amqp://guest:guest@127.0.0.1:{port}//",
        options={"confirm_publish": True},
        command=[str(RABBITMQ)],
        environment={**os.environ, **own},
        folder=folder,
        port=port,
        epmd=shutil.which("epmd"),
        greet=(b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00"),
    )
