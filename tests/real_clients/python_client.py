"""The whole non-realtime surface of a public Python SDK, played against the emulator: `python_client.py URL FOLDER`.

Runs in an environment of its own, which has the public `decart` (0.0.11 or newer) and not ours. What is to be sent is
in the folder. Each check is reported as a line of JSON: the operation, the case, and the error (null for none); the
last line lists what of the surface was left out.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import sys
import warnings
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import decart
from decart import DecartClient, QueueClient, models
from decart.models import ImageModels, VideoModels

URL, FOLDER, MEDIA = sys.argv[1], Path(sys.argv[2]), sys.argv[3]  # where `MEDIA` are fetched from is an address, too
KEY = "dct_real_client"
PATIENCE = 60.0  # seconds for each check; never reached when all is well
TOKENS = hasattr(decart, "TokensClient")
FIRST = version("decart") == "0.0.11"  # the version of the documented page
INPUTS = {
    "prompt": "Gr\u00fc\u00dfe vom \u6e56",
    "trajectory": [{"frame": 0, "x": 0.1, "y": 0.5}, {"frame": 60, "x": 0.9, "y": 0.5}],
    "seed": 7,
    "resolution": "720p",
    "orientation": "portrait",
    "enhance_prompt": True,
    "num_inference_steps": 30,
}
called: set[str] = set()


def report(operation: str, case: str, wrong: str | None) -> None:
    """Print how a check ended."""
    called.add(operation)
    print(json.dumps([operation, case, wrong]), flush=True)


async def check(operation: str, case: str, doing: Awaitable[Any], right: Callable[[Any], bool]) -> Any:
    """Tell whether something comes out right, and return it."""
    try:
        result = await asyncio.wait_for(doing, PATIENCE)
        report(operation, case, None if right(result) else f"gave {result!r:.200}")
    except Exception as error:
        report(operation, case, f"{type(error).__name__}: {error}")
    else:
        return result


async def refused(operation: str, case: str, doing: Awaitable[Any], kind: type[BaseException], words: str = "") -> None:
    """Tell whether something is refused with an error of that kind, which says these words."""
    try:
        result = await asyncio.wait_for(doing, PATIENCE)
        report(operation, case, f"was not refused, but gave {result!r:.200}")
    except (Exception, asyncio.CancelledError) as error:
        fine = type(error) is kind and words in str(error)
        report(operation, case, None if fine else f"{type(error).__name__}: {error} (not {kind.__name__}: {words})")


async def later(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a plain function as if it were awaited."""
    return function(*args, **options)


def is_video(data: object) -> bool:
    return isinstance(data, bytes) and data[4:8] == b"ftyp" and b"moov" in data and b"mdat" in data


def is_picture(data: object) -> bool:
    return isinstance(data, bytes) and data.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" in data[-12:]


def options(model: Any, **more: Any) -> dict[str, Any]:
    """Return every input that a model has, apart from a reference image."""
    fields = model.input_schema.model_fields
    moving = not any(kind in model.name for kind in ("i2v", "i2i", "image", "motion"))
    files = {"data": FOLDER / ("clip.mp4" if moving else "picture.png")}
    files |= dict.fromkeys(("start", "end"), FOLDER / "picture.png")
    given = {name: value for name, value in {**INPUTS, **files}.items() if name in fields}
    return {"model": model, **given, **more}


async def by_hand(client: DecartClient, model: Any) -> None:
    """Submit a job, poll it until it ends, and fetch the result."""
    job = await check(
        "queue.submit", model.name, client.queue.submit(options(model)), lambda job: job.status == "pending"
    )
    if job is None:
        return

    async def looked() -> list[str]:
        statuses = [job.status]
        while statuses[-1] not in ("completed", "failed"):
            await asyncio.sleep(0.1)
            statuses.append((await client.queue.status(job.job_id)).status)
        return list(dict.fromkeys(statuses))

    states = ["pending", "processing", "completed"]
    await check("queue.status", model.name, looked(), lambda seen: seen == states)
    fits = is_picture if model.name.endswith(("i", "image-2", "image-latest")) else is_video
    await check("queue.result", model.name, client.queue.result(job.job_id), fits)


async def waited(client: DecartClient, model: Any, case: str = "", **more: Any) -> None:
    """Submit and poll."""
    seen: list[str] = []
    order = options(model, on_status_change=lambda job: seen.append(job.status), **more)
    order = {name: value for name, value in order.items() if value is not None}

    def right(result: Any) -> bool:
        video = is_picture(result.data) if model.name.endswith("2i") else is_video(result.data)
        return result.status == "completed" and video and [*dict.fromkeys(seen)] == ["pending", "processing", seen[-1]]

    await check("queue.submit_and_poll", f"{model.name} {case}", client.queue.submit_and_poll(order), right)


