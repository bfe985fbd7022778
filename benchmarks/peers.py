"""The peers: small adapters for decart, and for what its users would write without it.

All adapters implement the same few operations in the way their library's manual recommends, streaming where possible:
``submit`` a form, ``upload`` a file, check the ``status``, load a ``result`` into memory or ``download`` it to a file.
An adapter omits what its library does not support. All file writes end with ``fsync``, as those of decart do.

``PEERS`` maps names to adapters. Each adapter imports only its own library, when it is created.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

MIB = 1024 * 1024  # bytes to read from a file at a time
PIECE = 256 * 1024  # bytes to write at a time; larger pieces are slower for some peers and faster for none
KEY = "dct_benchmark"
PROMPT = "A serene lake at sunset with mountains in the background"
HEADERS = {"X-API-KEY": KEY}
FORM = "/v1/jobs/lucy-pro-t2v"
EDIT = "/v1/jobs/lucy-pro-v2v"
HEAD = (
    f'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n{PROMPT}\r\n'
    '--x\r\nContent-Disposition: form-data; name="data"; filename="data"\r\n\r\n'
).encode()
END = b"\r\n--x--\r\n"


class NotAvailableError(Exception):
    """The peer is not available, or does not support the task; the message says why."""


def pauses() -> Iterator[float]:
    """Yield the seconds between status checks: those of the default PollPolicy without jitter."""
    pause = 0.5
    while True:
        yield min(pause, 2.0)
        pause *= 1.5


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Read a file in blocks of 1 MiB."""
    return iter(lambda: file.read(MIB), b"")


def to_disk(chunks: Iterable[bytes], path: Path) -> None:
    """Write a file, and flush it to the disk."""
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        sync(file)


def sync(file: BinaryIO) -> None:
    """Flush a file to the disk."""
    file.flush()
    os.fsync(file.fileno())


