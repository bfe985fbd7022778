"""Some of the soak's clients, as threads of one process: `clients.py URL SECONDS THREADS SEED FOLDER`.

Each thread has a client of its own and does one thing after another until the time is over: what honest programs do,
and what hostile ones do. Nothing is repeated, so that every error shows. How often each was done, and what went wrong,
is printed as JSON.
"""

from __future__ import annotations

import collections
import contextlib
import json
import random
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from emulator import FAILING, stamp

from decart import DecartClient, PollPolicy, RetryPolicy, models

KEY = {"X-API-KEY": "dct_soak"}
PATIENCE = 60.0  # seconds for any answer; never reached when all is well
NAGGING = 2.0  # seconds that a slow one is at it
LARGEST = 512 * 1024  # bytes of a file that is sent
FORM = "multipart/form-data; boundary=x"


class Client:
    """One thread's client, and all it can do."""

    def __init__(self, url: str, seed: int, folder: Path) -> None:
        self._random = random.Random(seed)
        self._url, self._name, self._folder = url, f"client {seed}", folder
        self._address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self._client = DecartClient(
            api_key=KEY["X-API-KEY"],
            base_url=url,
            retry=RetryPolicy(attempts=1),
            poll=PollPolicy(interval=0.05, max_interval=0.5, timeout=PATIENCE),
        )
        self._session = requests.Session()
        self._session.headers.update(KEY)
        self._number = 0
        self.done: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []

    def work(self, seconds: float) -> None:
        """Run all actions, one after another."""
        honest = [self.words, self.file_to_file, self.parts, self.failed, self.picture, self.stored, self.token]
        hostile = [self.hang_up_sending, self.hang_up_taking, self.send_slowly, self.take_slowly, self.nonsense]
        ends = time.monotonic() + seconds
        with self._client, self._session:
            while time.monotonic() < ends and len(self.wrong) < 5:
                way = self._random.choice(honest if self._random.random() < 0.8 else hostile)
                try:
                    way()
                except Exception:
                    self.wrong.append(f"{self._name}, {way.__name__}: {traceback.format_exc(limit=-3)}")
                self.done[way.__name__] += 1

    # ------------------------------------------------------------ honest

    def words(self) -> None:
        prompt = self._prompt()
        result = self._client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": prompt})
        assert whole(result.data, stamp(prompt)), (result.status, result.error)

    def file_to_file(self) -> None:
        prompt, data = self._prompt(), self._random.randbytes(self._random.randrange(1, LARGEST))
        path = self._folder / f"{self._name}.mp4"
        order: Any = {"model": models.video("lucy-clip"), "prompt": prompt, "data": data}
        result = self._client.queue.submit_and_poll(order, save_to=path)
        assert result.path == path, result.error
        assert whole(path.read_bytes(), stamp(prompt, data))
        path.unlink()

    def parts(self) -> None:
        job_id, prompt = self._finished()
        pieces = []
        for part in ("bytes=0-99", "bytes=100-4999", "bytes=5000-"):
            with self._client.queue.stream(job_id, range=part) as video:
                assert video.status == 206
                pieces.append(b"".join(video))
        assert [*map(len, pieces[:2])] == [100, 4900]
        assert whole(b"".join(pieces), stamp(prompt))

    def failed(self) -> None:
        order: Any = {"model": models.video("lucy-pro-t2v"), "prompt": FAILING}
        result = self._client.queue.submit_and_poll(order)
        assert (result.status, result.error) == ("failed", FAILING)

    def picture(self) -> None:
        prompt, data = self._prompt(), self._random.randbytes(self._random.randrange(1, LARGEST))
        made = self._post("/v1/generate/lucy-image-2", data={"prompt": prompt}, files={"data": data})
        assert made.content.startswith(b"\x89PNG")
        assert made.content.endswith(stamp(prompt, data))

    def stored(self) -> None:
        data = self._random.randbytes(self._random.randrange(1, LARGEST))
        kept = self._post("/v1/files", files={"file": data}).json()
        assert kept["size_bytes"] == len(data)
        address = f"{self._url}/v1/files/{kept['id']}"
        assert self._session.get(address, timeout=PATIENCE).json() == kept
        assert self._session.delete(address, timeout=PATIENCE).status_code == 204

    def token(self) -> None:
        made = self._post("/v1/client/tokens", json={"expiresIn": 1}).json()
        assert made["apiKey"].startswith("ek_")

    # ------------------------------------------------------------ hostile

    def hang_up_sending(self) -> None:
        with self._connected() as sock:
            sock.sendall(head("POST", "/v1/jobs/lucy-clip", 10_000_000, FORM) + self._opening())
            sock.sendall(bytes(self._random.randrange(500_000)))
            self._cut(sock)

    def hang_up_taking(self) -> None:
        job_id, _ = self._finished()
        with self._connected() as sock:
            sock.sendall(head("GET", f"/v1/jobs/{job_id}/content"))
            answer = sock.recv(1000)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            self._cut(sock)

    def send_slowly(self) -> None:
        with self._connected() as sock:
            sock.sendall(head("POST", "/v1/jobs/lucy-clip", 10_000_000, FORM) + self._opening())
            for _ in range(20):
                sock.sendall(bytes(10))
                time.sleep(NAGGING / 20)

    def take_slowly(self) -> None:
        job_id, _ = self._finished()
        with self._connected(receive=4096) as sock:
            sock.sendall(head("GET", f"/v1/jobs/{job_id}/content"))
            for _ in range(20):
                assert sock.recv(100)
                time.sleep(NAGGING / 20)

    def nonsense(self) -> None:
        """Send an invalid or unacceptable request; expect a 4xx or a closed connection."""
        submit, opening = "/v1/jobs/lucy-clip", self._opening()
        sent = self._random.choice(
            [
                self._random.randbytes(200) + b"\r\n\r\n",
                head("POST", submit, 0, FORM),
                head("POST", submit, 500, FORM) + self._random.randbytes(500),
                head("POST", submit, len(opening), FORM) + opening,
                head("POST", submit, 500, "multipart/form-data") + bytes(500),
                head("POST", submit, 10**12, FORM),
                head("POST", "/v1/client/tokens", 100, "application/json") + b"[" * 100,
                head("POST", "/v1/files", 300_000, FORM, key="no-key") + bytes(300_000),
                head("GET", "/v1/jobs/..%2f..%2fetc%2fpasswd/content"),
                head("BREW", "/v1/jobs/" + "x" * 5_000),
            ]
        )
        with self._connected() as sock, contextlib.suppress(ConnectionError):
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            answer = sock.recv(1000)
            assert not answer or answer.startswith(b"HTTP/1.1 4"), (sent[:80], answer)

    # ------------------------------------------------------------ what they share

    def _prompt(self) -> str:
        self._number += 1
        return f"{self._name}, number {self._number}"

    def _finished(self) -> tuple[str, str]:
        """Return the id and the prompt of a job that has ended."""
        prompt = self._prompt()
        job_id = self._client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": prompt}).job_id
        for _ in range(int(PATIENCE / 0.05)):
            if self._client.queue.status(job_id).status == "completed":
                return job_id, prompt
            time.sleep(0.05)
        raise AssertionError(f"{job_id} does not end")

    def _post(self, path: str, **form: Any) -> requests.Response:
        answer = self._session.post(self._url + path, timeout=PATIENCE, **form)
        assert answer.status_code == 200, answer.text
        return answer

    def _opening(self) -> bytes:
        return b'--x\r\nContent-Disposition: form-data; name="data"; filename="data"\r\n\r\n'

    @contextlib.contextmanager
    def _connected(self, receive: int = 0) -> Iterator[socket.socket]:
        with socket.socket() as sock:
            if receive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            sock.settimeout(PATIENCE)
            sock.connect(self._address)
            yield sock

    def _cut(self, sock: socket.socket) -> None:
        """Close some connections with a reset."""
        if self._random.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def whole(video: bytes | None, end: bytes) -> bool:
    """Return whether a video is complete and ends as expected."""
    return video is not None and video[4:8] == b"ftyp" and b"moov" in video[: -len(end)] and video.endswith(end)


def head(method: str, path: str, length: int | None = None, kind: str = "", key: str = KEY["X-API-KEY"]) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: emulator", f"X-API-KEY: {key}"]
    if length is not None:
        lines += [f"Content-Length: {length}", f"Content-Type: {kind}"]
    return "\r\n".join([*lines, "", ""]).encode()


def main(url: str, seconds: float, threads: int, seed: int, folder: Path) -> None:
    clients = [Client(url, seed + number, folder) for number in range(threads)]
    work: list[Callable[[float], None]] = [client.work for client in clients]
    at_work = [threading.Thread(target=each, args=(seconds,)) for each in work]
    for thread in at_work:
        thread.start()
    for thread in at_work:
        thread.join()
    done = sum((client.done for client in clients), collections.Counter())
    json.dump({"done": done, "wrong": [wrong for client in clients for wrong in client.wrong]}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
