"""The view of docs/tokens-and-files.md that creates a token in Flask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support import documents
from support.studio import Studio

import decart
from decart.emulator import Emulator, EmulatorServer

PAGE = "docs/tokens-and-files.md"
FLASK = next(program for program in documents.programs(PAGE) if "import Flask" in program)


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(renderer=Studio(), api_keys={"dct_permanent"})


@pytest.fixture
def browser(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A browser of the app, whose service is an emulator."""
    with emulator, EmulatorServer(emulator) as server:
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        monkeypatch.setenv("DECART_API_KEY", "dct_permanent")
        names: dict[str, Any] = {"__name__": "app", "DecartClient": decart.DecartClient}
        documents.run(FLASK, names, PAGE)
        with names["client"]:
            yield names["app"].test_client()


def sign_in(browser: Any) -> None:
    with browser.session_transaction() as session:
        session["user"] = "ann"


def test_who_is_signed_in_gets_a_token_that_no_cache_keeps(browser: Any) -> None:
    sign_in(browser)
    response = browser.post("/token")
    assert response.get_json()["apiKey"].startswith("ek_")
    assert set(response.get_json()) == {"apiKey", "expiresAt"}
    assert response.headers["Cache-Control"] == "no-store"


def test_nobody_else_does(browser: Any, emulator: Emulator) -> None:
    assert browser.post("/token").status_code == 401
    sign_in(browser)
    assert browser.get("/token").status_code == 405
    assert len(emulator.requests) == 0


def test_a_refusal_of_the_service_is_not_that_of_the_user(browser: Any, emulator: Emulator) -> None:
    emulator.faults.add("status:403,on=tokens")
    sign_in(browser)
    assert browser.post("/token").status_code == 502
