"""How much CPU two hundred jobs at the same time cost, beside bare aiohttp making the very same calls.

Run: python benchmarks/concurrent_jobs.py [--jobs 200] [--seconds 5] [--rounds 3]
Needs: pip install '.[async,emulator]'

The service is the emulator's local server, in a process of its own, with a renderer that only copies 200 KiB (to render
on the same two cores would be a benchmark of the renderer). Each contender runs in a fresh process, in another order
each round; five jobs that are not counted come first, so that imports are not measured. Both submit a multipart form,
ask for the status at the same moments and read the result into memory.

What to look at: CPU of decart over CPU of bare aiohttp, at most 1.5.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

VIDEO = bytes(200 * 1024)
KEY = "dct_benchmark"
TARGET = 1.5
PROMPT = "A serene lake at sunset with mountains in the background"
PAUSES = (0.5, 0.75, 1.125, 1.6875)  # then 2.0, 2.0, ...: the default PollPolicy without its jitter


async def with_decart(url: str, jobs: int) -> int:
    from decart import AiohttpTransport, AsyncDecartClient, PollPolicy, models

    async with AsyncDecartClient(KEY, base_url=url, transport=AiohttpTransport(), poll=PollPolicy(jitter=0)) as client:
        options: Any = {"model": models.video("lucy-pro-t2v"), "prompt": PROMPT}
        results = await asyncio.gather(*(client.queue.submit_and_poll(options) for _ in range(jobs)))
    return sum(result.data == VIDEO for result in results)


async def with_aiohttp(url: str, jobs: int) -> int:
    import aiohttp

    async def job(session: aiohttp.ClientSession) -> bool:
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("prompt", PROMPT)
        async with session.post(f"{url}/v1/jobs/lucy-pro-t2v", data=form) as response:
            job_id = (await response.json())["job_id"]
        turn = 0
        while True:
            await asyncio.sleep(PAUSES[turn] if turn < len(PAUSES) else 2.0)
            turn += 1
            async with session.get(f"{url}/v1/jobs/{job_id}") as response:
                if (await response.json())["status"] == "completed":
                    break
        async with session.get(f"{url}/v1/jobs/{job_id}/content") as response:
            return await response.read() == VIDEO

    async with aiohttp.ClientSession(headers={"X-API-KEY": KEY}) as session:
        return sum(await asyncio.gather(*(job(session) for _ in range(jobs))))


CONTENDERS = {"decart": with_decart, "bare aiohttp": with_aiohttp}


def contend(name: str, url: str, jobs: int) -> None:
    """Be one of the contenders, in a process of its own; print what it took."""
    run = CONTENDERS[name]
    assert asyncio.run(run(url, 5)) == 5
    wall, cpu = time.perf_counter(), time.process_time()
    done = asyncio.run(run(url, jobs))
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "done": done}))


def serve(seconds: float) -> None:
    """Be the service; tell, for each line that comes in, the calls and connections since the last one."""
    from cheroot import wsgi

    from decart.emulator import Emulator
    from decart.emulator.app import App

    counts = {"calls": 0, "connections": 0}
    lock = threading.Lock()

    def count(what: str) -> None:
        with lock:
            counts[what] += 1

    class Counting(wsgi.Server.ConnectionClass):  # type: ignore[misc,name-defined]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            count("connections")

    emulator = Emulator(
        pending=seconds * 0.2,
        processing=seconds * 0.8,
        renderer=lambda order, target: target.write_bytes(VIDEO) and None,
    )
    app = App(emulator)

    def counted(environ: Any, start_response: Any) -> Any:
        count("calls")
        return app(environ, start_response)

    server = wsgi.Server(("127.0.0.1", 0), counted, numthreads=16, request_queue_size=512)
    server.ConnectionClass = Counting
    server.keep_alive_conn_limit = 1000  # cheroot hangs up on all but 10 otherwise
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    print(f"http://127.0.0.1:{server.bind_addr[1]}", flush=True)
    for _ in sys.stdin:
        with lock:
            print(json.dumps(counts), flush=True)
            counts.update(calls=0, connections=0)
    server.stop()
    emulator.close()


def measure(jobs: int, seconds: float, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run every contender in every round, and return what each run took."""
    this = str(Path(__file__).resolve())
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    with subprocess.Popen(
        [sys.executable, this, "--serve", "--seconds", str(seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        assert server.stdin is not None and server.stdout is not None
        url = server.stdout.readline().strip()
        for _ in range(rounds):
            for name in random.sample(list(CONTENDERS), len(CONTENDERS)):
                command = [sys.executable, this, "--contend", name, "--url", url, "--jobs", str(jobs)]
                took = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
                print("count", file=server.stdin, flush=True)
                runs[name].append({**took, **json.loads(server.stdout.readline())})
                assert took["done"] == jobs, took
        server.stdin.close()
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a job takes")
    parser.add_argument("--rounds", type=int, default=3)
    for hidden in ("--url", "--contend"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve(given.seconds)
    if given.contend:
        return contend(given.contend, given.url, given.jobs)
    runs = measure(given.jobs, given.seconds, given.rounds)
    print(f"{given.jobs} jobs of {given.seconds:g} s at the same time, medians of {given.rounds} rounds")
    print(f"{'':14}{'wall s':>8}{'CPU s':>8}{'calls':>8}{'connections':>13}")
    for name, took in runs.items():
        wall, cpu, calls, connections = (
            statistics.median(run[key] for run in took) for key in ("wall", "cpu", "calls", "connections")
        )
        print(f"{name:14}{wall:8.2f}{cpu:8.2f}{calls:8.0f}{connections:13.0f}")
    ratio = statistics.median(
        ours["cpu"] / bare["cpu"] for ours, bare in zip(runs["decart"], runs["bare aiohttp"], strict=True)
    )
    print(f"CPU, decart over bare aiohttp: {ratio:.2f} (at most {TARGET})")
    return None


if __name__ == "__main__":
    main()
