"""`decart.aio`: the documented page as it is printed, and what only an event loop can show."""

from __future__ import annotations

import ast
import asyncio
import io
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import uvloop
from fakes import KEY, LAKE, MP4, FakeTransport, accepted, always, client_of, status, video
from servers import answering, http, serving
from studio import Studio

from decart import (
    AiohttpTransport,
    AsyncDecartClient,
    ClientClosedError,
    DecartClient,
    InvalidInputError,
    JobFailedError,
    JobStatusResponse,
    PollPolicy,
    QueueJobResult,
    QueueSubmitError,
    RetryPolicy,
    ThreadedTransport,
    WaitCancelledError,
    models,
)
from decart.emulator import Emulator, EmulatorServer, EmulatorTransport, VirtualEmulator
from decart.transports.base import HttpRequest, HttpResponse, SystemClock, Timeout

POLL = PollPolicy(jitter=0)


def async_client_of(transport: FakeTransport, **settings: Any) -> AsyncDecartClient:
    return AsyncDecartClient(KEY, transport=transport, **{"poll": POLL, **settings})


# the page, as it is printed

COMPLETE_EXAMPLE = """
import asyncio
from decart import DecartClient, models

async def generate_video():
    async with DecartClient(api_key="your-api-key") as client:
        print("Submitting video generation job...")

        result = await client.queue.submit_and_poll({
            "model": models.video("lucy-pro-t2v"),
            "prompt": "A futuristic cityscape with flying cars",
            "resolution": "720p",
            "on_status_change": lambda job: print(f"  Status: {job.status}"),
        })

        if result.status == "completed":
            with open("cityscape.mp4", "wb") as f:
                f.write(result.data)
            print("Video saved to cityscape.mp4")
        else:
            print(f"Generation failed: {result.error}")

asyncio.run(generate_video())
"""

SNIPPETS = {
    "submit, status and result": """
job = await client.queue.submit({
    "model": models.video("lucy-pro-t2v"),
    "prompt": "A serene lake at sunset with mountains in the background",
    "resolution": "720p",
})

print(f"Job ID: {job.job_id}")
print(f"Status: {job.status}")  # "pending"

status = await client.queue.status(job.job_id)

print(f"Status: {status.status}")  # "pending", "processing", "completed", or "failed"

if status.status == "completed":
    result = await client.queue.result(job.job_id)

    if result.status == "completed":
        with open("output.mp4", "wb") as f:
            f.write(result.data)
    else:
        print(f"Error: {result.error}")
""",
    "submit and poll": """
result = await client.queue.submit_and_poll({
    "model": models.video("lucy-pro-t2v"),
    "prompt": "A serene lake at sunset with mountains in the background",
    "resolution": "720p",
    "on_status_change": lambda job: print(f"Status: {job.status}"),
})

if result.status == "completed":
    with open("output.mp4", "wb") as f:
        f.write(result.data)
else:
    print(f"Generation failed: {result.error}")
""",
    "image animation": """
with open("image.jpg", "rb") as image_file:
    result = await client.queue.submit_and_poll({
        "model": models.video("lucy-pro-i2v"),
        "prompt": "Animate with gentle motion and wind",
        "data": image_file,
        "resolution": "720p",
        "on_status_change": lambda job: print(f"Status: {job.status}"),
    })
""",
    "video editing": """
with open("input.mp4", "rb") as video_file:
    result = await client.queue.submit_and_poll({
        "model": models.video("lucy-pro-v2v"),
        "prompt": "Convert to anime style with vibrant colors",
        "data": video_file,
        "on_status_change": lambda job: print(f"Status: {job.status}"),
    })
""",
    "manual polling": """
import asyncio

# Submit job
job = await client.queue.submit({
    "model": models.video("lucy-pro-t2v"),
    "prompt": "A serene lake at sunset",
})

print(f"Job submitted: {job.job_id}")

# Manual polling loop
while True:
    status = await client.queue.status(job.job_id)
    print(f"Status: {status.status}")

    if status.status == "completed":
        result = await client.queue.result(job.job_id)
        with open("output.mp4", "wb") as f:
            f.write(result.data)
        print("Video saved!")
        break
    elif status.status == "failed":
        print("Generation failed")
        break

    # Wait before next poll
    await asyncio.sleep(2)
""",
    "error handling": """
from decart import (
    DecartClient,
    QueueSubmitError,
    QueueStatusError,
    QueueResultError,
    DecartSDKError,
)

try:
    result = await client.queue.submit_and_poll({
        "model": models.video("lucy-pro-t2v"),
        "prompt": "A beautiful sunset",
    })
except QueueSubmitError as error:
    print(f"Failed to submit job: {error.message}")
except QueueStatusError as error:
    print(f"Failed to check status: {error.message}")
except QueueResultError as error:
    print(f"Failed to get result: {error.message}")
except DecartSDKError as error:
    print(f"SDK error: {error.message}")
""",
}


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A box that the environment points to, and a folder with the page's input files."""
    (tmp_path / "image.jpg").write_bytes(b"picture")
    (tmp_path / "input.mp4").write_bytes(b"video")
    monkeypatch.chdir(tmp_path)
    emulator = Emulator(pending=0, processing=0.6, renderer=Studio(), api_keys={"your-api-key"})
    with emulator, EmulatorServer(emulator) as server:
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        yield server.url