class Peer:
    """Base class of the adapters: operations that are composed of others."""

    def __init__(self, url: str) -> None:
        self.url = url

    submit: Callable[[], str]
    upload: Callable[[Path], str]
    status: Callable[[str], str]
    result: Callable[[str], bytes]
    download: Callable[[str, Path], None]

    def statuses(self, job_id: str, times: int) -> str:
        """Check the status ``times`` times, and return the last one."""
        for _ in range(times - 1):
            self.status(job_id)
        return self.status(job_id)

    def job(self) -> bytes:
        """Submit a job, wait for it, and return the video."""
        job_id = self.submit()
        for pause in pauses():
            time.sleep(pause)
            if self.status(job_id) == "completed":
                return self.result(job_id)
        raise AssertionError("the pauses never end")

    def jobs(self, many: int) -> list[bytes]:
        """Run ``many`` jobs concurrently, each in its own thread."""
        done: list[bytes] = []
        threads = [threading.Thread(target=lambda: done.append(self.job())) for _ in range(many)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return done


class Decart(Peer):
    """This SDK with its defaults."""

    options: dict[str, Any] = {}

    def __init__(self, url: str) -> None:
        super().__init__(url)
        from decart import DecartClient, InvalidInputError, PollPolicy, models

        try:
            self.client = DecartClient(KEY, base_url=url, poll=PollPolicy(jitter=0), **self.options)
        except InvalidInputError as error:
            raise NotAvailableError(str(error)) from None
        self.form: Any = {"model": models.video("lucy-pro-t2v"), "prompt": PROMPT}
        self.edit: Any = {"model": models.video("lucy-pro-v2v"), "prompt": PROMPT}

    def submit(self) -> str:
        return self.client.queue.submit(self.form).job_id

    def upload(self, path: Path) -> str:
        return self.client.queue.submit({**self.edit, "data": path}).job_id

    def status(self, job_id: str) -> str:
        return self.client.queue.status(job_id).status

    def result(self, job_id: str) -> bytes:
        data = self.client.queue.result(job_id).data
        assert data is not None
        return data

    def download(self, job_id: str, path: Path) -> None:
        if not hasattr(self.client.queue, "download"):
            raise NotAvailableError("this decart has no queue.download")
        self.client.queue.download(job_id, path)

    def job(self) -> bytes:
        data = self.client.queue.submit_and_poll(self.form).data
        assert data is not None
        return data


class DecartUrllib3(Decart):
    """This SDK over urllib3, without requests."""

    options = {"transport": "urllib3"}


class DecartOpenFile(Decart):
    """This SDK, with uploads from an open file instead of a path."""

    def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            return self.client.queue.submit({**self.edit, "data": file}).job_id


class Requests(Peer):
    """A requests session, with a pool that is large enough to keep all connections."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import requests
        from requests.adapters import HTTPAdapter

        self.requests = requests
        self.session = requests.Session()
        self.session.headers.update(HEADERS)
        self.session.mount("http://", HTTPAdapter(pool_maxsize=1000))

    def submit(self) -> str:
        response = self.session.post(self.url + FORM, files={"prompt": (None, PROMPT)})
        return str(response.json()["job_id"])

    def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            response = self.session.post(self.url + EDIT, data={"prompt": PROMPT}, files={"data": file})
        return str(response.json()["job_id"])

    def status(self, job_id: str) -> str:
        return str(self.session.get(f"{self.url}/v1/jobs/{job_id}").json()["status"])

    def result(self, job_id: str) -> bytes:
        return self.session.get(f"{self.url}/v1/jobs/{job_id}/content").content

    def download(self, job_id: str, path: Path) -> None:
        with self.session.get(f"{self.url}/v1/jobs/{job_id}/content", stream=True) as response:
            to_disk(response.iter_content(PIECE), path)


class Urllib3(Peer):
    """A urllib3 pool manager."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import urllib3

        self.pool = urllib3.PoolManager(headers=HEADERS, maxsize=1000)

    def submit(self) -> str:
        response = self.pool.request("POST", self.url + FORM, fields={"prompt": PROMPT})
        return str(response.json()["job_id"])

    def upload(self, path: Path) -> str:
        headers = {**HEADERS, **framing(path)}
        response = self.pool.request("POST", self.url + EDIT, body=framed(path), headers=headers)
        return str(response.json()["job_id"])

    def status(self, job_id: str) -> str:
        return str(self.pool.request("GET", f"{self.url}/v1/jobs/{job_id}").json()["status"])

    def result(self, job_id: str) -> bytes:
        return self.pool.request("GET", f"{self.url}/v1/jobs/{job_id}/content").data

    def download(self, job_id: str, path: Path) -> None:
        response = self.pool.request("GET", f"{self.url}/v1/jobs/{job_id}/content", preload_content=False)
        to_disk(response.stream(PIECE), path)
        response.release_conn()


class HttpClient(Peer):
    """One connection of the standard library's http.client."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        self.connection.request(method, path, body, {**HEADERS, **headers})
        return self.connection.getresponse()

    def submit(self) -> str:
        body = f'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n{PROMPT}\r\n--x--\r\n'
        response = self.ask("POST", FORM, body.encode(), **{"Content-Type": "multipart/form-data; boundary=x"})
        return str(json.loads(response.read())["job_id"])

    def upload(self, path: Path) -> str:
        return str(json.loads(self.ask("POST", EDIT, framed(path), **framing(path)).read())["job_id"])

    def status(self, job_id: str) -> str:
        return str(json.loads(self.ask("GET", f"/v1/jobs/{job_id}").read())["status"])

    def result(self, job_id: str) -> bytes:
        return self.ask("GET", f"/v1/jobs/{job_id}/content").read()

    def download(self, job_id: str, path: Path) -> None:
        response = self.ask("GET", f"/v1/jobs/{job_id}/content")
        to_disk(iter(lambda: response.read(PIECE), b""), path)


def framed(path: Path) -> Iterator[bytes]:
    """Yield a form with a prompt and a file, for libraries that cannot stream one themselves."""
    yield HEAD
    with path.open("rb", buffering=0) as file:
        yield from blocks(file)  # type: ignore[arg-type]
    yield END


def framing(path: Path) -> dict[str, str]:
    """Return the headers for ``framed``."""
    length = len(HEAD) + path.stat().st_size + len(END)
    return {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(length)}


class AsyncPeer(Peer):
    """An adapter for an async library: each operation runs an event loop until it is done."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.loop = asyncio.new_event_loop()
        self.wait(self.open())

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    async def open(self) -> None:
        """Create the client inside the running loop."""

    async def close(self) -> None:
        """Close the client."""

    async def asubmit(self) -> str:
        raise NotImplementedError

    async def aupload(self, path: Path) -> str:
        raise NotImplementedError

    async def astatus(self, job_id: str) -> str:
        raise NotImplementedError

    async def aresult(self, job_id: str) -> bytes:
        raise NotImplementedError

    def upload(self, path: Path) -> str:
        return str(self.wait(self.aupload(path)))

    def result(self, job_id: str) -> bytes:
        data: bytes = self.wait(self.aresult(job_id))
        return data

    def statuses(self, job_id: str, times: int) -> str:
        async def ask() -> str:
            for _ in range(times - 1):
                await self.astatus(job_id)
            return await self.astatus(job_id)

        return str(self.wait(ask()))

    async def ajob(self) -> bytes:
        """Submit a job, wait for it, and return the video."""
        job_id = await self.asubmit()
        for pause in pauses():
            await asyncio.sleep(pause)
            if await self.astatus(job_id) == "completed":
                return await self.aresult(job_id)
        raise AssertionError("the pauses never end")

    def jobs(self, many: int) -> list[bytes]:
        """Run ``many`` jobs concurrently."""

        async def gather() -> list[bytes]:
            return await asyncio.gather(*(self.ajob() for _ in range(many)))

        done: list[bytes] = self.wait(gather())
        return done


class Aiohttp(AsyncPeer):
    """An aiohttp session with its defaults: with more than its 100 connections it only gets slower."""

    async def open(self) -> None:
        import aiohttp

        self.aiohttp = aiohttp
        self.session = aiohttp.ClientSession(headers=HEADERS)

    async def close(self) -> None:
        await self.session.close()

    async def _post(self, path: str, **fields: Any) -> str:
        form = self.aiohttp.FormData(default_to_multipart=True)
        for name, value in fields.items():
            form.add_field(name, value)
        async with self.session.post(self.url + path, data=form) as response:
            return str((await response.json())["job_id"])

    async def asubmit(self) -> str:
        return await self._post(FORM, prompt=PROMPT)

    async def aupload(self, path: Path) -> str:
        with path.open("rb") as file:
            return await self._post(EDIT, prompt=PROMPT, data=file)

    async def astatus(self, job_id: str) -> str:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}") as response:
            return str((await response.json())["status"])

    async def aresult(self, job_id: str) -> bytes:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}/content") as response:
            return await response.read()

    async def achunks(self, job_id: str) -> AsyncIterator[bytes]:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}/content") as response:
            async for chunk in response.content.iter_chunked(PIECE):
                yield chunk

    def download(self, job_id: str, path: Path) -> None:
        async def save() -> None:
            with path.open("wb") as file:
                async for chunk in self.achunks(job_id):
                    file.write(chunk)
                sync(file)

        self.wait(save())


