"""The async client in threads, event loops, forked children and notebooks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
import uvloop
from support.awaited import run
from support.fakes import KEY, LAKE, status
from support.servers import answering, http, serving

from decart import (
    AiohttpTransport,
    AsyncDecartClient,
    DecartClient,
    PollPolicy,
    QueueJobResult,
    QueueSubmitError,
    RetryPolicy,
    ThreadedTransport,
    models,
)
from decart.transports.base import HttpRequest, HttpResponse, SystemClock, Timeout


class Quick(SystemClock):
    """A sync transport whose jobs never end."""

    def __init__(self) -> None:
        self.looks = 0

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self.looks += 1
        return status("processing")

    def close(self) -> None: ...


def test_a_hundred_waiting_jobs_hold_no_thread_of_the_loop_and_few_of_ours() -> None:
    async def main() -> None:
        transport = Quick()
        client = AsyncDecartClient(KEY, transport=ThreadedTransport(transport, threads=4))
        slow = PollPolicy(interval=60, max_interval=60)
        waits = [asyncio.ensure_future(client.queue.poll("j1", poll=slow)) for _ in range(100)]
        while transport.looks < 100:
            await asyncio.sleep(0.01)
        names = [thread.name for thread in threading.enumerate()]
        assert sum(name.startswith("decart_") for name in names) <= 4
        assert not any(name.startswith("asyncio_") for name in names)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await client.close()
        assert not any(thread.name.startswith("decart_") for thread in threading.enumerate())

    asyncio.run(main())


@pytest.mark.parametrize("transport", [None, AiohttpTransport])
def test_it_works_under_uvloop(transport: Any, emulator: str) -> None:
    async def main() -> QueueJobResult:
        async with DecartClient(api_key="your-api-key", transport=transport and transport()) as client:
            return await client.queue.submit_and_poll({**LAKE, "model": models.video("lucy-pro-t2v")})

    loop = uvloop.new_event_loop()
    try:
        result = loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
    assert result.data == b"video of " + LAKE["prompt"].encode()


OPENED = """
    import asyncio, pathlib, sys, threading
    from decart import AiohttpTransport, AsyncDecartClient, models

    loops, opened = threading.current_thread(), set()

    def note(event, arguments):
        if event in ("open", "os.rename", "os.remove") and ".mp4" in str(arguments[0]):
            opened.add((event, threading.current_thread() is loops))

    async def main():
        async with AsyncDecartClient(api_key="your-api-key", transport=AiohttpTransport()) as client:
            options = {"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": pathlib.Path("input.mp4")}
            result = await client.queue.submit_and_poll(options)
            await result.asave("saved.mp4")
            await client.queue.download(result.job_id, "downloaded.mp4")

    sys.addaudithook(note)
    asyncio.run(main())
    print(*sorted(opened))
    """


def test_no_file_is_opened_or_renamed_in_the_thread_of_the_loop(emulator: str) -> None:
    printed, errors = run(OPENED)
    assert (errors, "True" in printed) == ("", False)
    assert "('open', False)" in printed and "('os.rename', False)" in printed
    assert Path("saved.mp4").read_bytes() == Path("downloaded.mp4").read_bytes() == b"video of wind"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("ended_before", [[], ["yes"]], ids=["a loop goes on", "a loop has ended"])
def test_a_forked_child_has_its_own_session_and_leaves_the_parents_alone(ended_before: list[str]) -> None:
    program = """
        import asyncio, os, sys
        from decart import AiohttpTransport, Timeout
        from decart.transports.base import HttpRequest

        transport = AiohttpTransport()

        async def number():
            request = HttpRequest(method="GET", url=sys.argv[1], headers={})
            async with await transport.asend(request, timeout=Timeout()) as response:
                return int(await response.aread())

        async def numbers():
            return await number(), await number()

        def fork():
            child = os.fork()
            if child == 0:
                print(len({*asyncio.run(numbers())}), flush=True)  # over one connection
                sys.exit()
            os.waitpid(child, 0)

        if sys.argv[2:]:
            asyncio.run(numbers())
            fork()
        else:
            loop = asyncio.new_event_loop()
            first = loop.run_until_complete(numbers())
            fork()
            assert loop.run_until_complete(numbers()) == first  # over the connection that it had
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
    """
    with serving(answering(lambda request, number: http(200, str(number).encode()))) as server:
        quiet = "ignore:This process:DeprecationWarning"  # there is a thread, which looked the way up and waits
        command = [sys.executable, "-W", quiet, "-c", textwrap.dedent(program), server.url, *ended_before]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ended.stdout, ended.stderr) == ("1\n", "")
    assert len(server.connections) == 2


def test_a_proxy_that_aiohttp_cannot_talk_to_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    client = AsyncDecartClient(
        KEY,
        base_url="http://service.test",
        allow_http=True,
        transport=AiohttpTransport(),
        retry=RetryPolicy(attempts=1),
    )
    with pytest.raises(
        QueueSubmitError,
        match="aiohttp cannot use the SOCKS proxy of the environment; nothing was sent. Use transport='requests'",
    ):
        asyncio.run(client.queue.submit(LAKE))


def test_without_aiohttp_its_transport_says_what_to_install() -> None:
    for line in ("from decart import AiohttpTransport", "import decart.transports.aiohttp"):
        _, error = run(f"import sys; sys.modules['aiohttp'] = None\n{line}")
        assert error.splitlines()[-1] == (
            "decart.errors.MissingExtraError: This feature needs aiohttp, from the extra 'async': "
            "pip install 'decart-queue[async]'"
        )


def test_the_import_error_of_a_broken_aiohttp_is_raised_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aiohttp.py").write_text("raise ImportError('it is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    _, error = run("from decart import AiohttpTransport")
    assert error.splitlines()[-1] == "ImportError: it is broken"


def test_nothing_of_asyncio_or_aiohttp_is_loaded_by_a_program_that_does_not_await() -> None:
    out, error = run("import decart, sys; print(sorted({'asyncio', 'aiohttp', 'uvloop'} & set(sys.modules)))")
    assert (out, error) == ("[]\n", "")


NOTEBOOK = """
    import asyncio, sys
    from jupyter_client.manager import start_new_kernel

    CELLS = [
        "from decart import AiohttpTransport, DecartClient, models",
        "client = DecartClient(api_key='your-api-key')",
        "options = {'model': models.video('lucy-pro-t2v'), 'prompt': 'A lake'}",
        "job = await client.aio.queue.submit(options)",
        "print((await client.aio.queue.poll(job.job_id)).status)",
        "async with client as opened:\\n    print((await opened.queue.submit_and_poll(options)).data)",
        "async with DecartClient(api_key='your-api-key', transport=AiohttpTransport()) as opened:\\n"
        "    print((await opened.queue.submit_and_poll(options)).data)",
        "print(client.queue.submit_and_poll(options).status)",
    ]
    manager, kernel = start_new_kernel()
    try:
        for cell in CELLS:
            kernel.execute_interactive(cell, timeout=60, allow_stdin=False, stop_on_error=True)
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    """


@pytest.mark.slow
def test_it_works_in_the_running_loop_of_a_notebook(emulator: str) -> None:
    out, error = run(NOTEBOOK)
    assert out.splitlines() == ["completed", "b'video of A lake'", "b'video of A lake'", "completed"]
    assert "Traceback" not in error