async def each_model(client: DecartClient) -> None:
    """Play every model of this client's registry."""
    videos, images = map(models.video, get_args(VideoModels)), [*map(models.image, get_args(ImageModels))]
    queued = [*videos, *(images if FIRST else [])]  # newer ones post an image model's job to /v1/generate: see `rest`
    if FIRST:  # sends a trajectory as Python would print it, and not as JSON
        motion = queued.pop([model.name for model in queued].index("lucy-motion"))
        broken = client.queue.submit(options(motion))
        await refused("queue.submit", "lucy-motion, as it sends it", broken, decart.QueueSubmitError, "422")
    await asyncio.gather(
        *(by_hand(client, model) for model in queued),
        *(waited(client, model) for model in queued),
        *(check("process", model.name, client.process(options(model)), is_picture) for model in images),
    )


async def each_kind_of_file(client: DecartClient) -> None:
    """Send the same video in every form that the client accepts."""
    model = models.video("lucy-pro-v2v" if FIRST else "lucy-2.5")
    path = FOLDER / "clip.mp4"
    kinds: dict[str, Any] = {
        "bytes": path.read_bytes(),
        "file object": io.BytesIO(path.read_bytes()),
        "path as str": str(path),
        "URL": f"{MEDIA}/clip.mp4",
    }
    await asyncio.gather(*(waited(client, model, f"from {kind}", data=data) for kind, data in kinds.items()))
    if not FIRST:
        picture, restyle = FOLDER / "picture.png", models.video("lucy-restyle-2")
        await waited(client, model, "with a reference image", reference_image=picture)
        alone = {"reference_image": picture, "prompt": None, "enhance_prompt": None}
        await waited(client, restyle, "by a reference image", **alone)
        await waited(client, model, "without words", prompt="")
    wrong: dict[str, Any] = {"number": 7, "file that is not there": Path("nowhere"), "text": "no file and no URL"}
    for kind, data in wrong.items():
        bad = client.queue.submit(options(model, data=data))
        await refused("queue.submit", f"a {kind} as data", bad, decart.InvalidInputError)


async def failed_jobs(client: DecartClient) -> None:
    """Check that a job fails."""
    model = models.video("lucy-pro-i2v" if FIRST else "lucy-2.6")
    broken = options(model, data=b"no media at all")
    result = client.queue.submit_and_poll(dict(broken))
    await check("queue.submit_and_poll", "a job that fails", result, lambda result: result.status == "failed")
    job = await client.queue.submit(broken)
    early = client.queue.result(job.job_id)
    await refused("queue.result", "too early", early, decart.QueueResultError, "409")


async def mistakes(client: DecartClient) -> None:
    """Make every mistake that there is an error for."""
    stranger = DecartClient(api_key="no-key", base_url=URL)
    model, image = models.video(get_args(VideoModels)[0]), models.image("lucy-pro-i2i")
    submit, status, result = decart.QueueSubmitError, decart.QueueStatusError, decart.QueueResultError
    async with stranger:
        for operation, doing, kind in (
            ("queue.submit", stranger.queue.submit(options(model)), submit),
            ("queue.submit_and_poll", stranger.queue.submit_and_poll(options(model)), submit),
            ("queue.status", stranger.queue.status("x"), status),
            ("queue.result", stranger.queue.result("x"), result),
            ("process", stranger.process(options(image)), decart.ProcessingError),
        ):
            await refused(operation, "wrong key", doing, kind, "401")
    await refused("queue.status", "unknown job", client.queue.status("nobody"), status, "404")
    await refused("queue.result", "unknown job", client.queue.result("nobody"), result, "404")
    for name, value in (("seed", -5), ("resolution", "9999p")):
        wrong = {name: value}
        await refused("queue.submit", f"wrong {name}", client.queue.submit(options(model, **wrong)), submit, name)
        bad = client.process(options(image, **wrong))
        await refused("process", f"wrong {name}", bad, decart.ProcessingError, name)
    for function in (client.queue.submit, client.queue.submit_and_poll, client.process):
        operation = function.__qualname__.replace("QueueClient", "queue").replace("DecartClient.", "")
        for case, order in (("no model", {}), ("a prompt too long", options(model, prompt="x" * 1001))):
            await refused(operation, case, function(order), decart.InvalidInputError)
    await refused("models.video", "unknown", later(models.video, "nobody"), decart.ModelNotFoundError)
    await refused("models.image", "unknown", later(models.image, "nobody"), decart.ModelNotFoundError)
    await refused("DecartClient", "no key", later(DecartClient, api_key=""), decart.InvalidAPIKeyError)
    no_url = later(DecartClient, api_key=KEY, base_url="nowhere")
    await refused("DecartClient", "no URL", no_url, decart.InvalidBaseURLError)


