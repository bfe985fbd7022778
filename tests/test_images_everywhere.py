"""Images, model names and provenance over every transport and through both clients, against the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from decart import (
    AsyncDecartClient,
    AuthenticationError,
    CallError,
    DecartClient,
    DecartSDKError,
    ModelNotFoundError,
    ProcessingError,
    ProcessingOutcomeUnknownError,
    RequestsTransport,
    SavedImage,
    models,
)
from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import render_small
from decart.transports.threaded import ThreadedTransport

Call = Callable[[Any], Any]  # with a client; the result is awaited if the client is async


def awaited(make: Callable[..., Any]) -> Callable[..., Any]:
    def play(url: str, call: Call, key: str = "dct_test") -> Any:
        async def run() -> Any:
            async with make(key, base_url=url) as client:
                return await call(client)

        return asyncio.run(run())

    return play


def blocking(transport: str) -> Callable[..., Any]:
    def play(url: str, call: Call, key: str = "dct_test") -> Any:
        with DecartClient(key, base_url=url, transport=transport) as client:  # type: ignore[arg-type]
            return call(client)

    return play


WAYS: dict[str, Callable[..., Any]] = {
    "sync, requests": blocking("requests"),
    "sync, urllib3": blocking("urllib3"),
    "async, requests in threads": awaited(
        lambda key, base_url: AsyncDecartClient(
            key, base_url=base_url, transport=ThreadedTransport(RequestsTransport())
        )
    ),
    "async, aiohttp": awaited(lambda key, base_url: AsyncDecartClient(key, base_url=base_url, transport="aiohttp")),
    "async, of a DecartClient": awaited(lambda key, base_url: DecartClient(key, base_url=base_url)),
    "async, aiohttp, of a DecartClient": awaited(
        lambda key, base_url: DecartClient(key, base_url=base_url, transport="aiohttp")
    ),
}
every_way = pytest.mark.parametrize("play", WAYS.values(), ids=WAYS)


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with Emulator(renderer=render_small) as emulator, EmulatorServer(emulator) as server:
        yield server


@pytest.fixture
def hat(tmp_path: Path) -> Any:
    Image.new("RGB", (64, 36), "teal").save(tmp_path / "face.png")
    return {"model": models.image("lucy-image-2"), "prompt": "A hat", "data": tmp_path / "face.png"}


def error_of(play: Callable[..., Any], server: EmulatorServer, call: Call, key: str = "dct_test") -> DecartSDKError:
    with pytest.raises(DecartSDKError) as caught:
        play(server.url, call, key)
    return caught.value


@every_way
def test_an_image_is_made_and_saved(play: Any, server: EmulatorServer, hat: Any, tmp_path: Path) -> None:
    image = play(server.url, lambda client: client.process(hat))
    assert (image.content_type, image.to_pil().format, image.model) == ("image/png", "PNG", "lucy-image-2")
    saved = play(server.url, lambda client: client.process(hat, save_to=tmp_path / "hat.png"))
    assert saved == SavedImage(path=tmp_path / "hat.png", content_type="image/png", model="lucy-image-2")
    assert saved.path.read_bytes() == image.data


@every_way
@pytest.mark.parametrize(
    ("fault", "made"),
    [
        ("status:429,on=generate", True),
        ("status:504,on=generate", False),
        ("drop-after,on=generate", False),
        ("drop-midway,on=generate", False),
        ("html,on=generate", False),
    ],
)
def test_an_image_is_repeated_only_after_a_refusal(
    play: Any, server: EmulatorServer, hat: Any, fault: str, made: bool
) -> None:
    server.emulator.faults.add(fault)
    before = len(server.emulator.requests)
    if made:
        assert play(server.url, lambda client: client.process(hat)).data
    else:
        error = error_of(play, server, lambda client: client.process(hat))
        assert isinstance(error, ProcessingOutcomeUnknownError)
    assert len(server.emulator.requests) - before == 1 + made


@every_way
def test_a_refused_key_bills_nothing(play: Any, server: EmulatorServer, hat: Any) -> None:
    error = error_of(play, server, lambda client: client.process(hat), "nonsense")
    assert isinstance(error, ProcessingError) and isinstance(error.cause, AuthenticationError)


@every_way
def test_a_name_is_resolved_without_a_key(play: Any, server: EmulatorServer) -> None:
    assert play(server.url, lambda client: client.models.resolve("lucy-latest"), "nonsense") == "lucy-2.5"
    names = ["lucy-image-latest", "lucy_2_5"]
    ids = {"lucy-image-latest": "lucy-image-2", "lucy_2_5": "lucy-2.5"}
    assert play(server.url, lambda client: client.models.resolve(names)) == ids


@every_way
def test_an_unknown_name_is_not_found(play: Any, server: EmulatorServer) -> None:
    error = error_of(play, server, lambda client: client.models.resolve(["lucy-2.5", "lucy-9"]))
    assert isinstance(error, ModelNotFoundError) and error.model == "lucy-9"


@every_way
def test_the_origin_of_a_file_is_verified(play: Any, server: EmulatorServer, hat: Any) -> None:
    made = play(server.url, lambda client: client.process(hat)).data
    assert play(server.url, lambda client: client.verify(made)).detected is True
    assert play(server.url, lambda client: client.verify(hat["data"])).detected is False
    error = error_of(play, server, lambda client: client.verify(made), "nonsense")
    assert type(error) is CallError and error.status_code == 401
