"""The measures: tasks, peers and targets."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from harness import Claim, Figures, Measure, Service, work
from peers import PUBLIC
from programs import FIRST_SUBMITS, IMPORTS, first_submit, importing, installed

MIB = 1024 * 1024
URLLIB3 = "decart + urllib3"
BARE = ("requests", "urllib3", "aiohttp", "http.client")
DOWNLOADERS = ("decart", URLLIB3, *BARE)
READERS = ("decart", URLLIB3, "decart + aiohttp", *BARE, PUBLIC)
UPLOADERS = ("decart (open file)", *READERS)
UNITS = {
    "speed": "MB/s",
    "memory": "MiB",
    "share": "x its size",
    "call": "µs",
    "job": "ms",
    "cpu": "s",
    "lag": "s",
    "worst": "s",
    "ms": "ms",
    "MiB": "MiB",
}
"""The unit of each figure; the others are plain numbers."""
MORE_IS_BETTER = {"speed"}


def mover(verb: str, server: Service, size: int, **given: str) -> Callable[[str], Figures]:
    """Return a function that lets a peer transfer ``size`` bytes, and returns the figures."""

    def run(peer: str) -> Figures:
        figures = work(verb, peer, url=server.url, size=size, **given)
        extra = figures["extra"]
        return {**figures, "speed": size / figures["seconds"] / 1e6, "memory": extra / MIB, "share": extra / size}

    return run


def upload(server: Service, size: int, path: Path) -> Measure:
    title = f"Upload of {size // MIB} MiB"
    return Measure(
        name="upload",
        title=title,
        peers=UPLOADERS,
        run=mover("upload", server, size, path=str(path)),
        panels={"speed": title, "memory": f"{title}, memory"},
        claims=(
            Claim(f"{title}, speed", "speed", "decart", "requests", least=2),
            Claim(f"{title}, speed", "speed", "decart", "http.client", least=0.5),
            Claim(f"{title}, speed", "speed", URLLIB3, "http.client", least=0.5),
            Claim(f"{title}, extra memory", "memory", "decart", most=8),
            Claim(f"{title}, extra memory", "memory", "decart (open file)", most=8),
        ),
    )


def download(server: Service, size: int) -> Measure:
    title = f"Download of {size // MIB} MiB"
    return Measure(
        name="download",
        title=title,
        peers=DOWNLOADERS,
        run=mover("download", server, size),
        panels={"speed": f"{title} to disk", "memory": f"{title}, memory"},
        claims=(
            Claim(f"{title} to disk, speed", "speed", "decart", "urllib3", least=0.8),
            Claim(f"{title} to disk, speed", "speed", URLLIB3, "urllib3", least=0.8),
            Claim(f"{title}, extra memory", "memory", "decart", most=8),
        ),
    )


def result(server: Service, size: int) -> Measure:
    title = f"Result of {size // MIB} MiB"
    return Measure(
        name="result",
        title=title,
        peers=READERS,
        run=mover("result", server, size),
        panels={"speed": f"{title} into memory", "share": f"{title}, memory"},
        claims=(
            Claim(f"{title} into memory, speed", "speed", "decart", "requests", least=2.5),
            Claim(f"{title}, peak memory", "share", "decart", most=1.1),
        ),
    )


def status(server: Service, calls: int) -> Measure:
    def run(peer: str) -> Figures:
        figures = work("status", peer, url=server.url, calls=calls)
        return {**figures, "call": figures["cpu"] / calls * 1e6}

    title = "Status call, CPU"
    return Measure(
        name="status",
        title=title,
        peers=READERS,
        run=run,
        panels={"call": title},
        claims=(
            Claim(title, "call", "decart", "requests", most=0.75),
            Claim(title, "call", URLLIB3, "requests", most=0.45),
        ),
    )


def together(server: Service, name: str, many: int, peers: tuple[str, ...], claim: Claim, drawn: bool) -> Measure:
    def run(peer: str) -> Figures:
        server.counts()
        figures = work("jobs", peer, url=server.url, many=many)
        return {**figures, **server.counts(), "job": figures["cpu"] / many * 1000}

    return Measure(
        name=name,
        title=f"{many} jobs at once in {name}",
        peers=peers,
        run=run,
        panels={"job": f"{many} {name}, CPU per job"} if drawn else {},
        claims=(claim, Claim(f"{many} jobs at once in {name}, connections", "connections", claim.ours, most=2 * many)),
    )


def threads(server: Service, many: int, drawn: bool) -> Measure:
    claim = Claim(f"{many} jobs at once in threads, CPU per job", "job", "decart", "requests", most=0.8)
    return together(server, "threads", many, ("decart", URLLIB3, "requests", "urllib3"), claim, drawn)


def tasks(server: Service, many: int) -> Measure:
    claim = Claim(f"{many} jobs at once in tasks, CPU per job", "job", "decart + aiohttp", "aiohttp", most=2.0)
    return together(server, "tasks", many, ("decart + aiohttp", "aiohttp", PUBLIC), claim, True)


def imports(repeats: int) -> Measure:
    title = "Import, above a bare Python"
    return Measure(
        name="import",
        title=title,
        peers=tuple(IMPORTS),
        run=lambda peer: importing(peer, repeats),
        panels={"ms": title},
        claims=(Claim(title, "ms", "decart", "requests", most=0.55),),
    )


def first(server: Service, repeats: int) -> Measure:
    panel = f"First submit over {server.url.partition(':')[0]}"
    title = f"{panel}, whole process"
    return Measure(
        name="first",
        title=title,
        peers=tuple(FIRST_SUBMITS),
        run=lambda peer: first_submit(peer, server.url, repeats, server.trusted),
        panels={"ms": panel},
        claims=(),
    )


def install() -> Measure:
    return Measure(
        name="install",
        title="Bare installation",
        peers=("decart", PUBLIC),
        run=installed,
        panels={"MiB": "Bare installation"},
        claims=(
            Claim("Bare installation, distributions", "distributions", "decart", most=8),
            Claim("Bare installation, size", "MiB", "decart", most=8),
        ),
        once=True,
    )


NAMES = ("upload", "download", "result", "status", "threads", "tasks", "import", "first", "install")


def chosen(
    given: argparse.Namespace, quick: Service, slow: Service, secure: Service | None, file: Path
) -> list[Measure]:
    """Return the measures that the command line selects.

    Args:
        given: The arguments of the command line.
        quick: A server whose jobs finish at once.
        slow: A server whose jobs take ``--seconds``.
        secure: A server over TLS, if openssl is installed.
        file: The file to upload.
    """
    size = given.mib * MIB
    every = [
        upload(quick, size, file),
        download(quick, size),
        result(quick, size),
        status(quick, given.calls),
        *(threads(slow, many, many == max(given.jobs)) for many in given.jobs),
        tasks(slow, max(given.jobs)),
        imports(given.repeats),
        *(first(server, given.repeats) for server in (secure, quick) if server),
        install(),
    ]
    return [measure for measure in every if measure.name in given.only]