async def rest(client: DecartClient) -> None:
    """Exercise what only one of the versions has, or has in its own form."""
    given_up = asyncio.Event()
    given_up.set()
    image = models.image("lucy-pro-i2i")
    cancelled = client.process(options(image, cancel_token=given_up))
    await refused("process", "cancelled", cancelled, asyncio.CancelledError)
    if FIRST:
        video = client.process(options(models.video("lucy-pro-t2v")))
        await refused("process", "a video, no longer done", video, decart.ProcessingError)
        return
    wrong_way = client.queue.submit(options(image))
    await refused("queue.submit", "an image, which it asks for at /v1/generate", wrong_way, content_type_error())
    for name, outcome in (("lucy-2.5", None), ("nobody", "405")):
        mine = decart.CustomModelDefinition(name=name, url_path=f"/v1/jobs/{name}", fps=20, width=1280, height=720)
        order = {"model": mine, "prompt": INPUTS["prompt"], "seed": 7, "data": FOLDER / "clip.mp4"}
        doing = client.queue.submit(order)
        if outcome:
            await refused("queue.submit", "an unknown model of one's own", doing, decart.QueueSubmitError, outcome)
        else:
            await check("queue.submit", "a model of one's own", doing, lambda job: job.status == "pending")


def content_type_error() -> type[Exception]:
    from aiohttp import ContentTypeError

    return ContentTypeError


async def tokens(client: DecartClient) -> None:
    """Mint client tokens, and check them offline."""
    scope: dict[str, Any] = {
        "metadata": {"role": "viewer"},
        "expires_in": 120,
        "allowed_models": ["lucy-2.5"],
        "allowed_origins": ["https://example.com"],
        "constraints": {"realtime": {"maxSessionDuration": 300}},
    }
    plain = await check("tokens.create", "plain", client.tokens.create(), lambda made: made.api_key.startswith("ek_"))
    full = await check(
        "tokens.create",
        "with everything",
        client.tokens.create(**scope),
        lambda made: made.permissions["models"] == ["lucy-2.5"] and made.constraints == scope["constraints"],
    )
    for case, wrong in (("expiry", {"expires_in": 4000}), ("origin", {"allowed_origins": ["no origin"]})):
        await refused("tokens.create", f"wrong {case}", client.tokens.create(**wrong), decart.TokenCreateError, "422")
    if plain is None or full is None:
        return
    right = lambda claims: claims.allowed_models == ["lucy-2.5"] and bool(claims.user_id)  # noqa: E731
    at_emulator = {"jwks_url": f"{URL}/api/auth/jwks"}
    await check("tokens.decode", "", later(client.tokens.decode, full.token), right)
    await check("decode_client_token", "", later(decart.decode_client_token, full.token), right)
    await check("tokens.verify", "", client.tokens.verify(full.token, **at_emulator), right)
    await check("verify_client_token", "", decart.verify_client_token(full.token, **at_emulator), right)
    head, body, signature = full.token.split(".")
    forged = client.tokens.verify(f"{head}.{body}.{plain.token.split('.')[2]}", **at_emulator)
    await refused("tokens.verify", "forged", forged, decart.TokenVerifyError)
    await refused("tokens.decode", "no token", later(client.tokens.decode, "x"), decart.TokenDecodeError)
    async with DecartClient(api_key="no-key", base_url=URL) as stranger:
        await refused("tokens.create", "wrong key", stranger.tokens.create(), decart.TokenCreateError, "401")
    async with DecartClient(api_key=plain.api_key, base_url=URL) as holder:
        order = holder.queue.submit(options(models.video("lucy-2.5")))
        await check("queue.submit", "with a client token", order, lambda job: job.status == "pending")
        await refused("tokens.create", "by a client token", holder.tokens.create(), decart.TokenCreateError, "403")


def left_out() -> list[str]:
    """Return the public names that no check has called."""
    groups: dict[str, Any] = {"": DecartClient, "queue.": QueueClient, "models.": type(models)}
    if TOKENS:
        groups["tokens."] = decart.TokensClient
    methods = {
        prefix + name
        for prefix, owner in groups.items()
        for name, member in vars(owner).items()
        if not name.startswith("_") and callable(getattr(owner, name)) and not isinstance(member, property)
    }
    functions = {name for name in decart.__all__ if inspect.isfunction(getattr(decart, name))}
    return sorted((methods | functions) - called)


async def main() -> None:
    warnings.simplefilter("ignore")  # of deprecated names, which are played too
    async with DecartClient(api_key=KEY, base_url=URL, integration="real_clients/1") as client:
        plays = [each_model, each_kind_of_file, failed_jobs, mistakes, rest]
        await asyncio.gather(*(play(client) for play in (*plays, *([tokens] if TOKENS else []))))
    report("close", "", None if client._session is None or client._session.closed else "left its session open")
    print(json.dumps({"left out": left_out()}))


asyncio.run(main())