def test_the_complete_example_of_the_page_runs_as_printed(box: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(COMPLETE_EXAMPLE, "page", "exec"), {})
    assert capsys.readouterr().out == (
        "Submitting video generation job...\n"
        "  Status: pending\n"
        "  Status: processing\n"
        "  Status: completed\n"
        "Video saved to cityscape.mp4\n"
    )
    assert Path("cityscape.mp4").read_bytes() == b"video of A futuristic cityscape with flying cars"


@pytest.mark.filterwarnings("ignore:The model name 'lucy-pro-v2v' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("transport", [None, AiohttpTransport])
@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_of_the_page_runs_as_printed(
    name: str, transport: Any, box: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SNIPPETS[name].replace("sleep(2)", "sleep(0.1)")
    code = compile(text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def page() -> dict[str, Any]:
        async with DecartClient(api_key="your-api-key", transport=transport and transport()) as client:
            names: dict[str, Any] = {"client": client, "models": models}
            await eval(code, names)
            return names

    names = asyncio.run(page())
    if "result" in names:
        assert names["result"].data.startswith(b"video of ")
    if "open(" in text and "_file" not in text and "result" in names:
        assert Path("output.mp4").read_bytes() == names["result"].data
    assert "rror" not in capsys.readouterr().out


# the three ways to an async client


def test_async_with_gives_the_async_client_and_closes_it() -> None:
    async def main() -> AsyncDecartClient:
        async with client_of(FakeTransport(status("pending"))) as client:
            assert type(client) is AsyncDecartClient
            assert (await client.queue.status("j1")).status == "pending"
        return client

    client = asyncio.run(main())
    with pytest.raises(ClientClosedError, match="This client is closed"):
        asyncio.run(client.queue.status("j1"))


@pytest.mark.parametrize("transport", [None, AiohttpTransport])
def test_one_client_serves_one_loop_after_another(transport: Any, box: str) -> None:
    client = DecartClient(api_key="your-api-key", transport=transport and transport())

    async def entered() -> str:
        async with client as opened:
            return (await opened.queue.submit(LAKE)).status

    async def beside() -> str:
        return (await client.aio.queue.submit(LAKE)).status

    assert [asyncio.run(main()) for main in (entered, beside, beside, entered, beside)] == ["pending"] * 5
    asyncio.run(client.aio.close())
    client.close()


def test_the_async_side_has_the_settings_and_the_transport_of_its_client() -> None:
    transport = FakeTransport(status("pending"))
    client = client_of(transport, base_url="https://api.test", timeout=7, integration="my-app/1.0", poll=POLL)
    asyncio.run(client.aio.queue.status("j1"))
    sent = transport.requests[0]
    assert (sent.url, sent.timeout) == ("https://api.test/v1/jobs/j1", Timeout(read=7))
    assert sent.headers["X-API-KEY"] == KEY
    assert sent.headers["User-Agent"].endswith(" my-app/1.0")
    assert client.aio is client.aio
    assert client.aio._core.poll is POLL


def test_blocks_that_overlap_share_one_async_client_and_the_last_one_closes_it() -> None:
    transport = FakeTransport(always(lambda: status("pending")))
    client = client_of(transport)

    async def main() -> None:
        async with client as outer:
            async with client as inner:
                assert inner is outer
            await outer.queue.status("j1")
            assert transport.closes == 0
        assert transport.closes == 1
        async with client as again:
            await again.queue.status("j1")

    asyncio.run(main())
    assert client.queue.status("j1").status == "pending"


def test_closing_either_side() -> None:
    transport = FakeTransport(always(lambda: status("pending")))
    client = client_of(transport)
    first = client.aio
    asyncio.run(first.close())
    asyncio.run(first.close())
    assert transport.closes == 1
    assert client.aio is not first
    second = client.aio
    client.close()
    for closed in (first, second, client.aio):
        with pytest.raises(ClientClosedError):
            asyncio.run(closed.queue.status("j1"))
    assert transport.requests == []


def test_closing_a_sync_client_lets_the_threads_of_its_async_side_go(box: str) -> None:
    before = set(threading.enumerate())
    with DecartClient(api_key="your-api-key") as client:
        asyncio.run(client.aio.queue.submit(LAKE))
        ours = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("decart_")]
        assert ours
    for thread in ours:
        thread.join(5)
        assert not thread.is_alive()


def test_the_key_is_in_no_repr_and_a_client_is_not_pickled() -> None:
    client = async_client_of(FakeTransport())
    assert repr(client) == "AsyncDecartClient(base_url='https://api.decart.ai')"
    for thing in (client, client.queue, client._core):
        assert KEY not in repr(thing)
    with pytest.raises(TypeError, match="AsyncDecartClient holds a key .* make one in each process"):
        client.__reduce__()


def test_the_arguments_are_checked_as_for_the_sync_client() -> None:
    for argument, value in [("transport", object()), ("retry", 3), ("poll", None), ("timeout", "x")]:
        with pytest.raises(InvalidInputError, match=f"^{argument}"):
            AsyncDecartClient(KEY, **{argument: value})  # type: ignore[arg-type]


def test_a_sync_call_over_an_async_transport_says_what_to_write_and_sends_nothing(box: str) -> None:
    with (
        DecartClient(api_key="your-api-key", transport=AiohttpTransport()) as client,
        pytest.raises(InvalidInputError, match="async transport, and nothing was sent: write `async with"),
    ):
        client.queue.submit(LAKE)


def test_a_sync_call_that_is_awaited_by_mistake_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(FakeTransport(accepted(), status("completed"), status("completed"), video()))

    async def main() -> Any:
        queue: Any = client.queue
        job = await queue.submit(LAKE)
        return (await queue.status(job.job_id)).status, (await queue.result(job.job_id)).data

    assert asyncio.run(main()) == ("completed", MP4)
    assert caplog.messages == 3 * [caplog.messages[0]]
    assert "it blocked the event loop until it was done. Write `async with DecartClient" in caplog.messages[0]


# callbacks


def callbacks(told: list[str]) -> dict[str, Callable[[JobStatusResponse], object]]:
    async def coroutine_function(job: JobStatusResponse) -> None:
        await asyncio.sleep(0)
        told.append(job.status)

    class Callable_:
        async def __call__(self, job: JobStatusResponse) -> None:
            await coroutine_function(job)

    return {
        "a plain function": lambda job: told.append(job.status),
        "a coroutine function": coroutine_function,
        "a lambda that gives a coroutine": lambda job: coroutine_function(job),
        "an object": Callable_(),
    }


@pytest.mark.parametrize("kind", callbacks([]))
def test_a_callback_may_be_awaited(kind: str) -> None:
    told: list[str] = []
    client = async_client_of(FakeTransport(accepted(), status("processing"), status("completed"), video()))
    result = asyncio.run(client.queue.submit_and_poll(LAKE, on_status_change=callbacks(told)[kind]))
    assert (result.data, told) == (MP4, ["pending", "processing", "completed"])


def test_a_coroutine_callback_that_fails_ends_the_wait_and_not_the_job(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(job: JobStatusResponse) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(async_client_of(FakeTransport(accepted())).queue.submit_and_poll(LAKE, on_status_change=fail))
    assert "Resume with client.queue.poll('j1')" in caplog.text


# cancelling


class Door(FakeTransport):
    """A transport in which a call waits for ever, from the n-th on."""

    def __init__(self, *script: Any, shut_from: int) -> None:
        super().__init__(*script)
        self.shut_from = shut_from
        self.reached = asyncio.Event()

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> Any:
        if len(self.requests) + 1 == self.shut_from:
            self.reached.set()
            await asyncio.Event().wait()
        return await super().asend(request, timeout=timeout)


def cancelled_at(call: int) -> tuple[Any, list[Any]]:
    """Cancel a submit_and_poll in its n-th exchange; give the exception and the tasks that are left."""

    async def main() -> tuple[Any, list[Any]]:
        door = Door(accepted(), status("processing"), status("completed"), video(), shut_from=call)
        task = asyncio.ensure_future(async_client_of(door).queue.submit_and_poll(LAKE))
        await door.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value, [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]

    return asyncio.run(main())


@pytest.mark.parametrize("call", [2, 3, 4])
def test_cancelling_the_task_ends_the_wait_at_once_and_the_job_can_be_found_again(
    call: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "decart")
    error, tasks = cancelled_at(call)
    assert tasks == []
    assert caplog.messages[0] == "job j1 was submitted, and is pending"
    advice = "The wait for job j1 ended; the job goes on. Resume with client.queue.poll('j1')."
    if call == 4:  # the download
        advice = (
            "The download of job j1 ended early; the job is done. Fetch its video with "
            "client.queue.download('j1', path)."
        )
    assert advice in caplog.messages
    assert error.__notes__ == [advice]
    assert client_of(FakeTransport(status("completed"), video())).queue.poll("j1").data == MP4


def test_cancelling_the_submit_says_that_it_may_have_been_accepted(caplog: pytest.LogCaptureFixture) -> None:
    _, tasks = cancelled_at(1)
    assert tasks == []
    assert "The job may have been accepted, and you may have been charged" in caplog.text


def test_wait_for_ends_a_wait_with_its_own_error() -> None:
    async def main() -> None:
        door = Door(accepted(), shut_from=2)
        await asyncio.wait_for(async_client_of(door).queue.submit_and_poll(LAKE), 0.05)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())


@pytest.mark.parametrize("kind", [asyncio.Event, threading.Event])
def test_an_event_ends_a_wait(kind: type, box: str) -> None:
    async def main() -> None:
        event = kind()
        async with AsyncDecartClient(api_key="your-api-key", transport=AiohttpTransport()) as client:
            wait = asyncio.ensure_future(
                client.queue.submit_and_poll(LAKE, cancel=event, policy=PollPolicy(interval=60, max_interval=60))
            )
            while not client.queue._core.transport._states:  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            event.set()
            with pytest.raises(WaitCancelledError):
                await asyncio.wait_for(wait, 5)

    asyncio.run(main())


# threads and loops


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
        waits = [asyncio.ensure_future(client.queue.poll("j1", policy=slow)) for _ in range(100)]
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
def test_it_works_under_uvloop(transport: Any, box: str) -> None:
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


def run(program: str, *options: str) -> tuple[str, str]:
    ended = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120
    )
    return ended.stdout, ended.stderr


def test_the_aiohttp_path_blocks_the_loop_for_less_than_50_ms(box: str, tmp_path: Path) -> None:
    """The debug mode of asyncio writes a line for each call that blocks for longer than it should."""
    with (tmp_path / "large.mp4").open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    program = """
        import asyncio, logging, pathlib
        from decart import AiohttpTransport, AsyncDecartClient, models

        logging.basicConfig(format="%(name)s: %(message)s")

        async def main():
            asyncio.get_running_loop().slow_callback_duration = 0.05
            async with AsyncDecartClient(api_key="your-api-key", transport=AiohttpTransport()) as client:
                result = await client.queue.submit_and_poll({
                    "model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": pathlib.Path("large.mp4"),
                })
                await result.asave("out.mp4")
            print(result.status)

        asyncio.run(main(), debug=True)
        """
    runs = (run(program) for _ in range(5))  # a busy machine may stop any call for so long, but not the same one always
    assert ("completed\n", "") in runs
    assert (tmp_path / "out.mp4").read_bytes() == b"video of wind"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("ended_before", [[], ["yes"]], ids=["a loop goes on", "a loop has ended"])
def test_a_forked_child_has_a_session_of_its_own_and_leaves_the_parents_alone(ended_before: list[str]) -> None:
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
            "decart.errors.MissingExtraError: This needs the extra 'async', whose packages are not all installed "
            "(aiohttp missing): pip install 'decart[async]'"
        )


