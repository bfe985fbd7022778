"""A soak of the emulator: `python tests/soak/run.py [--seconds 60] [--clients 100]`, or `tox -e soak`. For Linux.

Many clients (`clients.py`) use one server (`emulator.py`) at the same time for so many seconds; a fifth of what they do
is hostile. No client may meet an error that it did not provoke, each video must be whole and the right job's, and the
server must write nothing to its error output. From the middle of the time on it must not grow: in memory, open files,
threads, or on the disk. The exit status is 1 if any of that is wrong.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

import attrs

HERE = Path(__file__).parent
KEEP = 600  # jobs that the server keeps: it has as many long before the middle of the time
PROCESSES = 4
PATIENCE = 120.0  # seconds more than its time that a process of clients may need
STEADY = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""Has glibc give back what is free; else a heap for each thread hides what is looked for."""
MIB = 1024 * 1024


@attrs.frozen
class Size:
    """The size of the server: each figure with its permitted growth."""

    memory: int = attrs.field(metadata={"most": 24 * MIB})
    files: int = attrs.field(metadata={"most": 20})
    threads: int = attrs.field(metadata={"most": 2})
    disk: int = attrs.field(metadata={"most": 64 * MIB})

    @classmethod
    def of(cls, process: int, folder: Path) -> Size:
        """Measure a process, and the folder that all its files are in."""
        about = Path(f"/proc/{process}")
        pages = int((about / "statm").read_text("ascii").split()[1])
        return cls(
            memory=pages * os.sysconf("SC_PAGE_SIZE"),
            files=len(os.listdir(about / "fd")),
            threads=len(os.listdir(about / "task")),
            disk=sum(int(line.split()[0]) for line in _du(folder)) * 1024,
        )


def _du(folder: Path) -> list[str]:
    """Ask how much a folder takes; files that go away meanwhile do not matter."""
    return subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=False).stdout.splitlines()


def grown(before: list[Size], after: list[Size]) -> list[str]:
    """Compare the medians of early and late measurements; report each figure that has grown too much."""
    wrong = []
    for field in attrs.fields(Size):
        first, last = (median(getattr(size, field.name) for size in sizes) for sizes in (before, after))
        if last - first > field.metadata["most"]:
            wrong.append(f"the server's {field.name} grew from {first:,} to {last:,}")
    return wrong


def start(*command: object, **environment: str) -> subprocess.Popen[str]:
    """Start one of the programs beside this one."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    words = [sys.executable, *map(str, command)]
    return subprocess.Popen(words, text=True, env={**os.environ, **environment}, **pipes)


def watch(clients: list[subprocess.Popen[str]], server: int, url: str, folder: Path, seconds: float) -> list[Size]:
    """Measure the server every second, until the clients are done; its list of requests, which it keeps, is emptied."""
    forget = urllib.request.Request(f"{url}/_emulator/requests", method="DELETE")
    sizes = []
    for _ in range(int(seconds)):
        time.sleep(1)
        urllib.request.urlopen(forget, timeout=PATIENCE).close()
        sizes.append(Size.of(server, folder))
        if any(client.poll() is not None for client in clients):
            break
    return sizes


def soak(seconds: float, clients: int, folder: Path) -> list[str]:
    """Soak a server; print what was done, and return the errors."""
    on_disk = folder / "server"
    on_disk.mkdir()
    server = start(HERE / "emulator.py", KEEP, TMPDIR=str(on_disk), **STEADY)
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    share = [clients // PROCESSES + (number < clients % PROCESSES) for number in range(PROCESSES)]
    processes = [
        start(HERE / "clients.py", url, seconds, threads, 1_000 * number, folder)
        for number, threads in enumerate(share)
    ]
    sizes = watch(processes, server.pid, url, on_disk, seconds)
    done: collections.Counter[str] = collections.Counter()
    wrong = []
    for process in processes:
        output, errors = process.communicate(timeout=PATIENCE)
        reported = json.loads(output or '{"done": {}, "wrong": ["the clients ended without a word"]}')
        done.update(reported["done"])
        wrong += reported["wrong"] + ([errors] if errors else [])
    quiet = Size.of(server.pid, on_disk)
    _, errors = server.communicate(timeout=PATIENCE)  # its input ends, so it does
    if server.returncode or errors:
        wrong.append(f"the server ended with {server.returncode}, and wrote: {errors[-2_000:]}")
    if any(on_disk.iterdir()):
        wrong.append("the server left files behind")
    print(json.dumps({"done": done, "sum": sum(done.values())}, indent=2))
    for name, size in (("first", sizes[0]), ("middle", sizes[len(sizes) // 2]), ("last", sizes[-1]), ("after", quiet)):
        print(f"{name:8}", ", ".join(f"{key} {value:,}" for key, value in attrs.asdict(size).items()))
    half, quarter = len(sizes) // 2, max(1, len(sizes) // 4)
    return wrong + grown(sizes[half : half + quarter], sizes[-quarter:])


def main() -> int:
    """Read the command line, and soak; return the exit status."""
    grammar = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    grammar.add_argument("--seconds", type=float, default=60)
    grammar.add_argument("--clients", type=int, default=100)
    options = grammar.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = soak(options.seconds, options.clients, Path(folder))
    for number, what in collections.Counter(wrong).most_common(20):
        print(f"WRONG: {number}" if what == 1 else f"WRONG, {what} times: {number}")
    print("wrong:", len(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
