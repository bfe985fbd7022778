"""Every transport behind one sync face, so that a rule is written once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.exchanges import TRANSPORTS
from support.resources import nothing_left
from support.servers import PATIENCE

from decart.transports.base import Transport


@pytest.fixture(params=TRANSPORTS)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of a transport, for a test in which they differ; others ask for ``transport`` only."""
    name: str = request.param
    if name.endswith("uvloop"):
        pytest.importorskip("uvloop")
    return name


@pytest.fixture
def transport(kind: str) -> Iterator[Transport]:
    transport = TRANSPORTS[kind]()
    yield transport
    transport.close()


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the environment trust the certificate of the ``tls`` fixture."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Check that a test leaves no socket and no thread behind, once the threads of abandoned exchanges have ended."""
    before = set(threading.enumerate())
    with nothing_left():
        yield
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("decart"):
                thread.join(PATIENCE)
