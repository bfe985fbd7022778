"""The benchmark harness, which ensures that the figures of different peers are comparable.

- Each run is a fresh process with the same small environment variables (requests reads all of them, twice per call).
- In each round every peer runs once, in random order. Ratios are computed within a round, and the median of the rounds'
  ratios is reported, so a machine that is slow for a while is slow for both sides.
- Memory is touched before it is measured: on a virtual machine, the first process that uses it pays for it.
- The server is a separate process, and reports what it received.
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
RUN_TIMEOUT = 900  # seconds for one run of one peer
Figures = dict[str, Any]

PUBLIC_PYTHON = os.environ.get("DECART_PUBLIC_SDK_PYTHON")
"""The Python of an environment with the service's own SDK, whose package is also called decart."""

ENVIRONMENT = {
    "HOME": tempfile.gettempdir(),  # a folder without .netrc
    "LANG": "C.UTF-8",
    "PATH": os.environ.get("PATH", os.defpath),
    "TMPDIR": tempfile.gettempdir(),
}


@dataclass(frozen=True)
class Claim:
    """A target for a figure, an upper or a lower bound: for our value, or for the ratio of ours to a peer's."""

    what: str
    figure: str
    ours: str
    peer: str | None = None
    most: float | None = None
    least: float | None = None

    def met(self, value: float) -> bool:
        """Return whether a value meets the target."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


@dataclass(frozen=True)
class Measure:
    """A task that several peers perform, each in separate processes.

    Attributes:
        name: Its name for ``--only``.
        title: Its title in the output.
        peers: The peers that perform it.
        run: Lets one peer perform it once, and returns the figures, or raises ``NotAvailableError``.
        panels: The figures to plot, each with a title.
        claims: The rows of the table.
        once: Whether one round is enough, because further ones would give the same figures.
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
    """The outcome of all rounds of one measure.

    Attributes:
        measure: The measure.
        runs: The figures of each peer, round by round.
        missing: The reasons why peers are not available.
        broken: The errors of the peers that failed.
    """

    measure: Measure
    runs: dict[str, list[Figures]]
    missing: dict[str, str]
    broken: dict[str, str]

    @property
    def is_correct(self) -> bool:
        """Whether all peers succeeded, with correct results."""
        return not self.broken and all(run["correct"] for runs in self.runs.values() for run in runs)

    def median(self, peer: str, figure: str) -> float:
        """Return the median of a peer's figure."""
        return statistics.median(run[figure] for run in self.runs[peer])

    def ratio(self, ours: str, peer: str, figure: str) -> float:
        """Return the median of the rounds' ratios of our figure to a peer's."""
        pairs = zip(self.runs[ours], self.runs[peer], strict=True)
        return statistics.median(our[figure] / their[figure] for our, their in pairs)


def measure(wanted: Measure, rounds: int, only: set[str], report: Callable[[str], None]) -> Outcome:
    """Run every peer once per round, in random order."""
    peers = [peer for peer in wanted.peers if not only or peer in only]
    runs: dict[str, list[Figures]] = {peer: [] for peer in peers}
    missing: dict[str, str] = {}
    broken: dict[str, str] = {}
    for turn in range(1 if wanted.once else rounds):
        for peer in random.sample(peers, len(peers)):
            if peer not in runs:
                continue
            report(f"{wanted.title}, round {turn + 1}: {peer}")
            try:
                runs[peer].append(wanted.run(peer))
            except NotAvailableError as why:
                missing[peer] = str(why)
                del runs[peer]
            except ProgramError as error:
                broken[peer] = str(error)
                del runs[peer]
    return Outcome(wanted, runs, missing, broken)


def python_of(peer: str) -> str:
    """Return the path of a Python that has the peer's library.

    Raises:
        NotAvailableError: There is none.
    """
    if peer != PUBLIC:
        return sys.executable
    if not PUBLIC_PYTHON:
        raise NotAvailableError("DECART_PUBLIC_SDK_PYTHON is not set")
    return PUBLIC_PYTHON


class ProgramError(Exception):
    """A program failed; the message contains its stderr."""


def fresh(*command: str, cwd: Path | None = None, trusted: Path | None = None) -> str:
    """Run a command in a fresh process with ``ENVIRONMENT``, and return its output.

    Args:
        command: The command.
        cwd: The working directory.
        trusted: The CA bundle to trust instead of the default one.

    Raises:
        ProgramError: The command failed.
    """
    trust = {"REQUESTS_CA_BUNDLE": str(trusted), "SSL_CERT_FILE": str(trusted)} if trusted else {}
    done = subprocess.run(
        command, env={**ENVIRONMENT, **trust}, cwd=cwd, capture_output=True, text=True, check=False, timeout=RUN_TIMEOUT
    )
    if done.returncode:
        raise ProgramError(f"{' '.join(command)[:500]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def work(verb: str, peer: str, **given: Any) -> Figures:
    """Let a peer perform a task in a fresh process; see ``work.py``.

    Raises:
        NotAvailableError: The peer is not available.
    """
    figures: Figures = json.loads(fresh(python_of(peer), str(HERE / "work.py"), verb, peer, json.dumps(given)))
    if "missing" in figures:
        raise NotAvailableError(figures["missing"])
    return figures


def warm_memory(size: int) -> None:
    """Touch ``size`` bytes of memory, or half of the free memory if that is less, in a process that then exits."""
    if "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        fresh(sys.executable, "-c", f"bytearray(b'x') * {min(size, free // 2)}")


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1: its file, its key, and a full-size CA bundle that includes it."""

    own: Path
    key: Path
    trusted: Path


def make_certificate(folder: Path) -> Certificate | None:
    """Create a certificate in a folder; return ``None`` if openssl is not installed."""
    if not shutil.which("openssl"):
        return None
    import certifi

    made = Certificate(folder / "own.pem", folder / "key.pem", folder / "trusted.pem")
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    command = ["openssl", *options.split(), "-keyout", str(made.key), "-out", str(made.own)]
    subprocess.run(command, check=True, capture_output=True)
    made.trusted.write_bytes(Path(certifi.where()).read_bytes() + made.own.read_bytes())
    return made


class Service:
    """The benchmark server, running in a separate process."""

    def __init__(self, process: subprocess.Popen[str], certificate: Certificate | None) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self._out.readline().strip()}"
        self.trusted = certificate and certificate.trusted

    def counts(self) -> dict[str, int]:
        """Return the number of calls and connections since the previous call."""
        print(file=self._in, flush=True)
        counts: dict[str, int] = json.loads(self._out.readline())
        return counts

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Return what became of each job that was submitted since the previous call, by its ID; see ``server.Job``."""
        print("jobs", file=self._in, flush=True)
        jobs: dict[str, dict[str, Any]] = json.loads(self._out.readline())
        return jobs


@contextmanager
def service(
    seconds: float = 0.0, certificate: Certificate | None = None, *, longest: float | None = None
) -> Iterator[Service]:
    """Run the server during the block; over TLS if there is a certificate.

    Args:
        seconds: How long each job takes.
        certificate: The certificate.
        longest: How long the longest job takes; the others are spread evenly between ``seconds`` and this.
    """
    over_tls = (str(certificate.own), str(certificate.key)) if certificate else ()
    command = [sys.executable, str(HERE / "server.py"), f"{seconds}-{longest or seconds}", *over_tls]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Service(process, certificate)
        assert process.stdin is not None
        process.stdin.close()
