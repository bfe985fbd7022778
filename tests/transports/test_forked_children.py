"""A forked child opens new connections and leaves those of its parent alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.servers import PATIENCE, Server, answering, http, serving

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

TRANSPORTS = {
    "requests": "decart.RequestsTransport()",
    "requests with the caller's session": "decart.RequestsTransport(requests.Session())",
    "urllib3": "decart.Urllib3Transport()",
}

SETUP = """
import os, signal, sys, threading
import requests
import decart
from decart.transports.base import HttpRequest, Timeout

url = sys.argv[1]
transport = {transport}

def send():
    return transport.send(HttpRequest(method="GET", url=url, headers={{}}), timeout=Timeout())

def number():
    with send() as response:
        return int(response.read())

def check(*expected):
    found = tuple(number() for _ in expected)
    assert found == expected, (found, expected)

def ended_well(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""

IDLE = """
check(1, 1)
child = os.fork()
if child == 0:
    check(2, 2)  # its own connection, which is kept as well
    transport.close()
    sys.exit()
assert ended_well(child)
check(1, 1)  # the parent's is as it was
transport.close()
"""

OPEN = """
with send() as response:
    child = os.fork()
    if child == 0:
        check(2, 2)
        transport.close()
        os._exit(0)
    assert ended_well(child)
    assert response.read() == b"1"
check(1)
transport.close()
"""

CLOSED_UNUSED = """
check(1)
child = os.fork()
if child == 0:
    transport.close()  # before any request of the child's own: the connections are the parent's
    sys.exit()
assert ended_well(child)
check(1)
transport.close()
"""

GRANDCHILD = """
check(1)
child = os.fork()
if child == 0:
    check(2)
    grandchild = os.fork()
    if grandchild == 0:
        check(3, 3)
        transport.close()
        sys.exit()
    assert ended_well(grandchild)
    check(2)
    transport.close()
    sys.exit()
assert ended_well(child)
check(1)
transport.close()
"""

THREADS = """
check(1)
child = os.fork()
if child == 0:
    signal.alarm(15)
    gate, failed = threading.Barrier(8), []

    def work():
        gate.wait()
        try:
            assert number() > 1
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    transport.close()
    assert not failed, failed
    sys.exit()
assert ended_well(child)
check(1)
transport.close()
"""

PROGRAMS = {
    "an idle connection": IDLE,
    "an open response": OPEN,
    "closed in the child": CLOSED_UNUSED,
    "a grandchild": GRANDCHILD,
    "threads of the child": THREADS,
}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that responds with the number of the connection."""
    with serving(answering(lambda request, number: http(200, str(number).encode()))) as server:
        yield server


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("case", PROGRAMS)
def test_a_forked_child_leaves_the_connections_of_its_parent_alone(server: Server, transport: str, case: str) -> None:
    program = SETUP.format(transport=TRANSPORTS[transport]) + PROGRAMS[case]
    command = [sys.executable, "-W", "error", "-c", program, server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
