"""How much memory and time does the upload of a large file take? Run ``python benchmarks/upload_memory.py --mib 512``.

The file is sparse, so it costs no disk. Each way of uploading runs in a process of its own, in an order left to chance;
the server that takes the bytes, counts and forgets them is one more. Memory is the peak of the uploading process during
the large upload less its peak before it, when a small upload has already warmed everything up.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
SMALL = 64 * 1024  # bytes of the upload that warms up
CHUNK = 256 * 1024


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory so far.

    Linux hands ``ru_maxrss`` down from the process that started this one, and so hides whatever stays below that one's
    peak; ``VmHWM`` is the process's own.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


# Each way takes the server's port and gives a function that uploads a file and returns the answer's job_id, in which
# the server says how many bytes were announced and how many came.


def decart_path(port: int) -> Callable[[Path], str]:
    from decart import DecartClient, models

    client = DecartClient(api_key="key", base_url=f"http://127.0.0.1:{port}")
    model = models.video("lucy-clip")
    return lambda path: client.queue.submit({"model": model, "prompt": "x", "data": path}).job_id


def decart_file(port: int) -> Callable[[Path], str]:
    send = decart_path(port)

    def upload(path: Path) -> str:
        with path.open("rb") as file:
            return send(file)  # type: ignore[arg-type]

    return upload


def requests_files(port: int) -> Callable[[Path], str]:
    import requests

    def upload(path: Path) -> str:
        with path.open("rb") as file:
            answer = requests.post(f"http://127.0.0.1:{port}/", data={"prompt": "x"}, files={"data": file})
        return str(answer.json()["job_id"])

    return upload


def http_client(port: int) -> Callable[[Path], str]:
    head = b'--x\r\nContent-Disposition: form-data; name="data"; filename="data"\r\n\r\n'
    end = b"\r\n--x--\r\n"

    def body(path: Path) -> Iterator[bytes]:
        yield head
        with path.open("rb", buffering=0) as file:
            yield from iter(lambda: file.read(CHUNK), b"")
        yield end

    def upload(path: Path) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {
            "Content-Length": str(len(head) + path.stat().st_size + len(end)),
            "Content-Type": "multipart/form-data; boundary=x",
        }
        connection.request("POST", "/", body(path), headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return str(answer["job_id"])

    return upload


WAYS: dict[str, Callable[[int], Callable[[Path], str]]] = {
    "decart, Path": decart_path,
    "decart, open file": decart_file,
    "requests, files=": requests_files,
    "http.client, streamed": http_client,
}


def sink() -> None:
    """Take uploads until killed; print the port. The answer's job_id is ``<announced>-<received>-<how it ended>``."""
    buffer = bytearray(MIB)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb", buffering=MIB) as file:
                while file.readline():
                    take(connection, file, memoryview(buffer))


def take(connection: socket.socket, file: Any, buffer: memoryview) -> None:
    """Take one upload whose request line has been read."""
    headers = {}
    for line in iter(file.readline, b"\r\n"):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    announced, received, tail = int(headers["content-length"]), 0, b""
    while received < announced:
        got = file.readinto(buffer[: announced - received])
        if not got:
            return  # the client hung up
        received += got
        tail = (tail + bytes(buffer[max(0, got - 100) : got]))[-100:]
    boundary = headers["content-type"].partition("boundary=")[2]
    whole = "whole" if tail.endswith(f"--{boundary}--\r\n".encode()) else "cut"
    answer = json.dumps({"job_id": f"{announced}-{received}-{whole}", "status": "pending"}).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    connection.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer))


def upload(way: str, port: int, path: Path) -> dict[str, Any]:
    """Upload in this process, and return what it took."""
    send = WAYS[way](port)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.mp4")
        small.write_bytes(bytes(SMALL))
        send(small)
    before, began = peak_memory(), time.perf_counter()
    announced, received, ending = send(path).split("-")
    return {
        "extra": peak_memory() - before,
        "seconds": time.perf_counter() - began,
        "announced": int(announced),
        "received": int(received),
        "ending": ending,
    }


def run(way: str, size: int) -> dict[str, Any]:
    """Upload so many bytes in a process of its own, to a server in another."""
    me = [sys.executable, os.path.abspath(__file__)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.mp4")
        with path.open("wb") as file:
            file.truncate(size)
        with subprocess.Popen([*me, "--sink"], stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                port = server.stdout.readline().strip()
                done = subprocess.run(
                    [*me, "--upload", way, port, str(path)], stdout=subprocess.PIPE, text=True, check=True, timeout=300
                )
            finally:
                server.kill()
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mib", type=int, default=512, help="size of the upload in MiB")
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--upload", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sink:
        sink()
    elif options.upload:
        way, port, path = options.upload
        print(json.dumps(upload(way, int(port), Path(path))))
    else:
        print(f"{'upload of ' + str(options.mib) + ' MiB':24} {'extra peak memory':>18} {'MiB/s':>8}")
        for way in random.sample(list(WAYS), len(WAYS)):
            result = run(way, options.mib * MIB)
            print(f"{way:24} {result['extra'] / MIB:14.1f} MiB {options.mib / result['seconds']:8.0f}")


if __name__ == "__main__":
    main()
