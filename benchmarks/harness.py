"""How the benchmarks measure: what makes two figures comparable, whatever they are figures of.

- Every run is a fresh process, and all of them see the same small environment (requests walks all of it, twice a call).
- In each round every peer runs once, in an order left to chance; a ratio is taken within a round, and what is told is
  the median of the rounds' ratios. A machine that is slow for a while is then slow for both.
- Memory is touched before it is measured: on a virtual machine, the first process to use it pays for it.
- The server is a process of its own, and says what it saw.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import PUBLIC, NotAvailableError

HERE = Path(__file__).resolve().parent
PATIENCE = 900  # seconds for one run of one peer
Figures = dict[str, Any]

PUBLIC_PYTHON = os.environ.get("DECART_PUBLIC_SDK_PYTHON")
"""The Python of an environment that has the service's own SDK, which is called decart, too."""

ENVIRONMENT = {
    "HOME": tempfile.gettempdir(),  # where no .netrc is
    "LANG": "C.UTF-8",
    "PATH": os.environ.get("PATH", os.defpath),
    "TMPDIR": tempfile.gettempdir(),
}


@dataclass(frozen=True)
class Claim:
    """What we say of a figure: at most, or at least, so much; of ours alone, or of ours over a peer's."""

    what: str
    figure: str
    ours: str
    peer: str | None = None
    most: float | None = None
    least: float | None = None

    def met(self, value: float) -> bool:
        """Say whether the value is what was claimed."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


@dataclass(frozen=True)
class Measure:
    """Something that several peers do, each in processes of its own.

    Attributes:
        name: What ``--only`` calls it.
        title: What it is, for people.
        peers: Who does it.
        run: Has one peer do it once, and returns the figures, or raises ``NotAvailableError``.
        panels: The figures that are drawn, each with a title.
        claims: What the table says of them.
        once: Whether a second round would say the same.
    """

    name: str
    title: str
    peers: tuple[str, ...]
    run: Callable[[str], Figures]
    panels: dict[str, str]
    claims: tuple[Claim, ...]
    once: bool = False


@dataclass(frozen=True)
class Outcome:
    """What all rounds of one measure gave: a peer's figures, round by round, or why there are none.

    ``missing`` is who cannot do it here, and ``broken`` who failed to.
    """

    measure: Measure
    runs: dict[str, list[Figures]]
    missing: dict[str, str]
    broken: dict[str, str]

    @property
    def right(self) -> bool:
        """Whether every answer of every peer was what it should be."""
        return not self.broken and all(run["right"] for runs in self.runs.values() for run in runs)

    def median(self, peer: str, figure: str) -> float:
        """Return what a peer's figure was in the middle."""
        return statistics.median(run[figure] for run in self.runs[peer])

    def ratio(self, ours: str, peer: str, figure: str) -> float:
        """Return the median of the rounds' ratios."""
        pairs = zip(self.runs[ours], self.runs[peer], strict=True)
        return statistics.median(our[figure] / their[figure] for our, their in pairs)


def measure(wanted: Measure, rounds: int, only: set[str], say: Callable[[str], None]) -> Outcome:
    """Have every peer run once a round, in another order each time."""
    peers = [peer for peer in wanted.peers if not only or peer in only]
    runs: dict[str, list[Figures]] = {peer: [] for peer in peers}
    missing: dict[str, str] = {}
    broken: dict[str, str] = {}
    for turn in range(1 if wanted.once else rounds):
        for peer in random.sample(peers, len(peers)):
            if peer not in runs:
                continue
            say(f"{wanted.title}, round {turn + 1}: {peer}")
            try:
                runs[peer].append(_run(wanted, peer))
            except NotAvailableError as why:
                missing[peer] = str(why)
                del runs[peer]
            except ProgramError as error:
                broken[peer] = str(error)
                del runs[peer]
    return Outcome(wanted, runs, missing, broken)


def _run(wanted: Measure, peer: str) -> Figures:
    if peer == PUBLIC and not PUBLIC_PYTHON:
        raise NotAvailableError("DECART_PUBLIC_SDK_PYTHON is not set")
    return wanted.run(peer)


def python_of(peer: str) -> str:
    """Return the Python that has the peer's library."""
    return PUBLIC_PYTHON if peer == PUBLIC and PUBLIC_PYTHON else sys.executable


class ProgramError(Exception):
    """A program failed; the message is what it said."""


def fresh(*command: str, cwd: Path | None = None, trusted: Path | None = None) -> str:
    """Run a command in a fresh process with the small environment, and return what it printed.

    Args:
        command: The command.
        cwd: Where it runs.
        trusted: The file of the certificates that it trusts, if not the usual ones.

    Raises:
        ProgramError: It failed.
    """
    trust = {"REQUESTS_CA_BUNDLE": str(trusted), "SSL_CERT_FILE": str(trusted)} if trusted else {}
    done = subprocess.run(
        command, env={**ENVIRONMENT, **trust}, cwd=cwd, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode:
        raise ProgramError(f"{' '.join(command)[:500]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def work(verb: str, peer: str, **given: Any) -> Figures:
    """Have a peer do something in a fresh process; see ``work.py``.

    Raises:
        NotAvailableError: It cannot do that here.
    """
    figures: Figures = json.loads(fresh(python_of(peer), str(HERE / "work.py"), verb, peer, json.dumps(given)))
    if "missing" in figures:
        raise NotAvailableError(figures["missing"])
    return figures


def warm_memory(size: int) -> None:
    """Touch so many bytes of the machine's memory, or half of what is free, in a process that ends."""
    if "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        fresh(sys.executable, "-c", f"bytearray(b'x') * {min(size, free // 2)}")


@dataclass(frozen=True)
class Certificate:
    """A certificate for this machine, its key, and it among all that are usually trusted, which take time to read."""

    own: Path
    key: Path
    trusted: Path


def make_certificate(folder: Path) -> Certificate | None:
    """Make a certificate in a folder; None where there is no openssl."""
    if not shutil.which("openssl"):
        return None
    import certifi

    made = Certificate(folder / "own.pem", folder / "key.pem", folder / "trusted.pem")
    asked = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    command = ["openssl", *asked.split(), "-keyout", str(made.key), "-out", str(made.own)]
    subprocess.run(command, check=True, capture_output=True)
    made.trusted.write_bytes(Path(certifi.where()).read_bytes() + made.own.read_bytes())
    return made


class Service:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], certificate: Certificate | None) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self._out.readline().strip()}"
        self.trusted = certificate and certificate.trusted

    def counts(self) -> dict[str, int]:
        """Return the calls and connections since the last time."""
        print(file=self._in, flush=True)
        counts: dict[str, int] = json.loads(self._out.readline())
        return counts


@contextmanager
def service(seconds: float = 0.0, certificate: Certificate | None = None) -> Iterator[Service]:
    """Run the server, whose jobs take so many seconds, for as long as the block lasts; over TLS with a certificate."""
    over_tls = (str(certificate.own), str(certificate.key)) if certificate else ()
    command = [sys.executable, str(HERE / "server.py"), str(seconds), *over_tls]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Service(process, certificate)
        assert process.stdin is not None
        process.stdin.close()