class DecartAiohttp(AsyncPeer):
    """The async client of this SDK, over aiohttp."""

    async def open(self) -> None:
        from decart import AiohttpTransport, AsyncDecartClient, PollPolicy, models

        self.client = AsyncDecartClient(KEY, base_url=self.url, transport=AiohttpTransport(), poll=PollPolicy(jitter=0))
        self.form: Any = {"model": models.video("lucy-pro-t2v"), "prompt": PROMPT}
        self.edit: Any = {"model": models.video("lucy-pro-v2v"), "prompt": PROMPT}

    async def close(self) -> None:
        await self.client.close()

    async def asubmit(self) -> str:
        return (await self.client.queue.submit(self.form)).job_id

    async def aupload(self, path: Path) -> str:
        return (await self.client.queue.submit({**self.edit, "data": path})).job_id

    async def astatus(self, job_id: str) -> str:
        return (await self.client.queue.status(job_id)).status

    async def aresult(self, job_id: str) -> bytes:
        data = (await self.client.queue.result(job_id)).data
        assert data is not None
        return data

    async def ajob(self) -> bytes:
        data = (await self.client.queue.submit_and_poll(self.form)).data
        assert data is not None
        return data


class PublicSDK(AsyncPeer):
    """The service's own async SDK. Its polling intervals differ, so the adapter polls its jobs itself."""

    async def open(self) -> None:
        from decart import DecartClient, models
        from decart.models import ModelDefinition

        self.client: Any = DecartClient(api_key=KEY, base_url=self.url)
        self.edit: Any = {"model": models.video("lucy-latest"), "prompt": PROMPT}
        model = ModelDefinition(name="lucy-pro-t2v", url_path=FORM, fps=25, width=1280, height=704)
        self.form: Any = {"model": model, "prompt": PROMPT}

    async def close(self) -> None:
        await self.client.close()

    async def asubmit(self) -> str:
        return str((await self.client.queue.submit(self.form)).job_id)

    async def aupload(self, path: Path) -> str:
        return str((await self.client.queue.submit({**self.edit, "data": path})).job_id)

    async def astatus(self, job_id: str) -> str:
        return str((await self.client.queue.status(job_id)).status)

    async def aresult(self, job_id: str) -> bytes:
        data: bytes = await self.client.queue.result(job_id)
        return data


PUBLIC = "public SDK"
PEERS: dict[str, type[Peer]] = {
    "decart": Decart,
    "decart + urllib3": DecartUrllib3,
    "decart (open file)": DecartOpenFile,
    "decart + aiohttp": DecartAiohttp,
    "requests": Requests,
    "urllib3": Urllib3,
    "aiohttp": Aiohttp,
    "http.client": HttpClient,
    PUBLIC: PublicSDK,
}


def make(name: str, url: str) -> Peer:
    """Create the adapter with this name; those of decart use this checkout.

    Raises:
        NotAvailableError: Its library is not installed, or lacks a feature that it needs.
    """
    if name != PUBLIC:  # whose package is also called decart
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        return PEERS[name](url)
    except ImportError as error:
        if str(error.name).startswith("decart"):
            raise  # decart is installed, but broken
        raise NotAvailableError(str(error)) from None