def test_an_aiohttp_that_cannot_be_imported_says_why_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        "print((await client.queue.submit(options)).status)",
    ]
    manager, kernel = start_new_kernel()
    try:
        for cell in CELLS:
            kernel.execute_interactive(cell, timeout=60, allow_stdin=False, stop_on_error=True)
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    """


def test_it_works_in_the_running_loop_of_a_notebook(box: str) -> None:
    out, error = run(NOTEBOOK)
    assert out.splitlines() == ["completed", "b'video of A lake'", "b'video of A lake'", "completed", "pending"]
    assert "Traceback" not in error


# results


class Noted(os.PathLike[str]):
    """A path that takes note of the threads that want to know it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.threads: set[threading.Thread] = set()

    def __fspath__(self) -> str:
        self.threads.add(threading.current_thread())
        return str(self._path)


class NotedFile(io.BytesIO):
    """A file that takes note of the threads that read it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.threads: set[threading.Thread] = set()

    def read(self, size: int | None = -1) -> bytes:
        self.threads.add(threading.current_thread())
        return super().read(size)


@pytest.mark.parametrize("transport", [None, AiohttpTransport])
def test_files_are_opened_and_read_in_threads(transport: Any, box: str) -> None:
    file = NotedFile(bytes(1_000_000))

    async def main() -> None:
        async with DecartClient(api_key="your-api-key", transport=transport and transport()) as client:
            await client.queue.submit({"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": file})

    asyncio.run(main())
    assert file.threads
    assert threading.current_thread() not in file.threads


def test_a_result_is_saved_in_a_thread(tmp_path: Path) -> None:
    result = QueueJobResult(job_id="j1", status="completed", data=MP4)
    path = Noted(tmp_path / "lake.mp4")
    assert asyncio.run(result.asave(path)).read_bytes() == MP4
    assert path.threads
    assert threading.current_thread() not in path.threads
    with pytest.raises(JobFailedError, match="no luck"):
        asyncio.run(attrs.evolve(result, status="failed", error="no luck").asave(tmp_path / "no.mp4"))


def test_the_box_in_process_serves_the_async_client_on_its_own_clock() -> None:
    transport = EmulatorTransport(VirtualEmulator(renderer=Studio()))

    async def main() -> QueueJobResult:
        async with AsyncDecartClient(KEY, transport=transport) as client:
            return await client.queue.poll((await client.queue.submit(LAKE)).job_id, policy=PollPolicy(timeout=0))

    assert asyncio.run(main()).timed_out
