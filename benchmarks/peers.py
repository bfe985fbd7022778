"""Each way of talking to the service as a small adapter: decart, and what its users would write instead of it.

Every adapter does the same few things as its library's manual shows them, streaming where it can: ``submit`` a form,
``upload`` a file, ask the ``status``, take a ``result`` into memory or ``download`` it into a file. One that lacks
something leaves it out. Whoever writes a file ends with ``fsync``, as decart does: all of them wait for the disk.

``PEERS`` is the list of them by name. The libraries are imported when an adapter is made, and then only its own.
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

MIB = 1024 * 1024  # of a file that is read
PIECE = 256 * 1024  # of an answer that is written; larger ones are slower for some of them, and quicker for none
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
    """This peer cannot do that here; the message says why."""


def pauses() -> Iterator[float]:
    """Give the seconds between the looks of a wait: those of the default PollPolicy without its jitter."""
    pause = 0.5
    while True:
        yield min(pause, 2.0)
        pause *= 1.5


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Read a file in blocks of 1 MiB."""
    return iter(lambda: file.read(MIB), b"")


def to_disk(chunks: Iterable[bytes], path: Path) -> None:
    """Write a file, and wait until it is on the disk."""
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
        settle(file)


def settle(file: BinaryIO) -> None:
    """Wait until what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


class Peer:
    """What all adapters share: the questions that are made of other questions."""

    def __init__(self, url: str) -> None:
        self.url = url

    submit: Callable[[], str]
    upload: Callable[[Path], str]
    status: Callable[[str], str]
    result: Callable[[str], bytes]
    download: Callable[[str, Path], None]

    def statuses(self, job_id: str, times: int) -> str:
        """Ask for the status so many times, and return the last one."""
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
        """Do so many jobs at the same time, each in a thread of its own."""
        done: list[bytes] = []
        threads = [threading.Thread(target=lambda: done.append(self.job())) for _ in range(many)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return done


class Decart(Peer):
    """This SDK as it comes."""

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
    """The same over urllib3, without requests."""

    options = {"transport": "urllib3"}


class DecartOpenFile(Decart):
    """The same, given an open file where it could have a path."""

    def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            return self.client.queue.submit({**self.edit, "data": file}).job_id


class Requests(Peer):
    """A session of requests; its pool has room for every thread, so that it keeps all its connections."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import requests
        from requests.adapters import HTTPAdapter

        self.requests = requests
        self.session = requests.Session()
        self.session.headers.update(HEADERS)
        self.session.mount("http://", HTTPAdapter(pool_maxsize=1000))

    def submit(self) -> str:
        answer = self.session.post(self.url + FORM, files={"prompt": (None, PROMPT)})
        return str(answer.json()["job_id"])

    def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            answer = self.session.post(self.url + EDIT, data={"prompt": PROMPT}, files={"data": file})
        return str(answer.json()["job_id"])

    def status(self, job_id: str) -> str:
        return str(self.session.get(f"{self.url}/v1/jobs/{job_id}").json()["status"])

    def result(self, job_id: str) -> bytes:
        return self.session.get(f"{self.url}/v1/jobs/{job_id}/content").content

    def download(self, job_id: str, path: Path) -> None:
        with self.session.get(f"{self.url}/v1/jobs/{job_id}/content", stream=True) as answer:
            to_disk(answer.iter_content(PIECE), path)


