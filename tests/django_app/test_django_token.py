"""The view of docs/tokens-and-files.md that creates a token in Django."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpResponse
from django.test import RequestFactory
from support import documents
from support.studio import Studio

import decart
from decart import DecartClient
from decart.emulator import Emulator, EmulatorServer

PAGE = "docs/tokens-and-files.md"
DJANGO = next(program for program in documents.programs(PAGE) if "django.http" in program)

View = Callable[[Any, str], HttpResponse]


@pytest.fixture
def view() -> Iterator[View]:
    """Visit the view with a method, as a user; the service is an emulator."""
    emulator = Emulator(renderer=Studio(), api_keys={"dct_permanent"})
    with emulator, EmulatorServer(emulator) as server, DecartClient("dct_permanent", base_url=server.url) as client:
        names: dict[str, Any] = {"__name__": "views", "client": client, "TokenCreateError": decart.TokenCreateError}
        documents.run(DJANGO, names, PAGE)

        def visit(user: Any, method: str) -> HttpResponse:
            request = RequestFactory().generic(method, "/token")
            request.user = user
            response: HttpResponse = names["token_view"](request)
            return response

        yield visit


def test_who_is_signed_in_gets_a_token_that_no_cache_keeps(view: View) -> None:
    response = view(User(pk=1, username="ann"), "POST")
    assert b'"apiKey": "ek_' in response.content
    assert "no-store" in response.headers["Cache-Control"]


def test_nobody_else_does(view: View) -> None:
    assert view(AnonymousUser(), "POST").status_code == 401
    assert view(User(pk=1, username="ann"), "GET").status_code == 405
