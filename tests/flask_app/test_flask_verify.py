"""The server of docs/tokens-and-files.md that verifies signed client tokens, in Flask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support import documents
from support.studio import Studio

from decart import DecartClient
from decart.emulator import Emulator, EmulatorServer

PAGE = "docs/tokens-and-files.md"
(GATEWAY,) = (program for program in documents.programs(PAGE) if "before_request" in program)


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(renderer=Studio(), api_keys={"dct_permanent"})


@pytest.fixture
def signed(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A signed token for one model; the environment has the service's address, and no key."""
    with emulator, EmulatorServer(emulator) as server, DecartClient("dct_permanent", base_url=server.url) as client:
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        monkeypatch.delenv("DECART_API_KEY", raising=False)
        yield str(client.tokens.create(allowed_models=["lucy-2.5"]).token)


@pytest.fixture
def visit(signed: str) -> Iterator[Any]:
    """Request a page of the server, with the headers given."""
    names: dict[str, Any] = {"__name__": "gateway"}
    documents.run(GATEWAY, names, PAGE)
    with names["verifier"]:
        yield lambda **headers: names["app"].test_client().get("/models", headers=headers)


def test_a_caller_with_a_token_is_served_without_a_key_of_the_server(visit: Any, signed: str) -> None:
    response = visit(Authorization=f"Bearer {signed}")
    assert (response.status_code, response.get_json()) == (200, ["lucy-2.5"])


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer ek_x", "Basic eyJ", "Bearer a.b.c"])
def test_any_other_caller_is_refused(visit: Any, emulator: Emulator, header: str | None) -> None:
    assert visit(**({} if header is None else {"Authorization": header})).status_code == 401
    assert emulator.requests.of(method="GET") == []  # without asking for the keys


def test_a_forged_token_is_refused(visit: Any, signed: str) -> None:
    assert visit(Authorization=f"Bearer {signed[:-8]}AAAAAAAA").status_code == 401


def test_an_outage_is_not_a_refusal_and_only_one_caller_waits_for_it(
    visit: Any, signed: str, emulator: Emulator
) -> None:
    emulator.faults.add("status:401,times=1")  # not retried
    assert visit(Authorization=f"Bearer {signed}").status_code == 503
    assert visit(Authorization=f"Bearer {signed}").status_code == 503
    assert len(emulator.requests.of(method="GET")) == 1


def test_a_key_that_is_known_outlasts_an_outage(visit: Any, signed: str, emulator: Emulator) -> None:
    assert visit(Authorization=f"Bearer {signed}").status_code == 200
    emulator.faults.add("status:503,times=forever")
    assert visit(Authorization=f"Bearer {signed}").status_code == 200