class Urllib3(Peer):
    """A pool of urllib3."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        import urllib3

        self.pool = urllib3.PoolManager(headers=HEADERS, maxsize=1000)

    def submit(self) -> str:
        answer = self.pool.request("POST", self.url + FORM, fields={"prompt": PROMPT})
        return str(answer.json()["job_id"])

    def upload(self, path: Path) -> str:
        headers = {**HEADERS, **framing(path)}
        answer = self.pool.request("POST", self.url + EDIT, body=framed(path), headers=headers)
        return str(answer.json()["job_id"])

    def status(self, job_id: str) -> str:
        return str(self.pool.request("GET", f"{self.url}/v1/jobs/{job_id}").json()["status"])

    def result(self, job_id: str) -> bytes:
        return self.pool.request("GET", f"{self.url}/v1/jobs/{job_id}/content").data

    def download(self, job_id: str, path: Path) -> None:
        answer = self.pool.request("GET", f"{self.url}/v1/jobs/{job_id}/content", preload_content=False)
        to_disk(answer.stream(PIECE), path)
        answer.release_conn()


class HttpClient(Peer):
    """One connection of Python's own http.client."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        self.connection.request(method, path, body, {**HEADERS, **headers})
        return self.connection.getresponse()

    def submit(self) -> str:
        body = f'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n{PROMPT}\r\n--x--\r\n'
        answer = self.ask("POST", FORM, body.encode(), **{"Content-Type": "multipart/form-data; boundary=x"})
        return str(json.loads(answer.read())["job_id"])

    def upload(self, path: Path) -> str:
        return str(json.loads(self.ask("POST", EDIT, framed(path), **framing(path)).read())["job_id"])

    def status(self, job_id: str) -> str:
        return str(json.loads(self.ask("GET", f"/v1/jobs/{job_id}").read())["status"])

    def result(self, job_id: str) -> bytes:
        return self.ask("GET", f"/v1/jobs/{job_id}/content").read()

    def download(self, job_id: str, path: Path) -> None:
        answer = self.ask("GET", f"/v1/jobs/{job_id}/content")
        to_disk(iter(lambda: answer.read(PIECE), b""), path)


def framed(path: Path) -> Iterator[bytes]:
    """Give a form with a prompt and a file, for the libraries that do not make one that streams."""
    yield HEAD
    with path.open("rb", buffering=0) as file:
        yield from blocks(file)  # type: ignore[arg-type]
    yield END


def framing(path: Path) -> dict[str, str]:
    """Return the headers that go with it."""
    length = len(HEAD) + path.stat().st_size + len(END)
    return {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(length)}


class AsyncPeer(Peer):
    """An adapter over an event loop: it awaits what is asked of it, and many calls in one go of the loop."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.loop = asyncio.new_event_loop()
        self.wait(self.open())

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    async def open(self) -> None:
        """Make the client, where a loop is running."""

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
        """Do so many jobs at the same time."""

        async def gather() -> list[bytes]:
            return await asyncio.gather(*(self.ajob() for _ in range(many)))

        done: list[bytes] = self.wait(gather())
        return done


class Aiohttp(AsyncPeer):
    """A session of aiohttp as it comes: with more than its 100 connections it only gets slower."""

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
        async with self.session.post(self.url + path, data=form) as answer:
            return str((await answer.json())["job_id"])

    async def asubmit(self) -> str:
        return await self._post(FORM, prompt=PROMPT)

    async def aupload(self, path: Path) -> str:
        with path.open("rb") as file:
            return await self._post(EDIT, prompt=PROMPT, data=file)

    async def astatus(self, job_id: str) -> str:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}") as answer:
            return str((await answer.json())["status"])

    async def aresult(self, job_id: str) -> bytes:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}/content") as answer:
            return await answer.read()

    async def achunks(self, job_id: str) -> AsyncIterator[bytes]:
        async with self.session.get(f"{self.url}/v1/jobs/{job_id}/content") as answer:
            async for chunk in answer.content.iter_chunked(PIECE):
                yield chunk

    def download(self, job_id: str, path: Path) -> None:
        async def save() -> None:
            with path.open("wb") as file:
                async for chunk in self.achunks(job_id):
                    file.write(chunk)
                settle(file)

        self.wait(save())


class DecartAiohttp(AsyncPeer):
    """This SDK awaited, over aiohttp."""

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
    """The service's own async SDK. It polls at moments of its own, so its jobs are waited for by hand."""

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
    """Make the adapter of this name, over this checkout of decart.

    Raises:
        NotAvailableError: Its library is not installed, or not made for this.
    """
    if name != PUBLIC:  # which is called decart, too
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        return PEERS[name](url)
    except ImportError as error:
        if str(error.name).startswith("decart"):
            raise  # it is here and broken, which is something else
        raise NotAvailableError(str(error)) from None
