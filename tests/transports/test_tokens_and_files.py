"""Tokens and files against the emulator, over every transport and through both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.faces import ASYNC, SYNC
from support.studio import Studio

from decart import (
    AsyncDecartClient,
    AuthenticationError,
    CallError,
    DecartClient,
    NotFoundError,
    TokenCreateError,
    TokenVerifyError,
    models,
)
from decart.emulator import Emulator, EmulatorServer
from decart.transports.base import Transport

SIZE = 3 * 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    emulator = Emulator(pending=0, processing=0, renderer=Studio(), api_keys={"dct_permanent"})
    with emulator, EmulatorServer(emulator) as server:
        yield server


@pytest.fixture
def client(transport: Transport, server: EmulatorServer) -> DecartClient:
    return DecartClient("dct_permanent", base_url=server.url, transport=transport)


def test_a_token_is_created_used_and_verified(
    client: DecartClient, transport: Transport, server: EmulatorServer
) -> None:
    created = client.tokens.create(
        expires_in=timedelta(minutes=5),
        allowed_models=[models.video("lucy-pro-t2v")],
        constraints={"realtime": {"maxSessionDuration": 60}},
        metadata={"user": "ann"},
    )
    assert abs(created.expires_at - datetime.now(UTC) - timedelta(minutes=5)) < timedelta(seconds=30)
    assert created.permissions == {"models": ["lucy-pro-t2v"]}
    assert created.token is not None
    verified = client.tokens.verify(created.token)
    assert (verified.models, verified.origins) == (("lucy-pro-t2v",), None)
    assert verified.constraints == created.constraints == {"realtime": {"maxSessionDuration": 60}}
    assert client.tokens.decode(created.token).claims == verified.claims
    browser = DecartClient(created.api_key, base_url=server.url, transport=transport)
    assert browser.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}).status == "pending"
    with pytest.raises(TokenCreateError, match="A client token cannot create another one") as caught:
        browser.tokens.create()
    assert isinstance(caught.value.cause, AuthenticationError)


def test_a_token_of_another_emulator_is_refused(client: DecartClient) -> None:
    with (
        Emulator(renderer=Studio()) as other,
        EmulatorServer(other) as foreign,
        DecartClient("dct_x", base_url=foreign.url) as stranger,
    ):
        token = stranger.tokens.create().token
    with pytest.raises(TokenVerifyError) as caught:
        client.tokens.verify(token or "")
    assert caught.value.reason == "key"


def test_a_wrong_key_creates_no_token(transport: Transport, server: EmulatorServer) -> None:
    with pytest.raises(TokenCreateError) as caught:
        DecartClient("dct_wrong", base_url=server.url, transport=transport).tokens.create()
    assert caught.value.status_code == 401


def test_a_file_is_uploaded_found_and_deleted(client: DecartClient, tmp_path: Path) -> None:
    (tmp_path / "big.mp4").write_bytes(bytes(SIZE))
    file = client.files.upload(tmp_path / "big.mp4", ttl=timedelta(hours=1))
    assert (file.filename, file.mime_type, file.size_bytes) == ("big.mp4", "video/mp4", SIZE)
    assert file.expires_at == file.created_at + timedelta(hours=1)
    assert client.files.get(file.id) == file
    client.files.delete(file)
    for method in (client.files.get, client.files.delete):
        with pytest.raises(CallError, match=f"{file.id} could not be .* no such file") as caught:
            method(file)
        assert isinstance(caught.value.cause, NotFoundError)
    assert client.files.upload(b"picture", ttl="persistent").expires_at is None


@pytest.mark.parametrize("name", [*SYNC, *ASYNC])
def test_the_same_awaited(name: str, server: EmulatorServer, tmp_path: Path) -> None:
    (tmp_path / "big.mp4").write_bytes(bytes(SIZE))

    async def main() -> None:
        transport: Any = {**SYNC, **ASYNC}[name]()
        async with AsyncDecartClient("dct_permanent", base_url=server.url, transport=transport) as client:
            created = await client.tokens.create(allowed_origins=["https://example.com"])
            assert created.permissions == {"origins": ["https://example.com"]}
            verified = await asyncio.gather(*[client.tokens.verify(created.token or "") for _ in range(10)])
            assert {token.origins for token in verified} == {("https://example.com",)}
            file = await client.files.upload(tmp_path / "big.mp4")
            assert (await client.files.get(file)).size_bytes == SIZE
            await client.files.delete(file)
            with pytest.raises(CallError, match="no such file"):
                await client.files.get(file)

    asyncio.run(main())
